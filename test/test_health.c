/* The health state machine on a clock of its own: each row of a script is one thing that happens.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pools/health.h"

#define SECOND 1000000ull
#define START  (1000 * SECOND)
#define NONE   UINT64_MAX

enum event {
	END,
	SEND, /* the probe that is due now */
	OK,   /* the probe's result */
	BAD,
	GOOD_QUERY,
	BAD_QUERY,
	SET_UP,
	SET_DOWN,
	RETUNE, /* with the script's other parameters */
};

struct step {
	double at_s; /* since the start */
	enum event event;
	enum health_change want;
	bool up;       /* afterwards */
	double next_s; /* when the next probe is due; -1: none */
};

struct script {
	const char *label;
	struct health_params params, other;
	struct step step[24];
};

/* Fields left out are filled in, see fill. */
#define ACTIVE(rise_, fail_, interval_)                                          \
	{                                                                        \
		.mode = HEALTH_ACTIVE, .rise = (rise_), .max_failures = (fail_), \
		.interval_s = (interval_)                                        \
	}
#define LAZY(...)                                \
	{                                        \
		.mode = HEALTH_LAZY, __VA_ARGS__ \
	}

static struct health_params fill(struct health_params p)
{
	struct health_params def;

	health_params_default(&def);
#define FILL(field) p.field = p.field ? p.field : def.field
	FILL(rise);
	FILL(max_failures);
	FILL(interval_s);
	FILL(lazy_sample_size);
	FILL(lazy_min_samples);
	FILL(lazy_threshold_percent);
	FILL(lazy_failed_interval_s);
	FILL(lazy_max_backoff_s);
	return p;
}

static const struct script scripts[] = {
	{"the first check decides alone, upwards", .params = ACTIVE(3, 3, 1),
	 .step = {{0, SEND, .up = false, .next_s = -1}, {0.1, OK, HEALTH_WENT_UP, true, 1}}},
	{"the first check decides alone, downwards", .params = ACTIVE(3, 3, 1),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {1, BAD, HEALTH_WENT_DOWN, false, 1},
		  {1, SEND, .up = false, .next_s = -1},
		  {1, OK, HEALTH_SAME, false, 2}}},
	{"down after as many failures as maxCheckFailures, in a row", .params = ACTIVE(1, 3, 1),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0, OK, HEALTH_WENT_UP, true, 1},
		  {1, BAD, HEALTH_SAME, true, 1},
		  {1, BAD, HEALTH_SAME, true, 1},
		  {1, OK, HEALTH_SAME, true, 1},
		  {1, BAD, HEALTH_SAME, true, 1},
		  {1, BAD, HEALTH_SAME, true, 1},
		  {1, BAD, HEALTH_WENT_DOWN, false, 1},
		  {1, BAD, HEALTH_SAME, false, 1}}},
	{"up after as many successes as rise, in a row", .params = ACTIVE(2, 1, 1),
	 .step = {{0, BAD, HEALTH_WENT_DOWN, false, 1},
		  {0, OK, HEALTH_SAME, false, 1},
		  {0, BAD, HEALTH_SAME, false, 1},
		  {0, OK, HEALTH_SAME, false, 1},
		  {0, OK, HEALTH_WENT_UP, true, 1},
		  {0, BAD, HEALTH_WENT_DOWN, false, 1},
		  {0, OK, HEALTH_SAME, false, 1}}},
	{"the period is counted from when a probe was due, not from its result",
	 .params = ACTIVE(1, 1, 5),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0.9, OK, HEALTH_WENT_UP, true, 5},
		  {5.2, SEND, .up = true, .next_s = -1},
		  {6.2, BAD, HEALTH_WENT_DOWN, false, 10}}},
	{"a result later than the period makes the next one due at once", .params = ACTIVE(1, 1, 1),
	 .step = {{0, SEND, .up = false, .next_s = -1}, {3, BAD, HEALTH_WENT_DOWN, false, 3}}},
	{"queries are nothing to an active server", .params = ACTIVE(1, 1, 1),
	 .step = {{0, OK, HEALTH_WENT_UP, true, 1}, {0, BAD_QUERY, HEALTH_SAME, true, 1}}},
	{"a lazy server starts up and asks for no probe", .params = LAZY(.rise = 1),
	 .step = {{0, GOOD_QUERY, HEALTH_SAME, true, -1}}},
	{"one bad query of one is over any threshold", .params = LAZY(.rise = 1),
	 .step = {{1, BAD_QUERY, HEALTH_SAME, true, 1}}},
	{"too few samples decide nothing", .params = LAZY(.lazy_min_samples = 3),
	 .step = {{1, BAD_QUERY, HEALTH_SAME, true, -1},
		  {2, BAD_QUERY, HEALTH_SAME, true, -1},
		  {3, BAD_QUERY, HEALTH_SAME, true, 3}}},
	{"the threshold is met by reaching it", .params = LAZY(.lazy_min_samples = 5),
	 .step = {{1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {2, BAD_QUERY, HEALTH_SAME, true, 2}}},
	{"below the threshold nothing happens",
	 .params = LAZY(.lazy_min_samples = 5, .lazy_threshold_percent = 21),
	 .step = {{1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {2, BAD_QUERY, HEALTH_SAME, true, -1}}},
	{"the sample forgets what is older than its size",
	 .params =
		 LAZY(.lazy_sample_size = 2, .lazy_min_samples = 2, .lazy_threshold_percent = 100),
	 .step = {{1, BAD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, GOOD_QUERY, HEALTH_SAME, true, -1},
		  {1, BAD_QUERY, HEALTH_SAME, true, -1},
		  {2, BAD_QUERY, HEALTH_SAME, true, 2}}},
	{"a suspect that answers its probe is healthy, and its sample starts anew",
	 .params = LAZY(.lazy_min_samples = 2),
	 .step = {{1, BAD_QUERY, HEALTH_SAME, true, -1},
		  {1, BAD_QUERY, HEALTH_SAME, true, 1},
		  {1, SEND, .up = true, .next_s = -1},
		  {1.1, OK, HEALTH_SAME, true, -1},
		  {2, BAD_QUERY, HEALTH_SAME, true, -1},
		  {2, BAD_QUERY, HEALTH_SAME, true, 2}}},
	{"a suspect is probed each second until maxCheckFailures, then each failed interval",
	 .params = LAZY(.max_failures = 3, .interval_s = 7),
	 .step = {{1, BAD_QUERY, HEALTH_SAME, true, 1},
		  {1, SEND, .up = true, .next_s = -1},
		  {1.5, BAD, HEALTH_SAME, true, 2},
		  {2, SEND, .up = true, .next_s = -1},
		  {2.5, BAD, HEALTH_SAME, true, 3},
		  {3, SEND, .up = true, .next_s = -1},
		  {3.5, BAD, HEALTH_WENT_DOWN, false, 33},
		  {33, SEND, .up = false, .next_s = -1},
		  {34, BAD, HEALTH_SAME, false, 63}}},
	{"queries do not count while a lazy server is suspect or failed", .params = LAZY(.rise = 1),
	 .step = {{1, BAD_QUERY, HEALTH_SAME, true, 1},
		  {1, BAD_QUERY, HEALTH_SAME, true, 1},
		  {1, SEND, .up = true, .next_s = -1},
		  {1, BAD_QUERY, HEALTH_SAME, true, -1},
		  {1, BAD, HEALTH_WENT_DOWN, false, 31},
		  {2, GOOD_QUERY, HEALTH_SAME, false, 31}}},
	{"a failed server needs rise successes, at the plain interval",
	 .params = LAZY(.rise = 2, .lazy_backoff = true),
	 .step = {{0, BAD_QUERY, HEALTH_SAME, true, 0},
		  {0, SEND, .up = true, .next_s = -1},
		  {0, BAD, HEALTH_WENT_DOWN, false, 30},
		  {30, SEND, .up = false, .next_s = -1},
		  {30, BAD, HEALTH_SAME, false, 90},
		  {90, SEND, .up = false, .next_s = -1},
		  {90, OK, HEALTH_SAME, false, 120},
		  {120, SEND, .up = false, .next_s = -1},
		  {120, OK, HEALTH_WENT_UP, true, -1}}},
	{"the back-off doubles with each failure up to its bound",
	 .params = LAZY(.lazy_backoff = true, .lazy_max_backoff_s = 200),
	 .step = {{0, BAD_QUERY, HEALTH_SAME, true, 0},
		  {0, SEND, .up = true, .next_s = -1},
		  {0, BAD, HEALTH_WENT_DOWN, false, 30},
		  {30, SEND, .up = false, .next_s = -1},
		  {30, BAD, HEALTH_SAME, false, 90},
		  {90, SEND, .up = false, .next_s = -1},
		  {90, BAD, HEALTH_SAME, false, 210},
		  {210, SEND, .up = false, .next_s = -1},
		  {210, BAD, HEALTH_SAME, false, 410},
		  {410, SEND, .up = false, .next_s = -1},
		  {410, BAD, HEALTH_SAME, false, 610}}},
	{"a success starts the back-off anew", .params = LAZY(.rise = 2, .lazy_backoff = true),
	 .step = {{0, BAD_QUERY, HEALTH_SAME, true, 0},
		  {0, SEND, .up = true, .next_s = -1},
		  {0, BAD, HEALTH_WENT_DOWN, false, 30},
		  {30, SEND, .up = false, .next_s = -1},
		  {30, BAD, HEALTH_SAME, false, 90},
		  {90, SEND, .up = false, .next_s = -1},
		  {90, OK, HEALTH_SAME, false, 120},
		  {120, SEND, .up = false, .next_s = -1},
		  {120, BAD, HEALTH_SAME, false, 150}}},
	{"the operator's word holds until the next check", .params = ACTIVE(1, 1, 5),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0, OK, HEALTH_WENT_UP, true, 5},
		  {2, SET_DOWN, .up = false, .next_s = 3},
		  {3, SEND, .up = false, .next_s = -1},
		  {3, OK, HEALTH_WENT_UP, true, 8}}},
	{"the operator's word ends the privilege of the first check", .params = ACTIVE(2, 2, 1),
	 .step = {{0, SET_UP, .up = true, .next_s = 1},
		  {1, SEND, .up = true, .next_s = -1},
		  {1, BAD, HEALTH_SAME, true, 2}}},
	{"a lazy server set down is a failed one", .params = LAZY(.rise = 1),
	 .step = {{4, SET_DOWN, .up = false, .next_s = 34},
		  {34, SEND, .up = false, .next_s = -1},
		  {34, OK, HEALTH_WENT_UP, true, -1}}},
	{"a result that arrives after the operator's word is nothing to a healthy lazy server",
	 .params = LAZY(.rise = 1),
	 .step = {{1, BAD_QUERY, HEALTH_SAME, true, 1},
		  {1, SEND, .up = true, .next_s = -1},
		  {2, SET_UP, .up = true, .next_s = -1},
		  {2, BAD, HEALTH_SAME, true, -1}}},
	{"from active to lazy the state stays", .params = ACTIVE(1, 1, 1), .other = LAZY(.rise = 1),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0, OK, HEALTH_WENT_UP, true, 1},
		  {0.5, RETUNE, .up = true, .next_s = -1},
		  {2, BAD_QUERY, HEALTH_SAME, true, 2}}},
	{"from active and down to lazy it is probed at once", .params = ACTIVE(1, 1, 1),
	 .other = LAZY(.rise = 1),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0, BAD, HEALTH_WENT_DOWN, false, 1},
		  {0.5, RETUNE, .up = false, .next_s = 0.5},
		  {0.5, SEND, .up = false, .next_s = -1},
		  {0.5, OK, HEALTH_WENT_UP, true, -1}}},
	{"turned lazy before its first check it is up like any lazy one", .params = ACTIVE(1, 1, 1),
	 .other = LAZY(.rise = 1),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0, RETUNE, .up = true, .next_s = -1},
		  {1, BAD, HEALTH_SAME, true, -1}}},
	{"from lazy to active it is probed at once, against the thresholds",
	 .params = LAZY(.rise = 1), .other = ACTIVE(1, 2, 10),
	 .step = {{3, RETUNE, .up = true, .next_s = 3},
		  {3, SEND, .up = true, .next_s = -1},
		  {3, BAD, HEALTH_SAME, true, 13},
		  {13, SEND, .up = true, .next_s = -1},
		  {13, BAD, HEALTH_WENT_DOWN, false, 23}}},
	{"a shorter interval holds from now on", .params = ACTIVE(1, 1, 3600),
	 .other = ACTIVE(1, 1, 2),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0, OK, HEALTH_WENT_UP, true, 3600},
		  {5, RETUNE, .up = true, .next_s = 7}}},
	{"parameters that change while a probe is in flight send no second one",
	 .params = ACTIVE(1, 1, 3600), .other = ACTIVE(1, 1, 2),
	 .step = {{0, SEND, .up = false, .next_s = -1},
		  {0.5, RETUNE, .up = false, .next_s = -1},
		  {1, OK, HEALTH_WENT_UP, true, 2}}},
};

static enum health_change happen(struct health *h, const struct script *sc, struct health_params *p,
				 const struct step *st, uint64_t now_us)
{
	switch (st->event) {
	case SEND:
		if (!health_is_due(h, now_us))
			fail_msg("%s: no probe is due at %g s", sc->label, st->at_s);
		health_probe_sent(h);
		break;
	case OK:
	case BAD:
		return health_probe_result(h, p, st->event == OK, now_us);
	case GOOD_QUERY:
	case BAD_QUERY:
		return health_query_result(h, p, st->event == BAD_QUERY, now_us);
	case SET_UP:
	case SET_DOWN:
		health_set(h, p, st->event == SET_UP, now_us);
		break;
	case RETUNE:
		*p = fill(sc->other);
		health_retune(h, p, now_us);
		break;
	case END:
		break;
	}
	return HEALTH_SAME;
}

static uint64_t at_us(double s)
{
	return START + (uint64_t)(s * SECOND);
}

static void script_runs(const struct script *sc)
{
	struct health_params p = fill(sc->params);
	struct health h;

	health_init(&h, &p, START);
	for (size_t i = 0; sc->step[i].event != END; i++) {
		const struct step *st = &sc->step[i];
		uint64_t want_next_us = st->next_s < 0 ? NONE : at_us(st->next_s);
		enum health_change got = happen(&h, sc, &p, st, at_us(st->at_s));

		if (got != st->want)
			fail_msg("%s: step %zu changed %d, not %d", sc->label, i, got, st->want);
		if (h.up != st->up)
			fail_msg("%s: step %zu left it %s", sc->label, i, h.up ? "up" : "down");
		if (h.next_us != want_next_us)
			fail_msg("%s: step %zu: next probe at %.3f s", sc->label, i,
				 h.next_us == NONE ? -1 : ((double)h.next_us - START) / SECOND);
	}
	health_fini(&h);
}

static void states_follow_what_happens(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		script_runs(&scripts[i]);
}

static void the_back_off_never_overflows(void **state)
{
	struct health_params p =
		fill((struct health_params)LAZY(.lazy_backoff = true,
						.lazy_failed_interval_s = UINT32_MAX,
						.lazy_max_backoff_s = UINT32_MAX));
	struct health h;

	health_init(&h, &p, START);
	health_query_result(&h, &p, true, START);
	for (unsigned i = 0; i < 200; i++) {
		h.next_us = START;
		health_probe_sent(&h);
		health_probe_result(&h, &p, false, START);
		assert_int_equal(h.next_us, START + UINT32_MAX * SECOND);
	}
	health_fini(&h);
}

static void an_interval_of_nothing_is_a_second(void **state)
{
	struct health_params p = fill((struct health_params){.mode = HEALTH_ACTIVE});
	struct health h;

	p.interval_s = 0;
	health_init(&h, &p, START);
	health_probe_sent(&h);
	health_probe_result(&h, &p, true, START);
	assert_int_equal(h.next_us, START + SECOND);
	health_fini(&h);
}

static void defaults_are_the_references(void **state)
{
	struct health_params p;

	health_params_default(&p);
	assert_int_equal(p.mode, HEALTH_ACTIVE);
	assert_int_equal(p.lazy_counts, LAZY_TIMEOUT_OR_SERVFAIL);
	assert_int_equal(p.max_failures, 1);
	assert_int_equal(p.rise, 1);
	assert_int_equal(p.timeout_ms, 1000);
	assert_int_equal(p.interval_s, 1);
	assert_int_equal(p.lazy_sample_size, 100);
	assert_int_equal(p.lazy_min_samples, 1);
	assert_int_equal(p.lazy_threshold_percent, 20);
	assert_int_equal(p.lazy_failed_interval_s, 30);
	assert_int_equal(p.lazy_max_backoff_s, 3600);
	assert_false(p.lazy_backoff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_follow_what_happens),
		cmocka_unit_test(the_back_off_never_overflows),
		cmocka_unit_test(an_interval_of_nothing_is_a_second),
		cmocka_unit_test(defaults_are_the_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
