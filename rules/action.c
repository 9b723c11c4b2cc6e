#include "rules/action.h"

#include <stdlib.h>

#include "core/mem.h"

struct action *action_new(const struct action_type *type, const struct arg *argv, struct err *err)
{
	struct action *a = mem_lines(sizeof(*a) + type->state_size);

	a->type = type;
	a->refs = 1;
	if (type->init != NULL && type->init(a->state, argv, err) < 0) {
		free(a);
		return NULL;
	}
	return a;
}

struct action *action_ref(struct action *a)
{
	a->refs++;
	return a;
}

void action_unref(struct action *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	if (a->type->fini != NULL)
		a->type->fini(a->state);
	free(a);
}

char *action_text(const struct action *a)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	a->type->text(a->state, out);
	fclose(out);
	return text;
}
