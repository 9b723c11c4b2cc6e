/* Selectors on sets of names. A set is looked up under hashes that all sets share (run_hashes). */
#include "rules/registry.h"
#include "rules/select_texts.h"

struct names {
	struct suffix_table
		*table; /* a reference: whoever changes the object afterwards has a copy */
	bool is_quiet;
};

static int take_table(struct names *s, const struct arg *arg, const char *what, struct err *err)
{
	if (suffix_table_len(arg->names) == 0)
		return err_set(err, "%s is empty: no name would ever match, so name one at least",
			       what);
	s->table = suffix_table_ref(arg->names);
	return 0;
}

static void names_fini(void *state)
{
	struct names *s = state;

	suffix_table_unref(s->table);
}

/* For larger sets the look-up in the set itself is cheaper than a key for each name. */
static bool add_keys(const struct names *s, bool below, struct key_list *out)
{
	struct suffix_match entry;
	size_t at = 0;

	if (suffix_table_len(s->table) > KEYS_MAX)
		return false;
	while (suffix_table_next(s->table, &at, &entry))
		if (!keys_add_name(out, entry.name, entry.len, below))
			return false;
	return true;
}

static int set_init(void *state, const struct arg *argv, struct err *err)
{
	return take_table(state, &argv[0], "the DNSNameSet", err);
}

static bool set_match(const void *state, struct rule_run *run)
{
	const struct names *s = state;

	return run->q->question.name_len != 0 &&
	       suffix_table_exact_hashed(s->table, run_hashes(run)) != SUFFIX_NONE;
}

static void set_text(const void *state, FILE *out)
{
	const struct names *s = state;

	fprintf(out, "qname in DNSNameSet(%zu FQDNs)", suffix_table_len(s->table));
}

static bool set_keys(const void *state, bool negated, struct key_list *out)
{
	return !negated && add_keys(state, false, out);
}

static int suffix_init(void *state, const struct arg *argv, struct err *err)
{
	struct names *s = state;

	s->is_quiet = argv[1].given && argv[1].boolean;
	return take_table(s, &argv[0],
			  argv[0].is_list ? "the list of names" : "the SuffixMatchNode", err);
}

static bool suffix_match(const void *state, struct rule_run *run)
{
	const struct names *s = state;

	return run->q->question.name_len != 0 &&
	       suffix_table_lookup_hashed(s->table, run_hashes(run)) != SUFFIX_NONE;
}

static void suffix_text(const void *state, FILE *out)
{
	const struct names *s = state;
	struct suffix_match entry;
	char text[DNS_NAME_TEXT_MAX];
	const char *between = "";
	size_t at = 0;

	if (s->is_quiet) {
		fputs("qname==in-set", out);
		return;
	}
	fputs("qname in ", out);
	while (suffix_table_next(s->table, &at, &entry)) {
		fprintf(out, "%s%s", between, name_text(entry.name, entry.len, text));
		between = ", ";
	}
}

static bool suffix_keys(const void *state, bool negated, struct key_list *out)
{
	return !negated && add_keys(state, true, out);
}

static const struct arg_spec set_args[] = {
	{"set", ARG_NAME_SET, 0, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec suffix_args[] = {
	{"suffixes", ARG_NAMES, 0, 0, 0, NULL},
	{"quiet", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

#define SUFFIX_ROW(spelling)                                                                 \
	{                                                                                    \
		.name = spelling, .args = suffix_args,                                       \
		.help = "the name is one of these or below one of them",                     \
		.state_size = sizeof(struct names), .init = suffix_init, .fini = names_fini, \
		.match = suffix_match, .text = suffix_text, .keys = suffix_keys,             \
	}

const struct selector_type names_selectors[] = {
	{.name = "QNameSetRule",
	 .args = set_args,
	 .help = "the name is one of the set",
	 .state_size = sizeof(struct names),
	 .init = set_init,
	 .fini = names_fini,
	 .match = set_match,
	 .text = set_text,
	 .keys = set_keys},
	SUFFIX_ROW("QNameSuffixRule"),
	SUFFIX_ROW("SuffixMatchNodeRule"), /* its name before 1.9 */
	{.name = NULL},
};

struct selector *selector_of_suffixes(struct suffix_table *names, struct err *err)
{
	const struct arg argv[] = {
		{.given = true, .names = names, .is_list = true},
		{.given = false},
	};

	return selector_new(&names_selectors[1], argv, err);
}
