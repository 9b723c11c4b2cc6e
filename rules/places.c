#include "rules/places.h"

#include "core/mem.h"

/* Strays are asked by every query: so many at most, and a small part of the chain. */
#define STRAYS_MAX(n) ((n) / 4 < 16 ? (n) / 4 : 16)

static bool is_worthwhile(uint32_t n, uint32_t n_numbers, uint32_t n_strays)
{
	uint32_t gone = n_numbers - (n - n_strays);

	return n_strays <= STRAYS_MAX(n_numbers) && gone <= n_numbers / 2;
}

struct places *places_new(const uint32_t *numbers, uint32_t n, uint32_t n_numbers)
{
	uint32_t n_strays = 0, number = 0, stray = 0;
	struct places *p;

	for (uint32_t i = 0; i < n; i++)
		n_strays += numbers[i] == NUMBER_STRAY;
	if (!is_worthwhile(n, n_numbers, n_strays))
		return NULL;
	p = mem_alloc(sizeof(*p) + ((size_t)n_numbers + n_strays) * sizeof(uint32_t));
	p->n_numbers = n_numbers;
	p->n_strays = n_strays;
	p->strays = p->at + n_numbers;
	for (uint32_t i = 0; i < n; i++) {
		if (numbers[i] == NUMBER_STRAY) {
			p->strays[stray++] = i;
			continue;
		}
		assert(numbers[i] >= number && numbers[i] < n_numbers);
		while (number < numbers[i])
			p->at[number++] = 2 * i + 1;
		p->at[number++] = 2 * i;
	}
	while (number < n_numbers)
		p->at[number++] = 2 * n + 1;
	return p;
}

/* The first number whose rule, or the next one when it is gone, does not stand before from. */
static uint32_t number_from(const struct places *p, uint32_t from)
{
	uint32_t low = 0, high = from > 0 ? p->n_numbers : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p->at[middle] >> 1 < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint32_t next_known(struct candidates *c)
{
	uint32_t number;

	while ((number = cursors_next(&c->cursors)) != UINT32_MAX)
		if ((c->places->at[number] & 1) == 0)
			return c->places->at[number] >> 1;
	return UINT32_MAX;
}

bool candidates_find_placed(struct candidates *c, const struct chain_index *ix,
			    const struct places *p, struct rule_run *run, uint32_t from)
{
	if (!index_find(ix, run, number_from(p, from), &c->cursors))
		return false;
	c->known = next_known(c);
	c->stray = p->strays;
	c->end = p->strays + p->n_strays;
	while (c->stray < c->end && *c->stray < from)
		c->stray++;
	return true;
}

uint32_t candidates_next_placed(struct candidates *c)
{
	uint32_t at = c->known;

	if (c->stray < c->end && *c->stray < at)
		return *c->stray++;
	if (at != UINT32_MAX)
		c->known = next_known(c);
	return at;
}
