/* Sessions kept for resumption: a stack whose bottom falls out when it is full. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/tls/provider.h"

struct kept {
	void *session;
	void (*release)(void *session);
	uint64_t expires_s;
};

struct tls_session_store {
	struct kept *kept; /* oldest first */
	unsigned n, room;
	unsigned max, validity_s;
};

/* Moved once for a handshake, not for a query. */
static _Atomic size_t kept_in_all;

size_t tls_sessions_kept(void)
{
	return atomic_load_explicit(&kept_in_all, memory_order_relaxed);
}

struct tls_session_store *tls_sessions_new(unsigned max, unsigned validity_s)
{
	struct tls_session_store *s = mem_zalloc(1, sizeof(*s));

	s->max = max;
	s->validity_s = validity_s;
	return s;
}

static void drop_oldest(struct tls_session_store *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		s->kept[i].release(s->kept[i].session);
	s->n -= n;
	atomic_fetch_sub_explicit(&kept_in_all, n, memory_order_relaxed);
	memmove(s->kept, s->kept + n, s->n * sizeof(*s->kept));
}

void tls_sessions_limit(struct tls_session_store *s, unsigned max, unsigned validity_s)
{
	s->max = max;
	s->validity_s = validity_s;
	if (s->n > max)
		drop_oldest(s, s->n - max);
}

void tls_sessions_free(struct tls_session_store *s)
{
	if (s == NULL)
		return;
	if (s->n > 0)
		drop_oldest(s, s->n);
	free(s->kept);
	free(s);
}

void tls_sessions_put(struct tls_session_store *s, void *session, void (*release)(void *session),
		      uint64_t now_s)
{
	if (s->max == 0) {
		release(session);
		return;
	}
	if (s->n >= s->max)
		drop_oldest(s, s->n - s->max + 1);
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 4;
		s->kept = mem_realloc(s->kept, s->room, sizeof(*s->kept));
	}
	atomic_fetch_add_explicit(&kept_in_all, 1, memory_order_relaxed);
	s->kept[s->n++] = (struct kept){session, release, now_s + s->validity_s};
}

void *tls_sessions_take(struct tls_session_store *s, uint64_t now_s)
{
	if (s->n == 0)
		return NULL;
	/* What lies below the newest is older still, unless the validity was changed in between. */
	if (s->kept[s->n - 1].expires_s <= now_s) {
		drop_oldest(s, s->n);
		return NULL;
	}
	atomic_fetch_sub_explicit(&kept_in_all, 1, memory_order_relaxed);
	return s->kept[--s->n].session;
}

unsigned tls_sessions_len(const struct tls_session_store *s)
{
	return s->n;
}
