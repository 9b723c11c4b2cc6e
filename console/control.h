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
 * Sets up the loop. From then on SIGTERM and SIGINT end control_run, and the process within five seconds,
 * with status 0, even when this thread is stuck in a call; SIGPIPE is ignored. Threads that are started
 * later must block signals. 0 or a negative errno.
 */
int control_init(void);
void control_fini(void);

int control_watch(struct control_source *s,
		  uint32_t events); /* 0, or -EPERM for a file that can't be waited for */
void control_rewatch(struct control_source *s, uint32_t events);
void control_unwatch(struct control_source *s);

/*
 * interrupt runs in the handler of SIGTERM and SIGINT, on this thread, and again a little later: it
 * tells code that would hold up the loop to stop. NULL: nobody to tell.
 */
void control_on_signal(void (*interrupt)(void));

/* Whether a signal has asked for the end. */
bool control_is_ending(void);

/* tick runs once a second, after each second's sleep. */
void control_on_tick(void (*tick)(void));

/*
 * beat runs every so many milliseconds, or not at all when that is 0. A beat that was missed because
 * something else ran does not come twice.
 */
void control_on_beat(void (*beat)(void), unsigned every_ms);

/* Turns until a signal or control_end. */
void control_run(void);
void control_end(void);

/* Runs turns until done() says so, or a signal: true when it was done(). */
bool control_run_until(bool (*done)(void));

#endif
