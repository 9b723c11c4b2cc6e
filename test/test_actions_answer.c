/* Actions that answer queries, and actions that change answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/inspect.h"
#include "core/dns/svcb.h"
#include "rules/svc.h"
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

#define QUESTION "\3www\7example\3com\0"
#define OURS     "\0\0\x29\4\xd0\0\0\x80\0\0\0" /* 1232, DO */
#define A(ttl)   "\xc0\x0c\0\1\0\1\0\0\0" ttl "\0\4\xc0\0\2\1"

/* What stands behind the question of the answer. */
static const struct {
	const char *label, *name, *args;
	struct message m;
	enum verdict verdict;
	uint16_t flags;
	unsigned an, ns, ar;
	const uint8_t *rest;
	size_t rest_len;
} answers[] = {
	{"rcode",
	 "RCodeAction",
	 "rcode=3",
	 {.with_opt = true},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA | 3,
	 0,
	 0,
	 1,
	 BYTES(OURS)},
	{"no EDNS",
	 "RCodeAction",
	 "rcode=5",
	 {0},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA | 5,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"bits set",
	 "RCodeAction",
	 "rcode=0; aa=true; ad=true; ra=true",
	 {0},
	 VERDICT_STOP,
	 DNS_QR | DNS_AA | DNS_AD | DNS_RA | DNS_RD,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"bits clear",
	 "RCodeAction",
	 "rcode=2; aa=false; ad=false; ra=false",
	 {0},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | 2,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"records of the query go",
	 "RCodeAction",
	 "rcode=1",
	 {.an = 1, .more = BYTES(A("\x3c"))},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA | 1,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"over TCP",
	 "RCodeAction",
	 "rcode=4",
	 {.proto = PROTO_TCP},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA | 4,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"extended",
	 "ERCodeAction",
	 "rcode=22",
	 {.with_opt = true},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA | 6,
	 0,
	 0,
	 1,
	 BYTES("\0\0\x29\4\xd0\1\0\x80\0\0\0")},
	{"extended, no EDNS",
	 "ERCodeAction",
	 "rcode=16; aa=true",
	 {0},
	 VERDICT_STOP,
	 DNS_QR | DNS_AA | DNS_RD | DNS_RA,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"cut",
	 "TCAction",
	 NULL,
	 {.with_opt = true},
	 VERDICT_STOP,
	 DNS_QR | DNS_TC | DNS_RD | DNS_RA,
	 0,
	 0,
	 1,
	 BYTES(OURS)},
	{"cut, no EDNS",
	 "TCAction",
	 NULL,
	 {0},
	 VERDICT_STOP,
	 DNS_QR | DNS_TC | DNS_RD | DNS_RA,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"not over TCP",
	 "TCAction",
	 NULL,
	 {.proto = PROTO_TCP},
	 VERDICT_NEXT,
	 DNS_RD,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"not over TLS",
	 "TCAction",
	 NULL,
	 {.proto = PROTO_DOT, .with_opt = true},
	 VERDICT_NEXT,
	 DNS_RD,
	 0,
	 0,
	 1,
	 BYTES(OURS)},
	{"address",
	 "SpoofAction",
	 "ip=192.0.2.1|2001:db8::1",
	 {.with_opt = true},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA,
	 1,
	 0,
	 1,
	 BYTES(A("\x3c") OURS)},
	{"options",
	 "SpoofAction",
	 "ip=192.0.2.1; ttl=9; aa=true; ra=false; ad=true",
	 {0},
	 VERDICT_STOP,
	 DNS_QR | DNS_AA | DNS_AD | DNS_RD,
	 1,
	 0,
	 0,
	 BYTES(A("\x09"))},
	{"IPv6",
	 "SpoofAction",
	 "ip=192.0.2.1|2001:db8::1",
	 {.qtype = TYPE_AAAA},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA,
	 1,
	 0,
	 0,
	 BYTES("\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1")},
	{"none that fits",
	 "SpoofAction",
	 "ip=192.0.2.1",
	 {.qtype = TYPE_AAAA},
	 VERDICT_NEXT,
	 DNS_RD,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"no addresses wanted",
	 "SpoofAction",
	 "ip=192.0.2.1|2001:db8::1",
	 {.qtype = 15},
	 VERDICT_NEXT,
	 DNS_RD,
	 0,
	 0,
	 0,
	 BYTES("")},
	{"ANY",
	 "SpoofAction",
	 "ip=192.0.2.1",
	 {.qtype = TYPE_ANY},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA,
	 1,
	 0,
	 0,
	 BYTES(A("\x3c"))},
	{"CNAME",
	 "SpoofCNAMEAction",
	 "cname=a.b.; ttl=256",
	 {.qtype = 15},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA,
	 1,
	 0,
	 0,
	 BYTES("\xc0\x0c\0\5\0\1\0\0\1\0\0\5\1a\1b\0")},
	{"raw",
	 "SpoofRawAction",
	 "raw=\3abc; aa=true",
	 {.qtype = 16},
	 VERDICT_STOP,
	 DNS_QR | DNS_AA | DNS_RD | DNS_RA,
	 1,
	 0,
	 0,
	 BYTES("\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\4\3abc")},
	{"raw for ANY",
	 "SpoofRawAction",
	 "raw=\3abc; typeForAny=TXT",
	 {.qtype = TYPE_ANY},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA,
	 1,
	 0,
	 0,
	 BYTES("\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\4\3abc")},
	{"raw, ANY itself",
	 "SpoofRawAction",
	 "raw=\3abc",
	 {.qtype = TYPE_ANY},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA,
	 1,
	 0,
	 0,
	 BYTES("\xc0\x0c\0\xff\0\1\0\0\0\x3c\0\4\3abc")},
	{"name does not exist",
	 "NegativeAndSOAAction",
	 "nxd=true; zone=z.; ttl=7; mname=m.; rname=r.; serial=1; refresh=2; retry=3; expire=4; "
	 "minimum=5",
	 {.with_opt = true},
	 VERDICT_STOP,
	 DNS_QR | DNS_RD | DNS_RA | 3,
	 0,
	 0,
	 2,
	 BYTES("\1z\0\0\6\0\1\0\0\0\7\0\x1a\1m\0\1r\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5" OURS)},
	{"no such data",
	 "NegativeAndSOAAction",
	 "nxd=false; zone=z.; ttl=7; mname=m.; rname=r.; serial=1; refresh=2; retry=3; expire=4; "
	 "minimum=5; soaInAuthoritySection=true; aa=true",
	 {0},
	 VERDICT_STOP,
	 DNS_QR | DNS_AA | DNS_RD | DNS_RA,
	 0,
	 1,
	 0,
	 BYTES("\1z\0\0\6\0\1\0\0\0\7\0\x1a\1m\0\1r\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5")},
};

static void check_answer(size_t i, const struct rule_run *run, enum verdict v)
{
	const uint8_t *m = run->msg;

	if (v != answers[i].verdict || msg_flags(m) != answers[i].flags)
		fail_msg("%s: verdict %d, flags %04x", answers[i].label, v, msg_flags(m));
	if (msg_ancount(m) != answers[i].an || msg_nscount(m) != answers[i].ns ||
	    msg_arcount(m) != answers[i].ar || msg_qdcount(m) != 1)
		fail_msg("%s: %u %u %u records", answers[i].label, msg_ancount(m), msg_nscount(m),
			 msg_arcount(m));
	if (run->len != scene.q.question.end + answers[i].rest_len ||
	    memcmp(m + scene.q.question.end, answers[i].rest, answers[i].rest_len) != 0)
		fail_msg("%s: %zu octets", answers[i].label, run->len);
	if (msg_id(m) != 0x1234 || memcmp(m + 12, QUESTION, sizeof(QUESTION) - 1) != 0)
		fail_msg("%s: another question", answers[i].label);
}

static void queries_are_answered(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		bool stops = answers[i].verdict == VERDICT_STOP;
		struct rule_run *run = scene_set(&scene, &answers[i].m);
		enum verdict v = act(&scene, answers[i].name, answers[i].args);

		check_answer(i, run, v);
		if (scene.q.self_made != stops || run->changed != stops ||
		    (stops && scene.q.answer != run->msg) || is_untouched(&scene) == stops)
			fail_msg("%s: answered %d", answers[i].label, scene.q.self_made);
		if (counter_get(&scene.stats.counter[STAT_RULE_TRUNCATED]) !=
		    (uint64_t)(stops && strcmp(answers[i].name, "TCAction") == 0))
			fail_msg("%s: counters", answers[i].label);
	}
}

static void an_opt_of_ours_does_not_answer_clients_without(void **state)
{
	static const struct message plain, edns = {.with_opt = true};
	struct rule_run *run = scene_set(&scene, &plain);

	assert_int_equal(act(&scene, "SetEDNSOptionAction", "option=65001; data=xy"), VERDICT_NEXT);
	assert_true(scene.q.opt_ours);
	scene.q.opt = *run_opt(run); /* as at the end of the chain, and in the next */
	assert_true(scene.q.opt.at != 0);
	act(&scene, "RCodeAction", "rcode=3");
	assert_int_equal(msg_arcount(run->msg), 0);

	run = scene_set(&scene, &edns);
	scene.settings->add_edns_to_self_generated = false;
	act(&scene, "RCodeAction", "rcode=3");
	scene.settings->add_edns_to_self_generated = true;
	assert_int_equal(msg_arcount(run->msg), 0);

	run = scene_set(&scene, &edns);
	scene.settings->payload_size_self_generated = 512;
	act(&scene, "RCodeAction", "rcode=3");
	scene.settings->payload_size_self_generated = 1232;
	assert_int_equal(run_opt(run)->payload, 512);
}

static void many_addresses_come_in_any_order(void **state)
{
	static const struct message m = {.qtype = TYPE_ANY};
	unsigned first[256] = {0};

	for (unsigned i = 0; i < 300; i++) {
		struct rule_run *run = scene_set(&scene, &m);

		assert_int_equal(act(&scene, "SpoofAction", "ip=192.0.2.1|192.0.2.2|2001:db8::3"),
				 VERDICT_STOP);
		assert_int_equal(msg_ancount(run->msg), 3);
		first[run->msg[run->len - 1]]++;
	}
	assert_true(first[1] > 0 && first[2] > 0 && first[3] > 0);
	assert_int_equal(first[1] + first[2] + first[3], 300);
}

static void a_whole_packet_is_given(void **state)
{
	static const uint8_t packet[] = "\xff\xff\x84\0\0\1\0\0\0\0\0\0\5other\0\0\1\0\1rest";
	static const struct message m;
	struct arg argv[ARGS_MAX] = {
		{.given = true, .text = (const char *)packet, .len = sizeof(packet) - 1},
		{.given = true, .integer = sizeof(packet) - 5},
	};
	struct action *a = action_new(action_type_of("SpoofPacketAction"), argv, NULL);
	struct rule_run *run = scene_set(&scene, &m);

	assert_int_equal(action_run(a, run), VERDICT_STOP);
	assert_int_equal(run->len, sizeof(packet) - 5);
	assert_int_equal(msg_id(run->msg), 0x1234);
	assert_memory_equal(run->msg + 2, packet + 2, run->len - 2);
	assert_int_equal(run_question(run)->name_len, 7);
	/* the query is still there for those who ask what it was */
	assert_memory_equal(scene.q.packet + 12, QUESTION, sizeof(QUESTION) - 1);
	action_unref(a);
}

static void svcb_records_are_given(void **state)
{
	static const uint8_t hint[1][4] = {{192, 0, 2, 8}};
	static const struct message https = {.qtype = TYPE_HTTPS}, a = {.qtype = TYPE_A};
	uint8_t rdata[512];
	struct svc_params p = {
		.priority = 1,
		.target = (const uint8_t *)"",
		.target_len = 1,
		.has_port = true,
		.port = 443,
		.ipv4_hints = hint,
		.n_ipv4_hints = 1,
	};
	struct svc svc = {rdata, (size_t)svc_rdata(&p, rdata, sizeof(rdata), NULL)};
	struct arg list[1] = {{.given = true, .svc = &svc}};
	struct arg argv[ARGS_MAX] = {{.given = true, .list = list, .n = 1}};
	struct action *act = action_new(action_type_of("SpoofSVCAction"), argv, NULL);
	struct rule_run *run = scene_set(&scene, &https);
	char *text = action_text(act);

	assert_string_equal(text, "spoof SVC record");
	free(text);
	assert_int_equal(action_run(act, run), VERDICT_STOP);
	assert_int_equal(msg_ancount(run->msg), 1);
	assert_int_equal(msg_arcount(run->msg), 1);
	assert_memory_equal(run->msg + scene.q.question.end + 12, rdata, svc.len);
	assert_int_equal(action_run(act, scene_set(&scene, &a)), VERDICT_NEXT);
	assert_true(is_untouched(&scene));
	action_unref(act);
}

#define NS(ttl) "\xc0\x10\0\2\0\1\0\0" ttl "\0\2\xc0\x10"

static const struct {
	const char *label, *name, *args;
	struct message m;
	enum verdict verdict;
	const uint8_t *rest; /* behind the question */
	size_t rest_len;
	unsigned an, ns, ar;
} edits[] = {
	{"limit",
	 "LimitTTLResponseAction",
	 "min=10; max=20",
	 {.an = 1, .ns = 1, .ar = 1, .more = BYTES(A("\x3c") NS("\0\1") OPT_EMPTY)},
	 VERDICT_NEXT,
	 BYTES(A("\x14") NS("\0\x0a") OPT_EMPTY),
	 1,
	 1,
	 1},
	{"limit of a type",
	 "LimitTTLResponseAction",
	 "min=10; max=20; types=NS",
	 {.an = 1, .ns = 1, .more = BYTES(A("\x3c") NS("\1\1"))},
	 VERDICT_NEXT,
	 BYTES(A("\x3c") NS("\0\x14")),
	 1,
	 1,
	 0},
	{"no upper limit",
	 "LimitTTLResponseAction",
	 "min=10; max=0",
	 {.an = 1, .ns = 1, .more = BYTES(A("\x3c") NS("\0\1"))},
	 VERDICT_NEXT,
	 BYTES(A("\x3c") NS("\0\x0a")),
	 1,
	 1,
	 0},
	{"max",
	 "SetMaxTTLResponseAction",
	 "max=5",
	 {.an = 1, .ns = 1, .more = BYTES(A("\x3c") NS("\0\1"))},
	 VERDICT_NEXT,
	 BYTES(A("\x05") NS("\0\1")),
	 1,
	 1,
	 0},
	{"min",
	 "SetMinTTLResponseAction",
	 "min=300",
	 {.an = 1, .more = BYTES(A("\x3c"))},
	 VERDICT_NEXT,
	 BYTES("\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"),
	 1,
	 0,
	 0},
	{"part",
	 "SetReducedTTLResponseAction",
	 "percentage=33",
	 {.an = 1, .ns = 1, .more = BYTES(A("\x3c") NS("\0\1"))},
	 VERDICT_NEXT,
	 BYTES(A("\x13") NS("\0\0")),
	 1,
	 1,
	 0},
	{"cut short",
	 "SetReducedTTLResponseAction",
	 "percentage=0",
	 {.an = 1, .ns = 1, .more = BYTES(A("\x3c") NS("\0\1")), .cut = 1},
	 VERDICT_NEXT,
	 BYTES(A("\x3c") "\xc0\x10\0\2\0\1\0\0\0\1\0\2\xc0"),
	 1,
	 1,
	 0},
	{"no records", "SetMinTTLResponseAction", "min=300", {0}, VERDICT_NEXT, BYTES(""), 0, 0, 0},
	{"types go",
	 "ClearRecordTypesResponseAction",
	 "types=A|AAAA",
	 {.an = 1, .ns = 1, .ar = 2, .more = BYTES(A("\x3c") NS("\0\1") A("\x3c") OPT_EMPTY)},
	 VERDICT_NEXT,
	 BYTES(NS("\0\1") OPT_EMPTY),
	 0,
	 1,
	 1},
	{"types are not there",
	 "ClearRecordTypesResponseAction",
	 "types=AAAA",
	 {.an = 1, .more = BYTES(A("\x3c"))},
	 VERDICT_NEXT,
	 BYTES(A("\x3c")),
	 1,
	 0,
	 0},
	{"types of what is cut short",
	 "ClearRecordTypesResponseAction",
	 "types=A",
	 {.an = 2, .more = BYTES(A("\x3c"))},
	 VERDICT_NEXT,
	 BYTES(A("\x3c")),
	 2,
	 0,
	 0},
	{"cut",
	 "TCResponseAction",
	 NULL,
	 {.an = 1, .ar = 1, .more = BYTES(A("\x3c") OPT_EMPTY)},
	 VERDICT_STOP,
	 BYTES(OPT_EMPTY),
	 0,
	 0,
	 1},
	{"not cut over TCP",
	 "TCResponseAction",
	 NULL,
	 {.an = 1, .more = BYTES(A("\x3c")), .proto = PROTO_TCP},
	 VERDICT_NEXT,
	 BYTES(A("\x3c")),
	 1,
	 0,
	 0},
	{"option",
	 "SetEDNSOptionResponseAction",
	 "option=10; data=xy",
	 {.an = 1, .ar = 1, .more = BYTES(A("\x3c") OPT_EMPTY), .with_opt = true},
	 VERDICT_NEXT,
	 BYTES(A("\x3c") "\0\0\x29\4\xd0\0\0\x80\0\0\6\0\x0a\0\2xy"),
	 1,
	 0,
	 1},
	{"option where there is no OPT",
	 "SetEDNSOptionResponseAction",
	 "option=10; data=xy",
	 {.an = 1, .more = BYTES(A("\x3c")), .with_opt = true},
	 VERDICT_NEXT,
	 BYTES(A("\x3c") "\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0a\0\2xy"),
	 1,
	 0,
	 1},
	{"option for a client without EDNS",
	 "SetEDNSOptionResponseAction",
	 "option=10; data=xy",
	 {.an = 1, .more = BYTES(A("\x3c"))},
	 VERDICT_NEXT,
	 BYTES(A("\x3c")),
	 1,
	 0,
	 0},
	{"error",
	 "SetExtendedDNSErrorResponseAction",
	 "infoCode=4; extraText=x",
	 {.an = 1, .ar = 1, .more = BYTES(A("\x3c") OPT_EMPTY), .with_opt = true},
	 VERDICT_NEXT,
	 BYTES(A("\x3c") OPT_EMPTY),
	 1,
	 0,
	 1},
};

static void answers_are_edited(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		struct message m = edits[i].m;
		bool tc = strcmp(edits[i].name, "TCResponseAction") == 0 && m.proto == PROTO_UDP;
		struct rule_run *run;
		enum verdict v;

		m.flags = DNS_QR | DNS_RA | RCODE_NXDOMAIN;
		run = scene_set(&scene, &m);
		v = act(&scene, edits[i].name, edits[i].args);
		if (v != edits[i].verdict ||
		    msg_flags(run->msg) != (DNS_QR | DNS_RA | RCODE_NXDOMAIN | (tc ? DNS_TC : 0)))
			fail_msg("%s: verdict %d, flags %04x", edits[i].label, v,
				 msg_flags(run->msg));
		if (run->len != scene.q.question.end + edits[i].rest_len ||
		    memcmp(run->msg + scene.q.question.end, edits[i].rest, edits[i].rest_len) != 0)
			fail_msg("%s: %zu octets", edits[i].label, run->len);
		if (msg_ancount(run->msg) != edits[i].an || msg_nscount(run->msg) != edits[i].ns ||
		    msg_arcount(run->msg) != edits[i].ar)
			fail_msg("%s: counts", edits[i].label);
		if (counter_get(&scene.stats.counter[STAT_RULE_TRUNCATED]) != (uint64_t)tc)
			fail_msg("%s: counters", edits[i].label);
	}
}

static const struct {
	const char *label;
	struct message m;
	const uint8_t *rest;
	size_t rest_len;
	bool ours;
} options[] = {
	{"no OPT", {0}, BYTES("\0\0\x29\2\0\0\0\0\0\0\6\0\x0a\0\2xy"), true},
	{"an OPT", {.with_opt = true}, BYTES("\0\0\x29\4\xd0\0\0\x80\0\0\6\0\x0a\0\2xy"), false},
	{"another of the code",
	 {.ar = 1, .more = BYTES("\0\0\x29\4\xd0\0\0\0\0\0\7\0\x0a\0\3abc")},
	 BYTES("\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0a\0\2xy"),
	 false},
	{"one of another code",
	 {.ar = 1, .more = BYTES("\0\0\x29\4\xd0\0\0\0\0\0\5\0\x0b\0\1a")},
	 BYTES("\0\0\x29\4\xd0\0\0\0\0\0\x0b\0\x0b\0\1a\0\x0a\0\2xy"),
	 false},
	{"cut short",
	 {.ar = 1, .more = BYTES("\0\0\x29\4\xd0\0\0\0\0\0\7\0\x0b")},
	 BYTES("\0\0\x29\4\xd0\0\0\0\0\0\7\0\x0b"),
	 false},
};

static void options_are_put_into_queries(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		struct rule_run *run = scene_set(&scene, &options[i].m);
		enum verdict v = act(&scene, "SetEDNSOptionAction", "option=10; data=xy");

		if (v != VERDICT_NEXT || scene.q.opt_ours != options[i].ours ||
		    run->len != scene.q.question.end + options[i].rest_len ||
		    memcmp(run->msg + scene.q.question.end, options[i].rest, options[i].rest_len) !=
			    0)
			fail_msg("%s: verdict %d, %zu octets", options[i].label, v, run->len);
	}
}

static void an_option_that_has_no_room_is_left_out(void **state)
{
	static const struct message query = {.with_opt = true},
				    answer = {.flags = DNS_QR, .with_opt = true};
	struct rule_run *run = scene_set(&scene, &query);

	run->cap = run->len + 5;
	act(&scene, "SetEDNSOptionAction", "option=10; data=xy");
	assert_true(is_untouched(&scene));
	run->cap = run->len + 6;
	act(&scene, "SetEDNSOptionAction", "option=10; data=xy");
	assert_int_equal(run->len, run->cap);

	/* nor is an answer made longer than the client takes */
	run = scene_set(&scene, &answer);
	scene.q.udp_payload = (uint16_t)(run->len + 16);
	act(&scene, "SetEDNSOptionResponseAction", "option=10; data=xy");
	assert_true(is_untouched(&scene));
	scene.q.udp_payload++;
	act(&scene, "SetEDNSOptionResponseAction", "option=10; data=xy");
	assert_int_equal(run->len, scene.q.udp_payload);
}

static void extended_errors_are_remembered(void **state)
{
	static const struct message m;
	size_t at = 0, len;
	const char *text;
	uint16_t code;

	scene_set(&scene, &m);
	act(&scene, "SetExtendedDNSErrorAction",
	    "infoCode=1; extraText=one; clearExistingEntries=false");
	assert_false(scene.q.clear_errors);
	act(&scene, "SetExtendedDNSErrorAction", "infoCode=2; clearExistingEntries=false");
	assert_true(error_next(&scene.q, &at, &code, &text, &len));
	assert_int_equal(code, 1);
	assert_int_equal(len, 3);
	assert_memory_equal(text, "one", 3);
	assert_true(error_next(&scene.q, &at, &code, &text, &len));
	assert_int_equal(code, 2);
	assert_int_equal(len, 0);
	assert_false(error_next(&scene.q, &at, &code, &text, &len));
	act(&scene, "SetExtendedDNSErrorAction", "infoCode=65535");
	assert_true(scene.q.clear_errors);
	at = 0;
	assert_true(error_next(&scene.q, &at, &code, &text, &len));
	assert_int_equal(code, 65535);
	assert_false(error_next(&scene.q, &at, &code, &text, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_are_answered),
		cmocka_unit_test(an_opt_of_ours_does_not_answer_clients_without),
		cmocka_unit_test(many_addresses_come_in_any_order),
		cmocka_unit_test(a_whole_packet_is_given),
		cmocka_unit_test(svcb_records_are_given),
		cmocka_unit_test(answers_are_edited),
		cmocka_unit_test(options_are_put_into_queries),
		cmocka_unit_test(an_option_that_has_no_room_is_left_out),
		cmocka_unit_test(extended_errors_are_remembered),
	};

	return cmocka_run_group_tests(tests, start, end);
}
