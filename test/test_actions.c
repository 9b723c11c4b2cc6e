/* Actions that change a query, what is done with it, or where it goes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/inspect.h"
#include "test/action_fixture.h"

static struct scene scene;

static int start(void **state)
{
	scene_start(&scene);
	*state = &scene;
	return 0;
}

static int end(void **state)
{
	scene_end(&scene);
	return 0;
}

/* Every action with arguments that it takes, and what showRules prints of it. */
static const struct {
	const char *name, *args, *text;
} texts[] = {
	{"NoneAction", NULL, "no op"},
	{"AllowAction", NULL, "allow"},
	{"AllowResponseAction", NULL, "allow"},
	{"DropAction", NULL, "drop"},
	{"DropResponseAction", NULL, "drop"},
	{"ClearRecordTypesResponseAction", "types=A|AAAA", "clear record types"},
	{"DelayAction", "milliseconds=100", "delay by 100 ms"},
	{"DelayResponseAction", "milliseconds=0", "delay by 0 ms"},
	{"ERCodeAction", "rcode=2", "set ercode Server Failure"},
	{"LimitTTLResponseAction", "min=10; max=60; types=A|AAAA",
	 "limit ttl (10 <= ttl <= 60, types A AAAA)"},
	{"LimitTTLResponseAction", "min=10", "limit ttl (10 <= ttl)"},
	{"SetMaxTTLResponseAction", "max=60", "limit ttl (0 <= ttl <= 60)"},
	{"SetMinTTLResponseAction", "min=5", "limit ttl (5 <= ttl)"},
	{"NegativeAndSOAAction",
	 "nxd=true; zone=example.; ttl=60; mname=ns.example.; rname=root.example.; serial=1; "
	 "refresh=2; retry=3; expire=4; minimum=5",
	 "NXD with SOA"},
	{"NegativeAndSOAAction",
	 "nxd=false; zone=example.; ttl=60; mname=ns.example.; rname=root.example.; serial=1; "
	 "refresh=2; retry=3; expire=4; minimum=5; soaInAuthoritySection=true; aa=true",
	 "NODATA with SOA"},
	{"PoolAction", "poolname=other", "to pool other"},
	{"QPSAction", "maxqps=10", "qps limit to 10"},
	{"QPSPoolAction", "maxqps=10; poolname=other", "max 10 to pool other"},
	{"RCodeAction", "rcode=5", "set rcode 5"},
	{"SetDisableECSAction", NULL, "disable ECS"},
	{"SetDisableValidationAction", NULL, "set cd=1"},
	{"SetECSAction", "v4=192.0.2.0/24", "set ECS to 192.0.2.0/24"},
	{"SetECSAction", "v4=192.0.2.0/24; v6=2001:db8::/56",
	 "set ECS to 192.0.2.0/24 / 2001:db8::/56"},
	{"SetECSOverrideAction", "override=true", "set ECS override to 1"},
	{"SetECSPrefixLengthAction", "v4=20; v6=48", "set ECS prefix length to 20/48"},
	{"SetEDNSOptionAction", "option=10; data=x", "add EDNS Option (code=10)"},
	{"SetEDNSOptionResponseAction", "option=10; data=x",
	 "add EDNS Option to response (code=10)"},
	{"SetExtendedDNSErrorAction", "infoCode=15", "set EDNS Extended DNS Error to 15"},
	{"SetExtendedDNSErrorAction", "infoCode=15; extraText=no",
	 "set EDNS Extended DNS Error to 15: \"no\""},
	{"SetExtendedDNSErrorResponseAction", "infoCode=3; clearExistingEntries=false",
	 "set EDNS Extended DNS Error to 3"},
	{"SetMaxReturnedTTLAction", "max=7", "cap the TTL of the returned response to 7"},
	{"SetMaxReturnedTTLResponseAction", "max=7", "cap the TTL of the returned response to 7"},
	{"SetNoRecurseAction", NULL, "set rd=0"},
	{"SetReducedTTLResponseAction", "percentage=50", "reduce ttl to 50 percent of its value"},
	{"SetSkipCacheAction", NULL, "skip cache"},
	{"SetSkipCacheResponseAction", NULL, "skip cache"},
	{"SetTagAction", "name=a; value=b", "set tag 'a' to value 'b'"},
	{"SetTagResponseAction", "name=a; value=", "set tag 'a' to value ''"},
	{"SetTempFailureCacheTTLAction", "ttl=0", "set tempfailure cache ttl to 0"},
	{"SpoofAction", "ip=192.0.2.1|2001:db8::1", "spoof A 192.0.2.1 AAAA 2001:db8::1"},
	{"SpoofCNAMEAction", "cname=www.example.", "spoof CNAME www.example."},
	{"SpoofRawAction", "raw=ab|cd; typeForAny=TXT", "spoof raw bytes"},
	{"SpoofPacketAction", "packet=0123456789ab; len=12", "spoof"},
	{"TCAction", NULL, "tc=1 answer"},
	{"TCResponseAction", NULL, "tc=1 answer"},
	{"UnsetTagAction", "name=a", "unset tag 'a"},
	{"UnsetTagResponseAction", "name=a", "unset tag 'a"},
};

static void what_show_rules_prints(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err err = {""};
		struct action *a = action_of(texts[i].name, texts[i].args, &err);
		char *text;

		if (a == NULL)
			fail_msg("%s(%s): %s", texts[i].name, texts[i].args, err.text);
		text = action_text(a);
		if (strcmp(text, texts[i].text) != 0)
			fail_msg("%s(%s): %s", texts[i].name, texts[i].args, text);
		free(text);
		action_unref(a);
	}
}

/* Messages that are no query or answer at all, and those with something missing. */
static const struct message odd[] = {
	{.no_question = true},
	{.no_question = true, .ar = 1, .more = BYTES(OPT_EMPTY)},
	{.an = 9, .ns = 9, .ar = 9},
	{.ar = 1, .more = BYTES(OPT_EMPTY), .cut = 3},
	{.ar = 1, .more = BYTES("\0\0\x29\4\xd0\0\0\0\0\0\6\0\12\0\10ab")},
	{.an = 1, .more = BYTES(A_RECORD), .cut = 1},
	{.an = 1, .more = BYTES("\xc0\xff\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1")},
	{.ar = 2, .more = BYTES(OPT_EMPTY OPT_EMPTY)},
	{.qtype = TYPE_ANY, .ar = 1, .more = BYTES(OPT_EMPTY "trailing")},
	{.ar = 65535},
	{.flags = DNS_TC | 0x7800, .an = 65535, .ns = 65535, .ar = 65535, .more = BYTES(A_RECORD)},
};

static void odd_messages_do_no_harm(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct action *a = action_of(texts[i].name, texts[i].args, NULL);

		for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
			struct message m = odd[k];
			struct rule_run *run;

			m.flags |= a->type->is_response ? DNS_QR : 0;
			run = scene_set(&scene, &m);
			action_run(a, run);
			action_run(a, run); /* on what it has made of it, too */
			if (run->len < DNS_HEADER_LEN || run->len > run->cap)
				fail_msg("%s, message %zu: %zu octets of %zu", texts[i].name, k,
					 run->len, run->cap);
		}
		action_unref(a);
	}
}

/* After ContinueAction there may be an answer where a query was. */
static void queries_that_were_answered_meet_all_actions(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			struct action *a = action_of(texts[i].name, texts[i].args, NULL);
			struct action *b = action_of(texts[k].name, texts[k].args, NULL);
			static const struct message query = {.with_opt = true};
			struct rule_run *run;

			if (!a->type->is_response && !b->type->is_response) {
				run = scene_set(&scene, &query);
				action_run(a, run);
				action_run(b, run);
				assert_in_range(run->len, DNS_HEADER_LEN, run->cap);
				if (scene.q.self_made)
					assert_ptr_equal(run->msg, scene.q.answer);
			}
			action_unref(a);
			action_unref(b);
		}
}

static const struct {
	const char *label, *name, *args;
	const char *error; /* a part of it */
} refused[] = {
	{"no tag name", "SetTagAction", "name=; value=x", "can't be empty"},
	{"no tag name", "UnsetTagAction", "name=", "can't be empty"},
	{"IPv6 first", "SetECSAction", "v4=2001:db8::/32; v6=2001:db8::/32", "no IPv4 netmask"},
	{"IPv4 second", "SetECSAction", "v4=192.0.2.0/24; v6=192.0.2.0/24", "no IPv6 netmask"},
	{"shorter than a header", "SpoofPacketAction", "packet=0123456789abcdef; len=11",
	 "at least the 12 octets"},
	{"longer than it is", "SpoofPacketAction", "packet=0123456789abcdef; len=17",
	 "has only 16"},
};

static void arguments_that_make_no_sense_are_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct err err = {""};

		if (action_of(refused[i].name, refused[i].args, &err) != NULL ||
		    strstr(err.text, refused[i].error) == NULL)
			fail_msg("%s: %s", refused[i].label, err.text);
	}
}

static struct arg text_arg(size_t len)
{
	static char text[EXTRA_ITEM_MAX + 2];

	memset(text, 'x', sizeof(text));
	return (struct arg){.given = true, .text = text, .len = len};
}

static void tags_and_texts_have_a_longest(void **state)
{
	struct arg tag[ARGS_MAX] = {text_arg(1000), text_arg(EXTRA_ITEM_MAX - 1000)};
	struct arg error[ARGS_MAX] = {{.given = true}, text_arg(EXTRA_ITEM_MAX - 2)};
	struct action *a = action_new(action_type_of("SetTagAction"), tag, NULL);
	struct action *e = action_new(action_type_of("SetExtendedDNSErrorAction"), error, NULL);
	struct err err = {""};
	static const struct message m;
	size_t len;

	action_run(a, scene_set(&scene, &m));
	assert_non_null(tag_get(&scene.q, tag[0].text, 1000, &len));
	assert_int_equal(len, EXTRA_ITEM_MAX - 1000);
	action_unref(a);
	action_unref(e);
	tag[1].len++;
	error[1].len++;
	assert_null(action_new(action_type_of("SetTagAction"), tag, &err));
	assert_non_null(strstr(err.text, "2001"));
	assert_null(action_new(action_type_of("SetExtendedDNSErrorAction"), error, &err));
	assert_non_null(strstr(err.text, "1999"));
}

static const struct {
	const char *label, *name, *args;
	enum verdict verdict;
	struct message m;
	uint16_t flags; /* of the message after it */
} flags[] = {
	{"RD goes", "SetNoRecurseAction", NULL, VERDICT_NEXT, {.flags = DNS_RD | DNS_AD}, DNS_AD},
	{"RD is not there", "SetNoRecurseAction", NULL, VERDICT_NEXT, {.flags = DNS_CD}, DNS_CD},
	{"CD comes", "SetDisableValidationAction", NULL, VERDICT_NEXT, {0}, DNS_RD | DNS_CD},
	{"CD is there",
	 "SetDisableValidationAction",
	 NULL,
	 VERDICT_NEXT,
	 {.flags = DNS_CD},
	 DNS_CD},
	{"nothing", "NoneAction", NULL, VERDICT_NEXT, {0}, DNS_RD},
	{"allow", "AllowAction", NULL, VERDICT_STOP, {0}, DNS_RD},
	{"drop", "DropAction", NULL, VERDICT_DROP, {0}, DNS_RD},
	{"drop an answer", "DropResponseAction", NULL, VERDICT_DROP, {.flags = DNS_QR}, DNS_QR},
};

static void flags_are_set(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct message m = flags[i].m;
		struct rule_run *run;
		uint64_t drops;
		enum verdict v;

		m.ar = 1; /* so that the flags of the message are taken */
		m.more = (const uint8_t *)OPT_EMPTY;
		m.more_len = 11;
		run = scene_set(&scene, &m);
		v = act(&scene, flags[i].name, flags[i].args);
		drops = counter_get(&scene.stats.counter[STAT_RULE_DROP]);
		if (v != flags[i].verdict || msg_flags(run->msg) != flags[i].flags ||
		    run->changed != (flags[i].flags != msg_flags(scene.before)))
			fail_msg("%s: verdict %d, flags %04x", flags[i].label, v,
				 msg_flags(run->msg));
		if (drops != (v == VERDICT_DROP && !run->is_response))
			fail_msg("%s: %d dropped", flags[i].label, (int)drops);
	}
}

static void what_is_only_remembered(void **state)
{
	static const struct message v4, v6 = {.client = "2001:db8::1"};
	const struct query *q = &scene.q;

	scene_set(&scene, &v4);
	assert_int_equal(act(&scene, "SetSkipCacheAction", NULL), VERDICT_NEXT);
	assert_true(q->skip_cache);
	assert_true(q->near_only);
	assert_int_equal(act(&scene, "DelayAction", "milliseconds=10"), VERDICT_NEXT);
	assert_true(q->ruled && !q->near_only);
	act(&scene, "DelayAction", "milliseconds=20");
	assert_int_equal(q->delay_ms, 20);
	assert_int_equal(act(&scene, "SetMaxReturnedTTLAction", "max=0"), VERDICT_NEXT);
	assert_true(q->has_max_ttl && q->max_ttl_s == 0);
	assert_int_equal(act(&scene, "SetTempFailureCacheTTLAction", "ttl=4294967295"),
			 VERDICT_NEXT);
	assert_true(q->has_temp_failure_ttl && q->temp_failure_ttl_s == UINT32_MAX - 1);
	assert_int_equal(act(&scene, "SetDisableECSAction", NULL), VERDICT_NEXT);
	assert_true(q->no_ecs);
	act(&scene, "SetECSOverrideAction", "override=true");
	assert_true(q->has_ecs_override && q->ecs_override);
	act(&scene, "SetECSPrefixLengthAction", "v4=20; v6=48");
	assert_true(q->has_ecs_bits && q->ecs_bits == 20);
	act(&scene, "SetECSAction", "v4=198.51.100.0/25; v6=2001:db8:1::/49");
	assert_int_equal(q->ecs_bits, 25);
	assert_int_equal(q->ecs_addr_len, 4);
	assert_memory_equal(q->ecs_addr, "\xc6\x33\x64\0", 4);
	act(&scene, "SetECSPrefixLengthAction", "v4=20; v6=48");
	assert_int_equal(q->ecs_bits, 25);
	assert_true(is_untouched(&scene));

	scene_set(&scene, &v6);
	act(&scene, "SetECSPrefixLengthAction", "v4=20; v6=48");
	assert_int_equal(q->ecs_bits, 48);
	act(&scene, "SetECSAction", "v4=198.51.100.0/25; v6=2001:db8:1::/49");
	assert_int_equal(q->ecs_addr_len, 16);
	assert_int_equal(q->ecs_bits, 49);
	act(&scene, "SetECSAction", "v4=198.51.100.0/25");
	assert_int_equal(q->ecs_addr_len, 4);
	act(&scene, "SetECSAction", "v4=2001:db8:2::/48");
	assert_int_equal(q->ecs_addr_len, 16);
	assert_int_equal(q->ecs_bits, 48);
}

static void tags_come_and_go(void **state)
{
	static const struct message query, answer = {.flags = DNS_QR};
	size_t len;

	scene_set(&scene, &query);
	assert_int_equal(act(&scene, "SetTagAction", "name=a; value=1"), VERDICT_NEXT);
	act(&scene, "SetTagAction", "name=b; value=2");
	act(&scene, "SetTagAction", "name=a; value=three");
	assert_memory_equal(tag_get(&scene.q, "a", 1, &len), "three", 5);
	assert_int_equal(len, 5);
	assert_int_equal(act(&scene, "UnsetTagAction", "name=a"), VERDICT_NEXT);
	assert_null(tag_get(&scene.q, "a", 1, &len));
	assert_memory_equal(tag_get(&scene.q, "b", 1, &len), "2", 1);
	act(&scene, "UnsetTagAction", "name=none");

	scene_set(&scene, &answer);
	assert_int_equal(act(&scene, "SetTagResponseAction", "name=a; value="), VERDICT_NEXT);
	assert_non_null(tag_get(&scene.q, "a", 1, &len));
	assert_int_equal(len, 0);
	assert_int_equal(act(&scene, "UnsetTagResponseAction", "name=a"), VERDICT_NEXT);
	assert_null(tag_get(&scene.q, "a", 1, &len));
}

/* Rules behind it may be there to drop what has the tag. */
static void without_room_for_its_tag_nothing_passes(void **state)
{
	static const struct message query, answer = {.flags = DNS_QR};
	struct extra_pool *none = extra_pool_new(1);
	struct query other = {.extra = NULL};

	assert_true(tag_set(none, &other, "x", 1, "y", 1));
	scene_set(&scene, &query);
	scene.run.extras = none;
	assert_int_equal(act(&scene, "SetTagAction", "name=a; value=1"), VERDICT_DROP);
	assert_int_equal(counter_get(&scene.stats.counter[STAT_RULE_DROP]), 1);
	scene_set(&scene, &answer);
	scene.run.extras = none;
	assert_int_equal(act(&scene, "SetTagResponseAction", "name=a; value=1"), VERDICT_DROP);
	extra_pool_free(none);
}

static void pools_are_found_by_name(void **state)
{
	static const struct message m;
	const struct pool *other = pools_find(scene.pools.pools, "other");

	scene_set(&scene, &m);
	assert_int_equal(act(&scene, "PoolAction", "poolname=none"), VERDICT_STOP);
	assert_true(scene.q.no_pool);
	assert_int_equal(act(&scene, "PoolAction", "poolname=other; stop=false"), VERDICT_NEXT);
	assert_false(scene.q.no_pool);
	assert_ptr_equal(scene.q.pool, other);
	assert_int_equal(act(&scene, "PoolAction", "poolname=; stop=true"), VERDICT_STOP);
	assert_ptr_equal(scene.q.pool, scene.pools.pools->list[0]);
}

static void rates_are_kept(void **state)
{
	static const struct message m;
	struct action *limit = action_of("QPSAction", "maxqps=3", NULL);
	struct action *pool = action_of("QPSPoolAction", "maxqps=2; poolname=other", NULL);
	struct rule_run *run = scene_set(&scene, &m);
	const struct pool *other = pools_find(scene.pools.pools, "other");

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(action_run(limit, run), VERDICT_NEXT);
	assert_int_equal(action_run(limit, run), VERDICT_DROP);
	assert_int_equal(counter_get(&scene.stats.counter[STAT_RULE_DROP]), 1);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(action_run(pool, run), VERDICT_STOP);
	assert_ptr_equal(scene.q.pool, other);
	scene.q.pool = NULL;
	assert_int_equal(action_run(pool, run), VERDICT_NEXT);
	assert_null(scene.q.pool);
	assert_string_equal(pool->type->pool(pool->state), "other");
	run->now_us += 1000000;
	assert_int_equal(action_run(limit, run), VERDICT_NEXT);
	assert_int_equal(action_run(pool, run), VERDICT_STOP);
	action_unref(limit);
	action_unref(pool);
}

static struct action *continue_after(const char *name, const char *args)
{
	struct arg argv[ARGS_MAX] = {{.given = true, .action = action_of(name, args, NULL)}};
	struct action *a = action_new(action_type_of("ContinueAction"), argv, NULL);

	action_unref(argv[0].action);
	return a;
}

static void continue_does_what_the_other_does(void **state)
{
	static const struct message m = {.with_opt = true};
	struct action *drop = continue_after("DropAction", NULL);
	struct action *pool = continue_after("PoolAction", "poolname=other");
	struct action *rcode = continue_after("RCodeAction", "rcode=5");
	struct rule_run *run = scene_set(&scene, &m);
	char *text = action_text(pool);

	assert_string_equal(text, "continue after: to pool other");
	free(text);
	assert_string_equal(pool->type->pool(pool->state), "other");
	assert_null(drop->type->pool(drop->state));
	assert_int_equal(action_run(drop, run), VERDICT_NEXT);
	assert_int_equal(counter_get(&scene.stats.counter[STAT_RULE_DROP]), 1);
	assert_int_equal(action_run(pool, run), VERDICT_NEXT);
	assert_string_equal(scene.q.pool->name, "other");
	assert_int_equal(action_run(rcode, run), VERDICT_NEXT);
	assert_true(scene.q.self_made);
	assert_int_equal(msg_flags(run->msg), DNS_QR | DNS_RD | DNS_RA | RCODE_REFUSED);
	/* the answer that is there now is replaced by another */
	assert_int_equal(act(&scene, "SpoofAction", "ip=192.0.2.7; ttl=9"), VERDICT_STOP);
	assert_int_equal(msg_flags(run->msg), DNS_QR | DNS_RD | DNS_RA);
	assert_int_equal(
		msg_count_type(run->msg, run->len, &scene.q.question, INSPECT_ADDITIONAL, TYPE_OPT),
		1);
	assert_int_equal(act(&scene, "RCodeAction", "rcode=3"), VERDICT_STOP);
	assert_int_equal(msg_flags(run->msg), DNS_QR | DNS_RD | DNS_RA | RCODE_NXDOMAIN);
	assert_int_equal(msg_ancount(run->msg), 0);
	assert_ptr_equal(scene.q.answer, run->msg);
	action_unref(drop);
	action_unref(pool);
	action_unref(rcode);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_show_rules_prints),
		cmocka_unit_test(odd_messages_do_no_harm),
		cmocka_unit_test(queries_that_were_answered_meet_all_actions),
		cmocka_unit_test(arguments_that_make_no_sense_are_refused),
		cmocka_unit_test(tags_and_texts_have_a_longest),
		cmocka_unit_test(flags_are_set),
		cmocka_unit_test(what_is_only_remembered),
		cmocka_unit_test(tags_come_and_go),
		cmocka_unit_test(without_room_for_its_tag_nothing_passes),
		cmocka_unit_test(pools_are_found_by_name),
		cmocka_unit_test(rates_are_kept),
		cmocka_unit_test(continue_does_what_the_other_does),
	};

	return cmocka_run_group_tests(tests, start, end);
}
