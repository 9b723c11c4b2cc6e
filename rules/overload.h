/*
 * Who is let in while queries come faster than a worker takes them in. Without this the kernel
 * loses whatever comes while its buffer is full, and who asks little loses as large a share as who
 * floods.
 *
 * A worker counts what each network sends it, and remembers what is usual for it: an average of the
 * last half minute in which all went well. When its socket's buffer stays full although it reads,
 * it lets in of each network twice what is usual and a little more, and throws away the rest before
 * it costs anything; how much is "a little" is cut in half every few milliseconds until the buffer
 * stays empty enough, and grows again as long as it does. So newcomers in numbers yield to those
 * who were there before: a large forwarder keeps its share, as does a client that asks now and
 * then. The time until dynamic blocks begin is bridged by it, and attacks that no rule of theirs
 * meets.
 *
 * Neighbours do not pay for each other: of a network that was there before, each client may send a
 * little, and twice what is usual for it, even when the network as a whole sends too much.
 *
 * A client that more than half of everything usually comes from is never refused: a balancer in
 * front of us has all clients behind it, and to refuse it would protect the few from the many.
 *
 * When there was next to no traffic before, nobody is there to be protected, and nothing is thrown
 * away: whoever measures a new server with all he has gets all that it can.
 *
 * Networks are /24 of IPv4 and /56 of IPv6, as RFC 7871 11.1 takes them to be one site's. There is
 * room for 16,384 of them and 4,096 clients, found by a keyed hash; what asks least leaves for a
 * newcomer. A new network gets in with one query at least each 33 ms; only where the attack itself
 * is new networks in great numbers, chance decides which.
 *
 * Owner: one worker, but for new, free and tick. Times are monotonic, in µs.
 */
#ifndef RULES_OVERLOAD_H
#define RULES_OVERLOAD_H

#include "core/addr.h"

struct overload;

/* Gives, with overload_free; 320 KiB, of which what is not needed is not touched. */
struct overload *overload_new(uint64_t now_us);
void overload_free(struct overload *o); /* harmless on NULL */

/*
 * A socket's buffer is still more than half full after a receive call that brought all it may, and
 * has been whenever somebody looked since since_us. A burst that ends soon changes nothing.
 */
void overload_pressed(struct overload *o, uint64_t since_us, uint64_t now_us);

/* So many datagrams follow. When they are few, all are counted, which no one notices then. */
void overload_batch(struct overload *o, unsigned n);

/* Counts a datagram of this client's. Whether it is let in. */
bool overload_admits(struct overload *o, const struct addr *client, uint64_t now_us);

/* Whether anybody may be refused now. */
bool overload_is_on(const struct overload *o);

/* Control thread, once a second: says in the log when queries are dropped, and when none is any
 * more. */
void overload_tick(uint64_t now_us);

#endif
