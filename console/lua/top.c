/* Who asks most, for what, and with which answers: top… for people, getTop… for programs. */
#include <string.h>

#include "console/lua/owned.h"
#include "console/lua/registry.h"
#include "console/tally.h"
#include "rules/traffic.h"

#define TOP_DEFAULT     10
#define SLOW_DEFAULT_MS 500 /* the reference's */
#define LABELS_ALL      UINT32_MAX

/* What is counted, and of it what. */
enum counted {
	COUNT_QUERIES,  /* by name */
	COUNT_CLIENTS,  /* queries by address */
	COUNT_RCODE,    /* answers by name */
	COUNT_SLOW,     /* answers by name, timeouts left out */
	COUNT_TIMEOUTS, /* by name */
	COUNT_OCTETS,   /* of queries and answers, by address */
};

struct top {
	enum counted counted;
	uint32_t most;
	uint32_t labels;
	uint16_t rcode;
	double slower_us;
	struct tally *tally;
};

/* The last labels of a name, in lower case. */
static void add_name(const struct top *t, const struct traffic_record *r)
{
	uint8_t name[DNS_NAME_MAX] = {0};
	size_t len = r->name_len > 0 ? r->name_len : 1; /* an answer to no question: the root */
	unsigned labels;
	size_t at = 0;

	name_lower(name, r->name, r->name_len);
	for (labels = name_labels(name); labels > t->labels; labels--)
		at += 1u + name[at];
	tally_add(t->tally, name + at, len - at, 1);
}

static void add_client(const struct top *t, const struct traffic_record *r, uint64_t n)
{
	struct addr client = r->client;

	addr_set_port(&client, 0);
	tally_add(t->tally, &client, addr_len(&client), n);
}

static bool is_wanted(const struct top *t, const struct traffic_record *r)
{
	switch (t->counted) {
	case COUNT_QUERIES:
	case COUNT_CLIENTS:
	case COUNT_OCTETS:
		return true;
	case COUNT_RCODE:
		return r->latency_us != TRAFFIC_TIMEOUT && (r->flags & DNS_RCODE_MASK) == t->rcode;
	case COUNT_SLOW:
		return r->latency_us != TRAFFIC_TIMEOUT && r->latency_us > t->slower_us;
	case COUNT_TIMEOUTS:
		return r->latency_us == TRAFFIC_TIMEOUT;
	}
	return false;
}

static void count(void *ctx, const struct traffic_record *r)
{
	const struct top *t = ctx;

	if (!is_wanted(t, r))
		return;
	if (t->counted == COUNT_CLIENTS)
		add_client(t, r, 1);
	else if (t->counted == COUNT_OCTETS)
		add_client(t, r, r->size);
	else
		add_name(t, r);
}

static bool is_by_name(const struct top *t)
{
	return t->counted != COUNT_CLIENTS && t->counted != COUNT_OCTETS;
}

/* Leaves the counts on the stack. */
static void **count_all(lua_State *L, struct top *t)
{
	void **own = lua_own(L, (void (*)(void *))tally_free);

	*own = t->tally = tally_new();
	if (t->counted <= COUNT_CLIENTS || t->counted == COUNT_OCTETS)
		traffic_visit(TRAFFIC_QUERIES, count, t);
	if (t->counted >= COUNT_RCODE)
		traffic_visit(TRAFFIC_ANSWERS, count, t);
	tally_sort(t->tally);
	return own;
}

/* One line of the result. */
struct place {
	char text[DNS_NAME_TEXT_MAX];
	uint64_t n;
	double percent;
};

/* Of nothing, all is left. */
static double percent_of(const struct top *t, uint64_t n)
{
	uint64_t total = tally_total(t->tally);

	return total == 0 ? 100 : 100.0 * (double)n / (double)total;
}

static void get_place(const struct top *t, size_t i, struct place *p)
{
	const uint8_t *key;
	struct addr a;
	size_t len;

	p->n = tally_at(t->tally, i, &key, &len);
	p->percent = percent_of(t, p->n);
	if (is_by_name(t)) {
		name_text(key, len, p->text);
		return;
	}
	memcpy(&a, key, len);
	addr_text(&a, p->text);
}

/* Visits the first places, and what is left. */
static void each_place(lua_State *L, const struct top *t,
		       void (*visit)(lua_State *L, size_t rank, const struct place *p))
{
	size_t n = tally_len(t->tally) < t->most ? tally_len(t->tally) : t->most;
	uint64_t rest = tally_total(t->tally);
	struct place p;

	for (size_t i = 0; i < n; i++) {
		get_place(t, i, &p);
		rest -= p.n;
		visit(L, i + 1, &p);
	}
	p = (struct place){.text = "Rest", .n = rest, .percent = percent_of(t, rest)};
	visit(L, n + 1, &p);
}

static void print_place(lua_State *L, size_t rank, const struct place *p)
{
	(void)L;
	lua_host_printf("%4zu  %-40s %4llu %4.1f%%\n", rank, p->text, (unsigned long long)p->n,
			p->percent);
}

static void push_place(lua_State *L, size_t rank, const struct place *p)
{
	lua_createtable(L, 3, 0);
	lua_pushstring(L, p->text);
	lua_rawseti(L, -2, 1);
	lua_pushinteger(L, (lua_Integer)p->n);
	lua_rawseti(L, -2, 2);
	lua_pushnumber(L, p->percent);
	lua_rawseti(L, -2, 3);
	lua_rawseti(L, -2, (lua_Integer)rank);
}

static int show(lua_State *L, struct top *t)
{
	void **own = count_all(L, t);

	each_place(L, t, print_place);
	lua_disown(own);
	return 0;
}

static int get(lua_State *L, struct top *t)
{
	void **own = count_all(L, t);

	lua_newtable(L);
	each_place(L, t, push_place);
	lua_disown(own);
	return 1;
}

static uint32_t optional(lua_State *L, int i, const char *what, uint32_t otherwise)
{
	if (lua_arg_missing(L, i))
		return otherwise;
	return (uint32_t)lua_arg_integer(L, i, what, 0, UINT32_MAX);
}

static struct top read_top(lua_State *L, enum counted counted, int labels_at)
{
	return (struct top){
		.counted = counted,
		.most = optional(L, 1, "top", TOP_DEFAULT),
		.labels = labels_at ? optional(L, labels_at, "labels", LABELS_ALL) : LABELS_ALL,
	};
}

static struct top read_rcode(lua_State *L)
{
	struct top t = read_top(L, COUNT_RCODE, 3);

	if (!lua_arg_missing(L, 2))
		t.rcode = (uint16_t)lua_arg_integer(L, 2, "rcode", 0, DNS_RCODE_MASK);
	return t;
}

static struct top read_slow(lua_State *L)
{
	struct top t = read_top(L, COUNT_SLOW, 3);
	double ms = SLOW_DEFAULT_MS;

	if (!lua_arg_missing(L, 2))
		ms = lua_arg_number(L, 2, "milliseconds", 0, UINT32_MAX);
	t.slower_us = ms * 1000;
	return t;
}

#define TOP(name, read)                     \
	static int top_##name(lua_State *L) \
	{                                   \
		struct top t = read;        \
                                            \
		return show(L, &t);         \
	}
#define GET_TOP(name, read)                     \
	static int get_top_##name(lua_State *L) \
	{                                       \
		struct top t = read;            \
                                                \
		return get(L, &t);              \
	}

TOP(clients, read_top(L, COUNT_CLIENTS, 0))
TOP(timeouts, read_top(L, COUNT_TIMEOUTS, 2))
TOP(queries, read_top(L, COUNT_QUERIES, 2))
GET_TOP(queries, read_top(L, COUNT_QUERIES, 2))
TOP(responses, read_rcode(L))
GET_TOP(responses, read_rcode(L))
TOP(slow, read_slow(L))
TOP(bandwidth, read_top(L, COUNT_OCTETS, 0))
GET_TOP(bandwidth, read_top(L, COUNT_OCTETS, 0))

static int get_slow(lua_State *L)
{
	struct top t = read_slow(L);

	if (!lua_arg_missing(L, 4) && lua_arg_bool(L, 4, "timeouts"))
		t.counted = COUNT_TIMEOUTS;
	return get(L, &t);
}

#define TABLE "as an array of {what, count, percent}, the rest last"
const struct lua_function top_functions[] = {
	{"topClients", top_clients, ROW_READS | ROW_EXACT, "[top]",
	 "shows who asked most of the last queries (10 of them)"},
	{"topQueries", top_queries, ROW_READS | ROW_EXACT, "[top [, labels]]",
	 "shows what was asked most, by so many last labels of the name"},
	{"topResponses", top_responses, ROW_READS | ROW_EXACT, "[top [, rcode [, labels]]]",
	 "shows which names had most of the last answers with this response code (0)"},
	{"topSlow", top_slow, ROW_READS | ROW_EXACT, "[top [, milliseconds [, labels]]]",
	 "shows which names had most answers that took longer than that (500), timeouts left out"},
	{"topTimeouts", top_timeouts, ROW_READS | ROW_EXACT, "[top [, labels]]",
	 "shows for which names servers failed to answer most"},
	{"topBandwidth", top_bandwidth, ROW_READS | ROW_EXACT, "[top]",
	 "shows which clients had most octets of queries and answers"},
	{"getTopQueries", get_top_queries, ROW_READS | ROW_EXACT, "[top [, labels]]",
	 "what topQueries shows, " TABLE},
	{"getTopResponses", get_top_responses, ROW_READS | ROW_EXACT, "[top [, rcode [, labels]]]",
	 "what topResponses shows, " TABLE},
	{"getSlowResponses", get_slow, ROW_READS | ROW_EXACT,
	 "[top [, milliseconds [, labels [, timeouts]]]]",
	 "what topSlow shows, or with timeouts topTimeouts, " TABLE},
	{"getTopBandwidth", get_top_bandwidth, ROW_READS | ROW_EXACT, "[top]",
	 "what topBandwidth shows, " TABLE},
	{NULL, NULL, 0, NULL, NULL},
};
