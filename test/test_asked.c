/* Queues of queries for those that count them: what comes out is what went in, what found no room
 * is counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules/asked.h"
#include "test/traffic_fixture.h"

static const struct addr *listener(void)
{
	static struct addr a;

	a = sample_addr("192.0.2.53:53");
	return &a;
}

static unsigned wakes;

static void wake(void)
{
	wakes++;
}

static int start(void **state)
{
	wakes = 0;
	asked_start(2, wake);
	return 0;
}

static int stop(void **state)
{
	asked_stop();
	return 0;
}

/* A query of so many octets whose message ends with its question if it is as short as that. */
static void put(unsigned worker, const char *name, uint16_t size, uint64_t when_us)
{
	static uint8_t packet[65535];
	struct sampled s;

	sampled_make(&s, &(struct sample){.name = name, .qtype = 28, .proto = PROTO_TCP});
	s.q.question.qclass = 3;
	s.q.question.end = (uint16_t)(DNS_HEADER_LEN + s.q.question.name_len + 4);
	s.q.len = size > 0 ? size : s.q.question.end;
	memset(packet, 0xaa, sizeof(packet));
	memcpy(packet, s.packet, s.q.question.end);
	s.q.packet = packet;
	asked_note(worker, &s.q, listener(), when_us);
}

static struct asked got[8];
static uint8_t octets[8][256];
static unsigned n_got, want;

static bool keep(void *ctx, const struct asked *a)
{
	if (n_got < ARRAY_LEN(got)) {
		got[n_got] = *a;
		memcpy(octets[n_got], a->packet, a->len < 256 ? a->len : 256);
	}
	n_got++;
	return n_got < want;
}

static unsigned read_most(unsigned n)
{
	n_got = 0;
	want = n;
	asked_read(keep, NULL);
	return n_got;
}

static unsigned read_all(void)
{
	return read_most(UINT32_MAX);
}

static void nothing_is_noted_while_off(void **state)
{
	put(0, "a.example.", 0, 1);
	assert_false(asked_on());
	assert_int_equal(read_all(), 0);
	asked_follow(true, false);
	assert_true(asked_on());
	assert_int_equal(read_all(), 0);
	asked_follow(false, false);
	put(0, "a.example.", 0, 1);
	assert_int_equal(read_all(), 0);
	assert_false(asked_on());
}

static void what_comes_out_is_what_went_in(void **state)
{
	struct addr client = sample_addr("192.0.2.1:1053");

	asked_follow(true, false);
	put(0, "a.example.", 300, 7);
	put(1, "B.example.", 0, 8);
	assert_int_equal(read_all(), 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct asked *a = &got[i];
		bool first = a->when_us == 7;

		assert_memory_equal(&a->client, &client, sizeof(client));
		assert_memory_equal(&a->local, listener(), sizeof(a->local));
		assert_int_equal(a->question.qtype, 28);
		assert_int_equal(a->question.qclass, 3);
		assert_int_equal(a->question.name_len, 11);
		assert_int_equal(a->size, first ? 300 : 27);
		assert_int_equal(a->len, 27); /* without a filter, up to the question's end */
		assert_int_equal(a->proto, PROTO_TCP);
		assert_memory_equal(octets[i] + DNS_HEADER_LEN,
				    first ? "\1a\7example" : "\1B\7example", 11);
	}
	assert_int_equal(read_all(), 0);
	assert_int_equal(asked_lost(), 0);
}

static void whole_messages_when_asked_for(void **state)
{
	asked_follow(true, true);
	put(0, "a.example.", 200, 1);
	put(0, "a.example.", 65535, 2);
	assert_int_equal(read_all(), 2);
	assert_int_equal(got[0].len, 200);
	assert_int_equal(octets[0][199], 0xaa);
	assert_int_equal(got[1].len, 65535);
}

static void a_reader_may_stop_and_go_on(void **state)
{
	asked_follow(true, false);
	for (unsigned i = 1; i <= 5; i++)
		put(0, "a.example.", 0, i);
	assert_int_equal(read_most(2), 2);
	assert_int_equal(got[1].when_us, 2);
	assert_int_equal(read_all(), 3);
	assert_int_equal(got[0].when_us, 3);
}

static void what_was_noted_before_it_went_off_is_read(void **state)
{
	asked_follow(true, false);
	put(0, "a.example.", 0, 1);
	put(0, "a.example.", 0, 2);
	asked_follow(false, false);
	put(0, "a.example.", 0, 3);
	assert_int_equal(read_most(1), 1);
	assert_true(asked_on());
	assert_int_equal(read_all(), 1);
	assert_false(asked_on());
	asked_follow(true, false);
	put(0, "a.example.", 0, 4);
	assert_int_equal(read_all(), 1);
	assert_int_equal(got[0].when_us, 4);
}

static void what_finds_no_room_is_counted(void **state)
{
	const unsigned n = 3 * ASKED_ROOM / 1000;
	unsigned first, second;

	asked_follow(true, true);
	for (unsigned i = 0; i < n; i++)
		put(1, "a.example.", 1000, i);
	first = read_all();
	assert_int_equal(first + asked_lost(), n);
	assert_in_range(first, ASKED_ROOM / 1200, ASKED_ROOM / 1000);
	assert_int_equal(wakes, 1); /* half of it: the end can't be reached, since no entry fits */
	/* there is room again, over the end of the memory */
	for (unsigned i = 0; i < n; i++)
		put(1, "a.example.", 1000, i);
	second = read_all();
	assert_int_equal(first + second + asked_lost(), 2 * n);
	assert_true(second + 1 >= first);
	/* what was lost is known when the queues are gone */
	asked_follow(false, false);
	read_all();
	assert_false(asked_on());
	assert_int_equal(first + second + asked_lost(), 2 * n);
}

static void all_sizes_pass_the_end_of_the_memory(void **state)
{
	uint64_t put_in = 0, read = 0;

	asked_follow(true, true);
	for (unsigned i = 0; i < 400; i++) {
		for (unsigned j = 0; j < 40; j++) {
			put(0, "a.example.", (uint16_t)(30 + (i * 7919 + j * 104729) % 30000),
			    ++put_in);
			if (j % 3 == 2) {
				unsigned got_now = read_most(2);

				for (unsigned k = 0; k < got_now; k++)
					assert_int_equal(got[k].when_us, ++read);
			}
		}
		while (read_most(4) > 0)
			for (unsigned k = 0; k < n_got; k++)
				assert_int_equal(got[k].when_us, ++read);
	}
	assert_int_equal(asked_lost(), 0);
	assert_int_equal(read, put_in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_noted_while_off, start, stop),
		cmocka_unit_test_setup_teardown(what_comes_out_is_what_went_in, start, stop),
		cmocka_unit_test_setup_teardown(whole_messages_when_asked_for, start, stop),
		cmocka_unit_test_setup_teardown(a_reader_may_stop_and_go_on, start, stop),
		cmocka_unit_test_setup_teardown(what_was_noted_before_it_went_off_is_read, start,
						stop),
		cmocka_unit_test_setup_teardown(what_finds_no_room_is_counted, start, stop),
		cmocka_unit_test_setup_teardown(all_sizes_pass_the_end_of_the_memory, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
