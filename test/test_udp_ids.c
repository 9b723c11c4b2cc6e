/* IDs of queries to a server over UDP. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/mem.h"
#include "core/rand.h"
#include "workers/udp_ids.h"

static struct query *query;

static int start(void **state)
{
	query = mem_lines(65537 * sizeof(*query));
	return rand_init();
}

static int end(void **state)
{
	free(query);
	return 0;
}

static void fill(struct udp_ids *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct query *occupant;

		query[i].upstream_id = udp_ids_draw(ids, &occupant);
		assert_null(occupant);
		udp_ids_add(ids, &query[i]);
	}
}

static void empty(struct udp_ids *ids)
{
	struct query *q;

	while ((q = udp_ids_any(ids)) != NULL)
		udp_ids_remove(ids, q);
	assert_int_equal(ids->n, 0);
	udp_ids_fini(ids);
}

static const struct {
	const char *label;
	unsigned limit, n;
} fillings[] = {
	{"one of one", 1, 1},
	{"first table half full", 65536, 512},
	{"grown once", 65536, 513},
	{"grown to the end", 65536, 33000},
	{"limit is no power of two", 1000, 999},
};

static void each_is_found_by_its_id_whatever_the_size(void **state)
{
	for (size_t c = 0; c < ARRAY_LEN(fillings); c++) {
		struct udp_ids ids;

		assert_int_equal(udp_ids_init(&ids, fillings[c].limit), 0);
		fill(&ids, fillings[c].n);
		for (unsigned i = 0; i < fillings[c].n; i++)
			if (udp_ids_find(&ids, query[i].upstream_id) != &query[i])
				fail_msg("%s: query %u is lost", fillings[c].label, i);
		empty(&ids);
	}
}

/* The answer to another ID of the same slot is nobody's. */
static void an_id_of_the_same_slot_finds_nobody(void **state)
{
	struct udp_ids ids;

	assert_int_equal(udp_ids_init(&ids, 65536), 0);
	fill(&ids, 1);
	assert_ptr_equal(udp_ids_hint(&ids, query[0].upstream_id ^ 0x8000), &query[0]);
	assert_null(udp_ids_find(&ids, query[0].upstream_id ^ 0x8000));
	empty(&ids);
}

static void at_the_limit_one_must_go(void **state)
{
	static const unsigned limits[] = {1, 2, 3, 5, 100, 1024, 1500};

	for (size_t c = 0; c < ARRAY_LEN(limits); c++) {
		struct query *occupant;
		struct udp_ids ids;
		uint16_t id;

		assert_int_equal(udp_ids_init(&ids, limits[c]), 0);
		fill(&ids, limits[c]);
		id = udp_ids_draw(&ids, &occupant);
		if (occupant == NULL)
			fail_msg("limit %u: nobody goes", limits[c]);
		assert_ptr_equal(*udp_ids_slot(&ids, id), occupant);
		empty(&ids);
	}
}

#define DRAWS 65536

/*
 * Every bit of an ID is set in half of the draws, whatever is in use. The standard deviation is
 * 128: eight of them for the high bits, so that chance alone never fails this.
 */
static void ids_are_uniform_over_all_their_bits(void **state)
{
	unsigned set[16] = {0};
	struct udp_ids ids;

	assert_int_equal(udp_ids_init(&ids, 65536), 0);
	fill(&ids, 400);
	for (unsigned i = 0; i < DRAWS; i++) {
		struct query *occupant;
		uint16_t id = udp_ids_draw(&ids, &occupant);

		for (unsigned bit = 0; bit < 16; bit++)
			set[bit] += id >> bit & 1;
	}
	/* the low bits lean towards the free slots, by a few in a hundred */
	for (unsigned bit = 0; bit < 16; bit++)
		if (abs((int)set[bit] - DRAWS / 2) > (bit < 10 ? DRAWS / 16 : 1024))
			fail_msg("bit %u is set in %u of %u", bit, set[bit], DRAWS);
	empty(&ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_found_by_its_id_whatever_the_size),
		cmocka_unit_test(an_id_of_the_same_slot_finds_nobody),
		cmocka_unit_test(at_the_limit_one_must_go),
		cmocka_unit_test(ids_are_uniform_over_all_their_bits),
	};

	return cmocka_run_group_tests(tests, start, end);
}
