/* Selectors on the name's text, by regular expressions. */
#include <string.h>

#include "core/regex.h"
#include "rules/registry.h"

struct expression {
	struct regex *regex;
};

static int compile(struct expression *s, enum regex_kind kind, const struct arg *arg,
		   struct err *err)
{
	if (strlen(arg->text) != arg->len)
		return err_set(err,
			       "regex holds a NUL octet at offset %zu, which no name's text "
			       "has: leave it out",
			       strlen(arg->text));
	s->regex = regex_new(kind, arg->text, err);
	if (s->regex != NULL)
		return 0;
	err_prefix(err, "regex '%s'", arg->text);
	return -EINVAL;
}

static int posix_init(void *state, const struct arg *argv, struct err *err)
{
	return compile(state, REGEX_POSIX, &argv[0], err);
}

static int re2_init(void *state, const struct arg *argv, struct err *err)
{
	return compile(state, REGEX_RE2, &argv[0], err);
}

static void regex_fini(void *state)
{
	struct expression *s = state;

	regex_free(s->regex);
}

static bool regex_rule_match(const void *state, struct rule_run *run)
{
	const struct expression *s = state;
	const char *text;
	size_t len;

	if (unlikely(run->q->question.name_len == 0))
		return false;
	text = run_name_text(run, &len);
	return regex_match(s->regex, text, len);
}

static void posix_text(const void *state, FILE *out)
{
	const struct expression *s = state;

	fprintf(out, "Regex: %s", regex_text(s->regex));
}

static void re2_text(const void *state, FILE *out)
{
	const struct expression *s = state;

	fprintf(out, "RE2 match: %s", regex_text(s->regex));
}

static bool regex_keys(const void *state, bool negated, struct key_list *out)
{
	const struct expression *s = state;

	return !negated && keys_add_regex(out, s->regex);
}

static const struct arg_spec regex_args[] = {
	{"regex", ARG_TEXT, 0, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type regex_selectors[] = {
	{.name = "RegexRule",
	 .args = regex_args,
	 .help = "this POSIX extended regular expression is found in the name, in any letter case",
	 .state_size = sizeof(struct expression),
	 .init = posix_init,
	 .fini = regex_fini,
	 .match = regex_rule_match,
	 .text = posix_text,
	 .keys = regex_keys},
	{.name = "RE2Rule",
	 .args = regex_args,
	 .help = "this RE2 expression matches the whole name, in its letter case",
	 .state_size = sizeof(struct expression),
	 .init = re2_init,
	 .fini = regex_fini,
	 .match = regex_rule_match,
	 .text = re2_text,
	 .keys = regex_keys},
	{.name = NULL},
};
