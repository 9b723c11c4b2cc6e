/* Tells the server the hardware address of the client. */
#include "rules/edns.h"
#include "rules/neighbours.h"
#include "rules/registry.h"

struct mac_action {
	uint16_t code;
};

static const struct arg_spec args[] = {
	{"option", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{.name = NULL},
};

static int init(void *state, const struct arg *argv, struct err *err)
{
	struct mac_action *m = state;

	m->code = (uint16_t)argv[0].integer;
	neighbours_need();
	return 0;
}

static void fini(void *state)
{
	neighbours_need_no_more();
}

static void begin(void *state)
{
	neighbours_read();
}

static enum verdict put_mac(void *state, struct rule_run *run)
{
	const struct mac_action *m = state;
	uint8_t mac[MAC_LEN];
	struct option o = {m->code, sizeof(mac), mac};

	if (neighbours_find(&run->q->client, mac))
		run_put_option(run, &o);
	return VERDICT_NEXT;
}

static void text(const void *state, FILE *out)
{
	const struct mac_action *m = state;

	fprintf(out, "add EDNS MAC (code=%u)", m->code);
}

const struct action_type mac_actions[] = {
	{.name = "SetMacAddrAction",
	 .args = args,
	 .help = "puts the client's hardware address into an EDNS option, where the kernel knows it",
	 .state_size = sizeof(struct mac_action),
	 .init = init,
	 .fini = fini,
	 .begin = begin,
	 .run = put_mac,
	 .text = text},
	{.name = NULL},
};
