/*
 * A server that gets copies of queries (TeeAction), and whose answers are only counted. The action
 * owns it; workers have sockets to it (workers/tee.c), which are closed before it is freed.
 */
#ifndef RULES_TEE_H
#define RULES_TEE_H

#include "core/addr.h"
#include "core/perworker.h"

struct tee_socket;

/* What is counted, in the order and under the names of printStats(). */
#define TEE_COUNTERS(X)               \
	X(queries, "queries")         \
	X(responses, "responses")     \
	X(recv_errors, "recv-errors") \
	X(send_errors, "send-errors") \
	X(noerrors, "noerrors")       \
	X(nxdomains, "nxdomains")     \
	X(refuseds, "refuseds")       \
	X(servfails, "servfails")     \
	X(other_rcode, "other-rcode") \
	X(tcp_drops, "tcp-drops")

/* A worker's own part; only it writes there. */
struct tee_worker {
#define X(field, name) _Atomic uint64_t field;
	TEE_COUNTERS(X)
#undef X
	struct tee_socket *socket; /* NULL until the worker has had a query for it */
};

struct tee {
	struct addr remote, local; /* local's family is 0: any address */
	bool add_ecs;
	atomic_bool gone;          /* control thread sets: workers are to let go */
	_Atomic unsigned users;    /* workers with a socket */
	struct perworker counters; /* struct tee_worker */
	struct tee *next;          /* of those that are gone; control thread */
};

/* Gives; tee_end takes. Control thread. */
struct tee *tee_new(const struct addr *remote, const struct addr *local, bool add_ecs);

/* No rule has it any more, and no worker can begin to use it: freed when no worker has a socket. */
void tee_end(struct tee *t);

/* Frees what has been waiting in tee_end. Whether some are left: workers are to be told. Control
 * thread. */
bool tees_collect(void);

#endif
