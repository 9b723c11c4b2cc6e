#include "workers/udp_ids.h"

#include <sys/mman.h>

#include "core/rand.h"

/*
 * The table is never more than half full while it can still double, and an ID keeps its place in
 * it, modulo the new size. 2^10 slots are two pages, which most servers never leave.
 */
#define BITS_FIRST 10
#define BITS_MAX   16

/* Draws before an occupant must go: a half-full table defeats that many once in 2^32 queries. */
#define DRAWS_MAX 32

/*
 * Twice as many slots as may be in use, if there are so many: up to the limit a free one is soon
 * drawn, and at the limit one that is not.
 */
static unsigned bits_for(unsigned limit)
{
	unsigned bits = 0;

	while (bits < BITS_MAX && 2 * limit > 1u << bits)
		bits++;
	return bits;
}

static size_t mapped_len(const struct udp_ids *ids)
{
	return sizeof(struct query *) << ids->bits_max;
}

int udp_ids_init(struct udp_ids *ids, unsigned limit)
{
	ids->n = 0;
	ids->limit = limit;
	ids->bits_max = bits_for(limit);
	ids->bits = ids->bits_max < BITS_FIRST ? ids->bits_max : BITS_FIRST;
	ids->slot = mmap(NULL, mapped_len(ids), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return ids->slot == MAP_FAILED ? -ENOMEM : 0;
}

void udp_ids_fini(struct udp_ids *ids)
{
	munmap(ids->slot, mapped_len(ids));
}

static void grow(struct udp_ids *ids)
{
	unsigned n = 1u << ids->bits;

	ids->bits++;
	for (unsigned i = 0; i < n; i++) {
		struct query *q = ids->slot[i];

		if (q == NULL || (q->upstream_id & n) == 0)
			continue;
		ids->slot[i] = NULL;
		ids->slot[i + n] = q;
	}
}

uint16_t udp_ids_draw(struct udp_ids *ids, struct query **occupant)
{
	bool is_full = ids->n >= ids->limit;
	uint16_t id;

	if (unlikely(2 * ids->n >= 1u << ids->bits && ids->bits < ids->bits_max))
		grow(ids);
	for (unsigned i = 0; i < DRAWS_MAX; i++) {
		id = rand_u16();
		*occupant = *udp_ids_slot(ids, id);
		if (likely((*occupant != NULL) == is_full))
			break;
	}
	return id;
}

void udp_ids_add(struct udp_ids *ids, struct query *q)
{
	struct query **slot = udp_ids_slot(ids, q->upstream_id);

	assert(*slot == NULL);
	*slot = q;
	ids->n++;
}

void udp_ids_remove(struct udp_ids *ids, const struct query *q)
{
	struct query **slot = udp_ids_slot(ids, q->upstream_id);

	assert(*slot == q);
	*slot = NULL;
	ids->n--;
}

struct query *udp_ids_any(const struct udp_ids *ids)
{
	for (size_t i = 0; ids->n > 0 && i < (size_t)1 << ids->bits; i++)
		if (ids->slot[i] != NULL)
			return ids->slot[i];
	return NULL;
}
