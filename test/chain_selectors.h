/*
 * Selectors for tests of chains: one of each kind of keys, written as plainly as can be, and some
 * that note how often they are asked.
 */
#ifndef TEST_CHAIN_SELECTORS_H
#define TEST_CHAIN_SELECTORS_H

#include "test/chain_fixture.h"

/* Names, exactly or with all below. */
#define NAMES_MAX 300
struct names_state {
	bool below;
	unsigned n;
	struct {
		uint8_t wire[DNS_NAME_MAX];
		uint8_t len;
	} name[];
};

static inline bool names_match(const void *state, struct rule_run *run)
{
	const struct names_state *s = state;
	const uint8_t *name = run->q->packet + DNS_HEADER_LEN;
	size_t len = run->q->question.name_len;

	for (unsigned i = 0; i < s->n; i++)
		if (s->below ? name_is_under(name, len, s->name[i].wire, s->name[i].len)
			     : len == s->name[i].len && name_equal(name, s->name[i].wire, len))
			return true;
	return false;
}

static inline void names_text(const void *state, FILE *out)
{
	const struct names_state *s = state;
	char text[DNS_NAME_TEXT_MAX];

	fputs(s->below ? "below" : "name", out);
	for (unsigned i = 0; i < s->n; i++)
		fprintf(out, " %s", name_text(s->name[i].wire, s->name[i].len, text));
}

static inline bool names_keys(const void *state, bool negated, struct key_list *out)
{
	const struct names_state *s = state;

	for (unsigned i = 0; i < s->n && !negated; i++)
		if (!keys_add_name(out, s->name[i].wire, s->name[i].len, s->below))
			return false;
	return !negated;
}

static const struct selector_type names_type = {
	.name = "Names",
	.match = names_match,
	.text = names_text,
	.keys = names_keys,
};

static inline struct selector *select_names(bool below, const char *const *names, unsigned n)
{
	struct selector_type sized = names_type;
	struct selector *s;
	struct names_state *state;

	sized.state_size = sizeof(*state) + n * sizeof(state->name[0]);
	s = selector_new(&sized, NULL, NULL);
	s->type = &names_type;
	state = (struct names_state *)s->state;
	state->below = below;
	state->n = n;
	for (unsigned i = 0; i < n; i++) {
		int len = name_parse(names[i], state->name[i].wire, NULL);

		if (len < 0)
			abort();
		state->name[i].len = (uint8_t)len;
	}
	return s;
}

static inline struct selector *select_name(const char *name)
{
	return select_names(false, &name, 1);
}

static inline struct selector *select_below(const char *name)
{
	return select_names(true, &name, 1);
}

/* Netmasks of the client, or of the address that was asked; '!' in front: not those. */
#define MASKS_MAX 8
struct masks_state {
	enum key_kind kind;
	unsigned n;
	struct netmask mask[MASKS_MAX];
	bool is_not[MASKS_MAX];
};

static inline bool masks_match(const void *state, struct rule_run *run)
{
	const struct masks_state *s = state;
	const struct addr *a = s->kind == KEY_SOURCE ? &run->q->client : run_destination(run);
	bool answer = false;
	int longest = -1;

	for (unsigned i = 0; i < s->n; i++) {
		if (!netmask_has(&s->mask[i], a) || s->mask[i].bits < longest)
			continue;
		longest = s->mask[i].bits;
		answer = !s->is_not[i];
	}
	return answer;
}

static inline void masks_text(const void *state, FILE *out)
{
	const struct masks_state *s = state;
	char text[NETMASK_TEXT_MAX];

	fputs(s->kind == KEY_SOURCE ? "from" : "to", out);
	for (unsigned i = 0; i < s->n; i++)
		fprintf(out, " %s%s", s->is_not[i] ? "!" : "", netmask_text(&s->mask[i], text));
}

static inline bool masks_keys(const void *state, bool negated, struct key_list *out)
{
	const struct masks_state *s = state;

	for (unsigned i = 0; i < s->n && !negated; i++)
		if (!s->is_not[i] && !keys_add_prefix(out, s->kind, &s->mask[i]))
			return false;
	return !negated;
}

static const struct selector_type masks_type = {
	.name = "Masks",
	.state_size = sizeof(struct masks_state),
	.match = masks_match,
	.text = masks_text,
	.keys = masks_keys,
};

static inline struct selector *select_masks(enum key_kind kind, const char *const *masks,
					    unsigned n)
{
	struct selector *s = selector_new(&masks_type, NULL, NULL);
	struct masks_state *state = (struct masks_state *)s->state;

	state->kind = kind;
	state->n = n;
	for (unsigned i = 0; i < n; i++) {
		state->is_not[i] = masks[i][0] == '!';
		if (netmask_parse(masks[i] + state->is_not[i], &state->mask[i], NULL) < 0)
			abort();
	}
	return s;
}

static inline struct selector *select_from(const char *mask)
{
	return select_masks(KEY_SOURCE, &mask, 1);
}

/* A number of the query between two, both included. */
struct value_state {
	enum key_value of;
	uint32_t least, most;
};

static inline bool value_match(const void *state, struct rule_run *run)
{
	const struct value_state *s = state;
	uint32_t value = key_value_of(s->of, run);

	return value >= s->least && value <= s->most;
}

static inline void value_text(const void *state, FILE *out)
{
	const struct value_state *s = state;

	fprintf(out, "%u <= value %d <= %u", s->least, s->of, s->most);
}

static inline bool value_keys(const void *state, bool negated, struct key_list *out)
{
	const struct value_state *s = state;

	if (s->least == s->most)
		return keys_add_value(out, s->of, s->least, negated);
	for (uint32_t v = s->least; v <= s->most && !negated; v++)
		if (!keys_add_value(out, s->of, v, false))
			return false;
	return !negated;
}

static const struct selector_type value_type = {
	.name = "Value",
	.state_size = sizeof(struct value_state),
	.match = value_match,
	.text = value_text,
	.keys = value_keys,
};

static inline struct selector *select_value(enum key_value of, uint32_t least, uint32_t most)
{
	struct selector *s = selector_new(&value_type, NULL, NULL);

	*(struct value_state *)s->state = (struct value_state){of, least, most};
	return s;
}

/*
 * Matches every n-th time, and every so often can't answer. What is asked on each worker is apart,
 * so that two walks over the same chain begin alike.
 */
struct nth_state {
	unsigned n, fails_every; /* 0: never */
	unsigned *asked;         /* [2], by worker */
};

static inline bool nth_match(const void *state, struct rule_run *run)
{
	const struct nth_state *s = state;
	unsigned asked = ++s->asked[run->worker];

	if (s->fails_every != 0 && asked % s->fails_every == 0) {
		run->must_drop = true;
		return false;
	}
	return s->n != 0 && asked % s->n == 0;
}

static inline void nth_text(const void *state, FILE *out)
{
	const struct nth_state *s = state;

	fprintf(out, "every %u, fails every %u", s->n, s->fails_every);
}

/* It must not be believed. */
static inline bool nth_keys(const void *state, bool negated, struct key_list *out)
{
	return true;
}

static const struct selector_type nth_type = {
	.name = "Nth",
	.state_size = sizeof(struct nth_state),
	.flags = SELECTOR_IMPURE,
	.match = nth_match,
	.text = nth_text,
	.keys = nth_keys,
};

static inline struct selector *select_nth(unsigned n, unsigned fails_every, unsigned *asked)
{
	struct selector *s = selector_new(&nth_type, NULL, NULL);

	*(struct nth_state *)s->state = (struct nth_state){n, fails_every, asked};
	return s;
}

/* Has no keys, and says so by having no such function. */
static inline bool opaque_match(const void *state, struct rule_run *run)
{
	return (run->q->question.name_len + msg_flags(run->msg)) % 3 == 0;
}

static inline void opaque_text(const void *state, FILE *out)
{
	fputs("opaque", out);
}

static const struct selector_type opaque_type = {
	.name = "Opaque",
	.match = opaque_match,
	.text = opaque_text,
};

static inline struct selector *select_opaque(void)
{
	return selector_new(&opaque_type, NULL, NULL);
}

#endif
