/* Selectors on addresses: who asks, and what was asked. */
#include "rules/acl.h"
#include "rules/registry.h"
#include "rules/select_texts.h"
#include "rules/timed_set.h"

struct group {
	struct netmask_table
		*table; /* a reference: whoever changes the object afterwards has a copy */
	bool is_destination, is_quiet;
};

static int group_init(void *state, const struct arg *argv, struct err *err)
{
	struct group *s = state;

	if (netmask_table_len(argv[0].netmasks) == 0)
		return err_set(err, "the NetmaskGroup is empty: no address would ever match, so "
				    "name one netmask at least");
	s->table = netmask_table_ref(argv[0].netmasks);
	s->is_destination = argv[1].given && !argv[1].boolean;
	s->is_quiet = argv[2].given && argv[2].boolean;
	return 0;
}

static void group_fini(void *state)
{
	struct group *s = state;

	netmask_table_unref(s->table);
}

static bool group_match(const void *state, struct rule_run *run)
{
	const struct group *s = state;

	return acl_allows(s->table, s->is_destination ? run_destination(run) : &run->q->client);
}

static void group_text(const void *state, FILE *out)
{
	const struct group *s = state;
	char text[NETMASK_TEXT_MAX];

	fputs(s->is_destination ? "Dst: " : "Src: ", out);
	if (s->is_quiet) {
		fputs("in-group", out);
		return;
	}
	for (size_t i = 0; i < netmask_table_len(s->table); i++) {
		uint32_t verdict;
		const struct netmask *nm = netmask_table_at(s->table, i, &verdict);

		fprintf(out, "%s%s%s", i ? ", " : "", verdict == ACL_DENY ? "!" : "",
			netmask_text(nm, text));
	}
}

/* What '!' takes out again is for the look-up in the group itself. */
static bool group_keys(const void *state, bool negated, struct key_list *out)
{
	const struct group *s = state;
	enum key_kind kind = s->is_destination ? KEY_DESTINATION : KEY_SOURCE;

	if (negated || netmask_table_len(s->table) > KEYS_MAX)
		return false;
	for (size_t i = 0; i < netmask_table_len(s->table); i++) {
		uint32_t verdict;
		const struct netmask *nm = netmask_table_at(s->table, i, &verdict);

		if (verdict == ACL_ALLOW && !keys_add_prefix(out, kind, nm))
			return false;
	}
	return true;
}

struct port {
	uint16_t port;
};

static int port_init(void *state, const struct arg *argv, struct err *err)
{
	struct port *s = state;

	s->port = (uint16_t)argv[0].integer;
	return 0;
}

static bool port_match(const void *state, struct rule_run *run)
{
	const struct port *s = state;

	return addr_port(run_destination(run)) == s->port;
}

static void port_text(const void *state, FILE *out)
{
	const struct port *s = state;

	fprintf(out, "dst port==%u", s->port);
}

static bool port_keys(const void *state, bool negated, struct key_list *out)
{
	const struct port *s = state;

	return keys_add_value(out, VALUE_PORT, s->port, negated);
}

struct timed {
	struct timed_set *set; /* a reference; it changes while workers look up */
};

static int timed_init(void *state, const struct arg *argv, struct err *err)
{
	struct timed *s = state;

	s->set = timed_set_ref(argv[0].timed_set);
	return 0;
}

static void timed_fini(void *state)
{
	struct timed *s = state;

	timed_set_unref(s->set);
}

static bool timed_match(const void *state, struct rule_run *run)
{
	const struct timed *s = state;

	return timed_set_has(s->set, &run->q->client, run->now_us);
}

static void timed_text(const void *state, FILE *out)
{
	const struct timed *s = state;

	fprintf(out, "Src: %zu ips", timed_set_size(s->set));
}

static const struct arg_spec group_args[] = {
	{"netmasks", ARG_NETMASKS, 0, 0, 0, NULL},
	{"src", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"quiet", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec port_args[] = {
	{"port", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec timed_args[] = {
	{"set", ARG_TIMED_SET, 0, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type address_selectors[] = {
	{.name = "NetmaskGroupRule",
	 .args = group_args,
	 .help = "the client's address is in the group; without src, the address that was asked",
	 .state_size = sizeof(struct group),
	 .init = group_init,
	 .fini = group_fini,
	 .match = group_match,
	 .text = group_text,
	 .keys = group_keys},
	{.name = "DSTPortRule",
	 .args = port_args,
	 .help = "the query was sent to this port",
	 .state_size = sizeof(struct port),
	 .init = port_init,
	 .match = port_match,
	 .text = port_text,
	 .keys = port_keys},
	{.name = NULL},
};

const struct selector_type timed_set_selector = {
	.name = "TimedIPSetRule",
	.args = timed_args,
	.help = "the client's address is in the set, and its time is not over",
	.state_size = sizeof(struct timed),
	.init = timed_init,
	.fini = timed_fini,
	.match = timed_match,
	.text = timed_text,
};

struct selector *selector_of_netmasks(struct netmask_table *netmasks, struct err *err)
{
	const struct arg argv[] = {
		{.given = true, .netmasks = netmasks},
		{.given = false},
		{.given = false},
	};

	return selector_new(&address_selectors[0], argv, err);
}
