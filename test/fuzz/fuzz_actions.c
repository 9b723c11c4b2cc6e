/*
 * Any two actions one after the other on any message: a message that was whole stays whole, and
 * nothing is written outside its room. The first three octets choose the actions and the transport.
 */
#include "test/action_fixture.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Actions that edit a message, or what is done with one. SpoofPacket gives what it was given. */
static const struct {
	const char *name, *args;
} kinds[] = {
	{"ClearRecordTypesResponseAction", "types=A|AAAA|SOA"},
	{"ERCodeAction", "rcode=22; aa=true"},
	{"LimitTTLResponseAction", "min=10; max=60; types=A|AAAA"},
	{"SetMaxTTLResponseAction", "max=60"},
	{"SetReducedTTLResponseAction", "percentage=50"},
	{"NegativeAndSOAAction",
	 "nxd=true; zone=example.; ttl=60; mname=ns.example.; rname=root.example.; serial=1; "
	 "refresh=2; retry=3; expire=4; minimum=5"},
	{"RCodeAction", "rcode=5"},
	{"SetDisableValidationAction", NULL},
	{"SetEDNSOptionAction", "option=10; data=abc"},
	{"SetEDNSOptionResponseAction", "option=10; data=abc"},
	{"SetNoRecurseAction", NULL},
	{"SpoofAction", "ip=192.0.2.1|192.0.2.2|2001:db8::1"},
	{"SpoofCNAMEAction", "cname=www.example."},
	{"SpoofRawAction", "raw=abcd|efgh; typeForAny=TXT"},
	{"TCAction", NULL},
	{"TCResponseAction", NULL},
};

static struct scene scene;
static struct action *actions[ARRAY_LEN(kinds)];

static void start(void)
{
	scene_start(&scene);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		actions[i] = action_of(kinds[i].name, kinds[i].args, NULL);
}

static bool is_whole(const struct rule_run *run, const struct question *q)
{
	struct opt opt;

	return msg_end(run->msg, run->len, q) != 0 && msg_opt(run->msg, run->len, q, &opt) == 0;
}

static void check_action(struct action *a)
{
	struct rule_run *run = &scene.run;
	bool whole = is_whole(run, run_question(run)), was_answer = scene.q.self_made;
	uint16_t flags = msg_flags(run->msg);
	enum verdict v;

	if (a->type->is_response != run->is_response)
		return;
	v = action_run(a, run);
	CHECK(v == VERDICT_NEXT || v == VERDICT_STOP);
	CHECK(run->len >= DNS_HEADER_LEN && run->len <= run->cap);
	CHECK(!whole || is_whole(run, run_question(run)));
	CHECK(!was_answer || scene.q.self_made);
	if (scene.q.self_made && !was_answer) {
		CHECK(is_whole(run, run_question(run)));
		CHECK((msg_flags(run->msg) & (DNS_QR | DNS_RD)) == (DNS_QR | (flags & DNS_RD)));
		CHECK(scene.q.answer == run->msg);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct message m = {.with_opt = len > 0 && data[0] & 0x80};
	struct rule_run *run;
	uint8_t *exact;
	size_t n = len - 3;

	if (actions[0] == NULL)
		start();
	if (len < 3 + DNS_HEADER_LEN || n > 1500)
		return 0;
	m.proto = data[2] & 1 ? PROTO_TCP : PROTO_UDP;
	m.flags = msg_flags(data + 3) & DNS_QR;
	run = scene_set(&scene, &m);
	exact = malloc(n + (data[2] & 0x7e)); /* so that the sanitizer sees a write beyond it */
	memcpy(exact, data + 3, n);
	run->msg = exact;
	run->len = n;
	run->cap = n + (data[2] & 0x7e);
	scene.q.packet = exact;
	if (msg_qdcount(exact) == 0)
		scene.q.question = (struct question){0};
	else if (msg_question(exact, n, &scene.q.question) < 0)
		goto out; /* no rule ever sees such a one */
	if (!run->is_response && msg_opt(exact, n, &scene.q.question, &scene.q.opt) < 0)
		scene.q.opt = (struct opt){0};
	scene.q.answer = exact;
	check_action(actions[(data[0] & 0x7f) % ARRAY_LEN(actions)]);
	check_action(actions[data[1] % ARRAY_LEN(actions)]);
out:
	free(exact);
	return 0;
}
