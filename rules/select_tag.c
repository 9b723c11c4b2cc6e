/* Selectors on what earlier rules, or Lua, have noted about the query. */
#include <stdlib.h>

#include "core/mem.h"
#include "rules/registry.h"

struct tag {
	char *name, *value; /* value NULL: any */
	size_t name_len, value_len;
};

static int tag_init(void *state, const struct arg *argv, struct err *err)
{
	struct tag *s = state;

	if (argv[0].len == 0)
		return err_set(err, "name is empty: no tag has such a name");
	s->name = mem_textdup(argv[0].text, argv[0].len);
	s->name_len = argv[0].len;
	if (argv[1].given) {
		s->value = mem_textdup(argv[1].text, argv[1].len);
		s->value_len = argv[1].len;
	}
	return 0;
}

static void tag_fini(void *state)
{
	struct tag *s = state;

	free(s->name);
	free(s->value);
}

static bool tag_match(const void *state, struct rule_run *run)
{
	const struct tag *s = state;
	size_t len;
	const char *value = tag_get(run->q, s->name, s->name_len, &len);

	if (value == NULL || s->value == NULL)
		return value != NULL;
	return len == s->value_len && memcmp(value, s->value, len) == 0;
}

static void tag_text(const void *state, FILE *out)
{
	const struct tag *s = state;

	fprintf(out, "tag '%s' is set", s->name);
	if (s->value != NULL)
		fprintf(out, " to '%s'", s->value);
}

static const struct arg_spec tag_args[] = {
	{"name", ARG_TEXT, 0, 0, 0, NULL},
	{"value", ARG_TEXT, ARG_OPTIONAL, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type tag_selectors[] = {
	{.name = "TagRule",
	 .args = tag_args,
	 .help = "the query has this tag, with this value if there is one",
	 .state_size = sizeof(struct tag),
	 .init = tag_init,
	 .fini = tag_fini,
	 .match = tag_match,
	 .text = tag_text},
	{.name = NULL},
};
