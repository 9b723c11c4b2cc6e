/* All that the operator's side (console/) sees of the workers. */
#ifndef WORKERS_WORKERS_H
#define WORKERS_WORKERS_H

#include "core/err.h"
#include "core/mailbox.h"
#include "pools/server.h"
#include "workers/frontend.h"

struct check_question {
	uint8_t name[DNS_NAME_MAX];
	uint16_t name_len, qtype, qclass;
	uint16_t flags; /* header, host order; RD is set */
};

/* What workers tell the control thread; called on the control thread, from workers_drain. */
struct workers_hooks {
	void (*server_changed)(struct server *s, bool up, bool first); /* a check changed the state */
	/*
	 * A server has a checkFunction: asks for name, type, class and flags of the next probe. q is the
	 * default on entry. false: the function failed, and with it the check.
	 */
	bool (*check_function)(struct server *s, struct check_question *q);
	/* A server has a validator: whether this acceptable answer is good. */
	bool (*check_validator)(struct server *s, const uint8_t *answer, size_t len);
};

/*
 * Starts n threads, pinned to the cores the process may use, on the live tables. They probe all servers
 * once and serve nobody yet. 0, or a negative errno with err set and nothing running.
 */
int workers_start(unsigned n, const struct workers_hooks *hooks, struct err *err);

/* Whether every automatic server has had its first check (bounded by the checks' own timeouts). */
bool workers_checked_once(void);

/* Listeners answer from now on. */
void workers_serve(void);

/* Readable when workers have mail for the control thread. */
int workers_mail_fd(void);
void workers_drain(void); /* mails and log lines; control thread */

/* Something in the tables asks for workers' attention soon (a server came or went): wakes them all. */
void workers_wake(void);

/* The same at the next workers_tick: who has a query before that sees it then. */
void workers_wake_later(void);

/* The server's state is set by the operator (setAuto(status), upStatus): done by the worker that owns its checks. */
void workers_set_server_status(struct server *s, bool up);

/*
 * Has each worker write down its connections of clients and to servers, a line each; the lines are in
 * the log after the workers_drain that gets their mails. Nothing when no worker runs.
 */
void workers_dump_streams(void);

/* Once a second: rates of servers, cleaning due. Control thread. */
void workers_tick(void);

unsigned workers_count(void);

/* Ends all threads within a second, whatever is in flight; then returns. */
void workers_stop(void);

#endif
