#include "rules/selector.h"

#include <stdlib.h>

#include "core/mem.h"
#include "rules/counters.h"

struct selector *selector_new(const struct selector_type *type, const struct arg *argv,
			      struct err *err)
{
	struct selector *s = mem_lines(sizeof(*s) + type->state_size);

	s->type = type;
	s->refs = 1;
	s->counter = SELECTOR_NO_COUNTER;
	if (type->init != NULL && type->init(s->state, argv, err) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

struct selector *selector_ref(struct selector *s)
{
	s->refs++;
	return s;
}

void selector_unref(struct selector *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	if (s->type->fini != NULL)
		s->type->fini(s->state);
	if (s->counter != SELECTOR_NO_COUNTER)
		counters_give(s->counter);
	free(s);
}

bool selector_is_impure(const struct selector *s)
{
	return s->type->is_impure != NULL ? s->type->is_impure(s->state)
					  : (s->type->flags & SELECTOR_IMPURE) != 0;
}

bool selector_keys(const struct selector *s, bool negated, struct key_list *out)
{
	unsigned had = out->n;

	if (s->type->keys != NULL && (s->type->flags & SELECTOR_IMPURE) == 0 &&
	    s->type->keys(s->state, negated, out))
		return true;
	out->n = had;
	return false;
}

char *selector_text(const struct selector *s)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	s->type->text(s->state, out);
	fclose(out);
	return text;
}

uint64_t selector_matches(const struct selector *s)
{
	return s->counter == SELECTOR_NO_COUNTER ? 0 : counters_sum(s->counter);
}
