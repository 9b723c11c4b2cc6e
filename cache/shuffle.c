/* Round robin of cached addresses: the option shuffle. */
#include "cache/internal.h"

#define RDATA_MAX 16

struct record {
	size_t owner, owner_len; /* of its name as it stands, compressed or not */
	size_t rdata;
	uint16_t type, len;
};

/* The record whose TTL is at this offset and whose owner begins at start; false when it ends
 * outside. */
static bool record_at(const uint8_t *answer, size_t len, size_t start, size_t ttl, struct record *r)
{
	if (ttl < start + 5 || ttl + 6 > len)
		return false;
	r->owner = start;
	r->owner_len = ttl - 4 - start;
	r->type = get_u16(answer + ttl - 4);
	r->len = get_u16(answer + ttl + 4);
	r->rdata = ttl + 6;
	return r->rdata + r->len <= len;
}

static bool is_address(const struct record *r)
{
	return (r->type == TYPE_A && r->len == 4) || (r->type == TYPE_AAAA && r->len == 16);
}

static bool same_set(const uint8_t *answer, const struct record *a, const struct record *b)
{
	return a->type == b->type && a->len == b->len && a->owner_len == b->owner_len &&
	       memcmp(answer + a->owner, answer + b->owner, a->owner_len) == 0;
}

/* Moves the data of n records, stride octets apart, by one place. */
static void rotate_once(uint8_t *data, size_t stride, size_t len, unsigned n)
{
	uint8_t first[RDATA_MAX];

	memcpy(first, data, len);
	for (unsigned i = 0; i + 1 < n; i++)
		memcpy(data + i * stride, data + (i + 1) * stride, len);
	memcpy(data + (n - 1) * stride, first, len);
}

static void rotate_run(uint8_t *answer, const struct record *first, unsigned n, uint32_t turn)
{
	/* equal owners and lengths: the records of a run lie at equal distances */
	size_t stride = first->owner_len + 10 + first->len;

	for (uint32_t i = turn % n; i > 0; i--)
		rotate_once(answer + first->rdata, stride, first->len, n);
}

void answer_rotate(uint8_t *answer, size_t len, size_t question_end, const uint16_t *ttl_at,
		   unsigned n, uint32_t turn)
{
	struct record first = {0}, r;
	size_t start = question_end;
	unsigned run = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!record_at(answer, len, start, ttl_at[i], &r))
			return;
		start = r.rdata + r.len;
		if (run > 0 && same_set(answer, &first, &r)) {
			run++;
			continue;
		}
		if (run > 1)
			rotate_run(answer, &first, run, turn);
		first = r;
		run = is_address(&r);
	}
	if (run > 1)
		rotate_run(answer, &first, run, turn);
}
