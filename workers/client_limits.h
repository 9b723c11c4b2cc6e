/*
 * What one client (or a group of them under a mask) may do over TCP: connections at a time, new ones
 * a second, and none while it is banned. One table of fixed size for all workers, touched when a
 * connection begins and ends and never for a query.
 *
 * Lock-free: a slot's tag and its count of connections are one word, so that a slot can't change hands
 * while a connection holds it. Clients beyond the table's room are admitted without being counted.
 */
#ifndef WORKERS_CLIENT_LIMITS_H
#define WORKERS_CLIENT_LIMITS_H

#include "core/addr.h"
#include "core/settings.h"

/*
 * Clients known at a time: those with a connection open, a ban, or one in the last two intervals of the
 * rate. 1.5 MiB of address space, touched as used.
 */
#define CLIENT_SLOTS 65536

/* A client's place is one of so many, by hash: three cache lines. */
#define CLIENT_WAYS 8

struct client_slot {
	_Atomic uint64_t head;  /* 40 bits of the client's hash, 24 bits of open connections; 0: free */
	_Atomic uint64_t rate;  /* 16 bits of interval, 24 bits each of connections in it and in the one before */
	_Atomic uint64_t banned_until_us;
};

struct client_limits {
	struct client_slot slots[CLIENT_SLOTS];
	alignas(CACHE_LINE) _Atomic uint64_t any_ban_until_us; /* no ban lasts longer */
};

/* The process's. */
extern struct client_limits client_limits;

enum client_verdict {
	CLIENT_WELCOME,
	CLIENT_RESTRICTED, /* over the overload threshold of connections at a time */
	CLIENT_BANNED,
	CLIENT_TOO_MANY,
	CLIENT_TOO_FAST, /* and banned from now on, when bans are on */
};

/*
 * A connection of this client begins. With CLIENT_WELCOME and CLIENT_RESTRICTED *slot is to be given
 * back by client_leave; NULL when there is nothing to count. Any worker.
 */
enum client_verdict client_enter(struct client_limits *l, const struct settings *s,
                                 const struct addr *client, uint64_t now_us,
                                 struct client_slot **slot);

/* It ended. Harmless on NULL. */
void client_leave(struct client_slot *slot);

/* No new connection of this client for so long; 0 s: nothing happens. Any worker. */
void client_ban(struct client_limits *l, const struct settings *s, const struct addr *client,
                uint32_t ban_s, uint64_t now_us);

#endif
