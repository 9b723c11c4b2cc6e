/* Traffic that the test notes, and commands over it; the clock stands still. */
#ifndef TEST_LUA_TRAFFIC_FIXTURE_H
#define TEST_LUA_TRAFFIC_FIXTURE_H

#include "core/clock.h"
#include "test/lua_fixture.h"
#include "test/traffic_fixture.h"

#define S   1000000u
#define NOW (100 * S)

static struct traffic_ring *queries, *answers;

/* Two minutes of everything, in two rings. */
static const struct sample asked[] = {
	{.when_us = 50 * S, .name = "a.example.", .id = 1, .size = 30},
	{.when_us = 60 * S, .name = "A.Example.", .id = 2, .client = "192.0.2.2:1", .size = 30},
	{.when_us = 70 * S,
	 .name = "b.a.example.",
	 .id = 3,
	 .client = "[2001:db8::1]:2",
	 .qtype = 28,
	 .proto = PROTO_TCP,
	 .size = 100},
	{.when_us = 80 * S, .name = "other.test.", .id = 4, .flags = 0x2000, .qtype = 6},
	{.when_us = 90 * S,
	 .name = ".",
	 .id = 5,
	 .flags = 0x7800,
	 .proto = PROTO_DOT,
	 .qtype = 65300},
	{.when_us = 95 * S, .name = "a.example.", .id = 6, .proto = PROTO_DOH},
};
static const struct sample answered[] = {
	{.when_us = 50 * S,
	 .name = "a.example.",
	 .id = 1,
	 .size = 100,
	 .answers = 2,
	 .server = "192.0.2.53:53",
	 .latency_us = 100000,
	 .flags = DNS_RD | DNS_TC | DNS_AA},
	{.when_us = 60 * S,
	 .name = "A.Example.",
	 .id = 2,
	 .client = "192.0.2.2:1",
	 .size = 40,
	 .flags = 3},
	{.when_us = 72 * S,
	 .name = "b.a.example.",
	 .id = 3,
	 .client = "[2001:db8::1]:2",
	 .qtype = 28,
	 .proto = PROTO_TCP,
	 .server = "[2001:db8::53]:5353",
	 .latency_us = TRAFFIC_TIMEOUT},
	{.when_us = 81 * S,
	 .name = "other.test.",
	 .id = 4,
	 .size = 200,
	 .qtype = 6,
	 .server = "192.0.2.53:53",
	 .latency_us = 1500,
	 .flags = 2},
};

static inline void note_all(void)
{
	queries = traffic_new(TRAFFIC_QUERIES, 10, 0);
	answers = traffic_new(TRAFFIC_ANSWERS, 10, 0);
	traffic_register(queries);
	traffic_register(answers);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		note_query(queries, &asked[i]);
	for (size_t i = 0; i < ARRAY_LEN(answered); i++)
		note_answer(answers, &answered[i]);
}

static inline void forget_all(void)
{
	traffic_unregister(queries);
	traffic_unregister(answers);
	traffic_free(queries);
	traffic_free(answers);
}

static inline void with_traffic(const struct line *lines, size_t n)
{
	clock_fake(NOW, 1700000000);
	note_all();
	check_lines("", lines, n);
	forget_all();
	clock_fake_end();
}

#endif
