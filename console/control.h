/*
 * The control thread's loop: descriptors, signals and a tick each second. It is the main thread,
 * the only writer of the tables and the only one that runs Lua; workers never wait for it.
 */
#ifndef CONSOLE_CONTROL_H
#define CONSOLE_CONTROL_H

#include "core/base.h"

/* Anything with a descriptor in the control thread's epoll set. */
struct control_source {
	void (*ready)(struct control_source *s, uint32_t events);
	int fd;
};

/*
 * Sets up the loop and blocks SIGTERM and SIGINT, which from then on end control_run (also in
 * threads that are started later); SIGPIPE is ignored. 0 or a negative errno. Before any thread.
 */
int control_init(void);
void control_fini(void);

int control_watch(struct control_source *s,
		  uint32_t events); /* 0, or -EPERM for a file that can't be waited for */
void control_rewatch(struct control_source *s, uint32_t events);
void control_unwatch(struct control_source *s);

/* tick runs once a second, after each second's sleep. */
void control_on_tick(void (*tick)(void));

/* Turns until a signal or control_end. */
void control_run(void);
void control_end(void);

/* Runs turns until done() says so, or a signal: true when it was done(). */
bool control_run_until(bool (*done)(void));

#endif
