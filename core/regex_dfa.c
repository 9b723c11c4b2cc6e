/*
 * The subset construction, for searching: a piece may begin at each octet, so each state has among
 * its steps those that begin anew with the octet just read. They are the same for all states that
 * the octet leads to, often a hundred and more, and are not written down in the states: a state is
 * a class, the base, and the steps that its past adds to those which begin with the base. A row
 * starts as that of its base and differs where the added steps read something, so that it costs
 * what they cost.
 */
#include "core/regex_dfa.h"

#include <stdlib.h>

#include "core/mem.h"

/*
 * A table may have so many states for each step of its pieces, and these on top; and so much work
 * for each of these states. Words, and what is tied to an end, have one state a step, and 30 to 130
 * steps looked at for each state. What needs more would mostly do so without end.
 */
#define STATES_PER_STEP 2
#define STATES_EXTRA    1024
#define STATES_MAX      32000
#define WORK_PER_STATE  128

/* Of all lists of a table together, 16 MiB: a guard, not a figure that anything comes near. */
#define LISTS_MAX (4u << 20)

/* Of one item; repetitions within a repetition may have more. */
#define ITEM_STEPS 128

#define NO_BASE 256u /* with which nothing begins */

struct subset {
	uint32_t base;
	struct nfa_list added; /* of nfa.pool */
};

/* A step that reads a class: one of those with the same class, linked. */
struct reader {
	uint32_t step, next;
};

struct builder {
	struct regex_nfa nfa;
	uint32_t states_max;
	uint64_t work, work_max;
	struct subset *subsets;
	uint32_t subsets_n, subsets_cap;
	uint32_t *slots; /* a hash of subsets: index + 1 */
	uint32_t slots_mask;
	uint16_t *next;
	unsigned shift;

	uint32_t base_of[256];       /* by class; classes with which the same begins share one */
	struct nfa_list begins[257]; /* by base: the steps after it that began with it */
	uint64_t *begins_has[256];   /* by base: the same, a bit a step */
	uint16_t base_state[257];    /* by base: the state without added steps */

	uint32_t head[256]; /* by class: readers, index + 1 */
	struct reader *readers;
	uint32_t readers_n, readers_cap;
	uint32_t *matched; /* by id, from id_min: the last round that saw its match */
	uint32_t id_min;

	uint32_t *lists, *hits, *ends;
	uint32_t lists_n, lists_cap;
};

static uint32_t hash_subset(const struct builder *b, uint32_t base, const struct nfa_list *added)
{
	uint64_t h = base;

	for (uint32_t i = 0; i < added->n; i++)
		h = (h ^ b->nfa.pool[added->at + i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

static bool same_list(const struct builder *b, struct nfa_list x, struct nfa_list y)
{
	return x.n == y.n &&
	       memcmp(b->nfa.pool + x.at, b->nfa.pool + y.at, x.n * sizeof(b->nfa.pool[0])) == 0;
}

static uint32_t add_subset(struct builder *b, uint32_t base, struct nfa_list added)
{
	if (b->subsets_n == b->subsets_cap) {
		b->subsets_cap = b->subsets_cap * 2 + 64;
		b->subsets = mem_realloc(b->subsets, b->subsets_cap, sizeof(b->subsets[0]));
		b->next = mem_realloc(b->next, (size_t)b->subsets_cap << b->shift,
				      sizeof(b->next[0]));
	}
	b->subsets[b->subsets_n] = (struct subset){.base = base, .added = added};
	return b->subsets_n++;
}

/* The state of a subset; one that is there already takes its list from the end of the pool again.
 */
static uint32_t intern_subset(struct builder *b, uint32_t base, struct nfa_list added)
{
	uint32_t slot = hash_subset(b, base, &added) & b->slots_mask;

	for (; b->slots[slot] != 0; slot = (slot + 1) & b->slots_mask) {
		const struct subset *s = &b->subsets[b->slots[slot] - 1];

		if (s->base == base && same_list(b, s->added, added)) {
			b->nfa.pool_n = added.at;
			return b->slots[slot] - 1;
		}
	}
	b->slots[slot] = add_subset(b, base, added) + 1;
	return b->slots[slot] - 1;
}

static bool begins_with(const struct builder *b, uint32_t base, uint32_t step)
{
	return base != NO_BASE && (b->begins_has[base][step / 64] >> step % 64 & 1);
}

/* Adds what follows a step to the list at the end of the pool, each once, without what begins with
 * base. */
static void add_follow(struct builder *b, uint32_t base, struct nfa_list follow)
{
	struct regex_nfa *nfa = &b->nfa;

	b->work += follow.n + 1;
	for (uint32_t i = 0; i < follow.n; i++) {
		uint32_t step = nfa->pool[follow.at + i];

		if (nfa->mark[step] == nfa->round || begins_with(b, base, step))
			continue;
		nfa->mark[step] = nfa->round;
		nfa_push(nfa, step);
	}
}

/*
 * Puts the list at the end of the pool in order. A piece that was found is found for good: its
 * other steps are of no more use.
 */
static struct nfa_list finish_list(struct builder *b, uint32_t at)
{
	struct regex_nfa *nfa = &b->nfa;
	uint32_t n = at;
	bool matched = false;

	for (uint32_t i = at; i < nfa->pool_n; i++) {
		const struct nfa_step *s = &nfa->steps[nfa->pool[i]];

		if (s->kind == NFA_MATCH) {
			b->matched[s->what - b->id_min] = nfa->round;
			matched = true;
		}
	}
	for (uint32_t i = at; matched && i < nfa->pool_n; i++) {
		const struct nfa_step *s = &nfa->steps[nfa->pool[i]];

		if (s->kind == NFA_MATCH || s->owner == NFA_SHARED ||
		    b->matched[s->owner - b->id_min] != nfa->round)
			nfa->pool[n++] = nfa->pool[i];
	}
	if (matched)
		nfa->pool_n = n;
	nfa_sort(nfa->pool + at, nfa->pool_n - at);
	return (struct nfa_list){.at = at, .n = nfa->pool_n - at};
}

/* Sorts the steps of a list by the classes they read. */
static void sort_readers(struct builder *b, struct nfa_list steps)
{
	const struct regex_nfa *nfa = &b->nfa;

	memset(b->head, 0, sizeof(b->head));
	b->work += b->readers_n;
	b->readers_n = 0;
	for (uint32_t i = 0; i < steps.n; i++) {
		uint32_t step = nfa->pool[steps.at + i];
		struct nfa_list classes;

		if (nfa->steps[step].kind != NFA_OCTET)
			continue;
		classes = nfa->set_classes[nfa->steps[step].what];
		if (b->readers_n + classes.n > b->readers_cap) {
			b->readers_cap = (b->readers_n + classes.n) * 2;
			b->readers = mem_realloc(b->readers, b->readers_cap, sizeof(b->readers[0]));
		}
		for (uint32_t k = 0; k < classes.n; k++) {
			uint32_t *head = &b->head[nfa->pool[classes.at + k]];

			b->readers[b->readers_n++] = (struct reader){.step = step, .next = *head};
			*head = b->readers_n;
		}
	}
}

/* What follows the readers of a class, and `more`. */
static struct nfa_list move(struct builder *b, uint32_t class, uint32_t base, struct nfa_list more)
{
	uint32_t at = b->nfa.pool_n;

	b->nfa.round++;
	add_follow(b, base, more);
	for (uint32_t r = b->head[class]; r != 0; r = b->readers[r - 1].next) {
		const struct nfa_step *s = &b->nfa.steps[b->readers[r - 1].step];

		add_follow(b, base, (struct nfa_list){.at = s->follow, .n = s->follow_n});
	}
	return finish_list(b, at);
}

/* The row of a state: that of another, and its own states where its steps read something. */
static void fill_row(struct builder *b, uint32_t state, uint32_t like, struct nfa_list steps)
{
	const size_t at = (size_t)state << b->shift;

	memcpy(b->next + at, b->next + ((size_t)like << b->shift),
	       b->nfa.classes_n * sizeof(b->next[0]));
	sort_readers(b, steps);
	for (uint32_t c = 0; c < b->nfa.classes_n && b->subsets_n <= b->states_max; c++) {
		struct nfa_list more, to;
		uint32_t id;

		if (b->head[c] == 0)
			continue;
		more = b->subsets[b->next[at + c]].added;
		to = move(b, c, b->base_of[c], more);
		id = intern_subset(b, b->base_of[c], to);
		b->next[at + c] = (uint16_t)id;
	}
}

/* What begins with each class, from the steps with which pieces begin behind the begin of the text.
 */
static void make_bases(struct builder *b, struct nfa_list begin)
{
	struct regex_nfa *nfa = &b->nfa;
	size_t words = nfa->steps_n / 64 + 1;

	sort_readers(b, begin);
	for (uint32_t c = 0; c < nfa->classes_n; c++) {
		struct nfa_list list = move(b, c, NO_BASE, (struct nfa_list){.n = 0});
		uint32_t base = 0;

		while (base < c &&
		       (b->base_of[base] != base || !same_list(b, b->begins[base], list)))
			base++;
		b->base_of[c] = list.n == 0 ? NO_BASE : base;
		if (list.n == 0 || base < c)
			continue;
		b->begins[c] = list;
		b->begins_has[c] = mem_zalloc(words, sizeof(uint64_t));
		for (uint32_t i = 0; i < list.n; i++) {
			uint32_t step = nfa->pool[list.at + i];

			b->begins_has[c][step / 64] |= UINT64_C(1) << step % 64;
		}
	}
}

/*
 * State 0 is the end of all hope. Where nothing begins anew, as with pieces that stand at the begin
 * of the text, it is also the state without steps.
 */
static void make_base_states(struct builder *b)
{
	const struct nfa_list none = {.n = 0};
	bool searching = false;
	uint32_t empty;

	for (uint32_t c = 0; c < b->nfa.classes_n; c++)
		searching |= b->base_of[c] != NO_BASE;
	empty = add_subset(b, NO_BASE, none);
	memset(b->next, 0, sizeof(b->next[0]) << b->shift);
	if (searching)
		empty = intern_subset(b, NO_BASE, none);
	else
		b->slots[hash_subset(b, NO_BASE, &none) & b->slots_mask] = empty + 1;
	b->base_state[NO_BASE] = (uint16_t)empty;
	for (uint32_t c = 0; c < b->nfa.classes_n; c++)
		if (b->base_of[c] == c)
			b->base_state[c] = (uint16_t)intern_subset(b, c, none);
	for (uint32_t c = 0; c < b->nfa.classes_n; c++)
		b->next[((size_t)empty << b->shift) + c] = b->base_state[b->base_of[c]];
	for (uint32_t c = 0; c < b->nfa.classes_n; c++)
		if (b->base_of[c] == c)
			fill_row(b, b->base_state[c], empty, b->begins[c]);
}

/* The state before the first octet. What may match nothing at all matches here. */
static uint32_t make_start(struct builder *b, struct nfa_list begin)
{
	struct regex_nfa *nfa = &b->nfa;
	struct nfa_list list = nfa_closure(nfa, nfa->start, true, false);
	uint32_t start;

	for (uint32_t i = 0; i < begin.n; i++) {
		const struct nfa_step *s = &nfa->steps[nfa->pool[begin.at + i]];

		if (s->kind == NFA_END)
			add_follow(b, NO_BASE,
				   (struct nfa_list){.at = s->follow, .n = s->follow_n});
	}
	list = finish_list(b, list.at);
	start = add_subset(b, NO_BASE, list);
	fill_row(b, start, b->base_state[NO_BASE], list);
	return start;
}

static bool fill_rows(struct builder *b, uint32_t start)
{
	for (uint32_t i = 0; i < b->subsets_n; i++) {
		struct subset s = b->subsets[i];

		/* those of the bases and of the start are filled already */
		if (s.added.n > 0 && i != start)
			fill_row(b, i, b->base_state[s.base], s.added);
		if (b->subsets_n > b->states_max || b->lists_n > LISTS_MAX || b->work > b->work_max)
			return false;
	}
	return true;
}

static void push_list(struct builder *b, uint32_t number)
{
	if (b->lists_n == b->lists_cap) {
		b->lists_cap = b->lists_cap * 2 + 256;
		b->lists = mem_realloc(b->lists, b->lists_cap, sizeof(b->lists[0]));
	}
	b->lists[b->lists_n++] = number;
}

/* Closes the list that began at `at` with its count; 0 when nothing is in it. */
static uint32_t close_list(struct builder *b, uint32_t at)
{
	b->lists[at] = b->lists_n - at - 1;
	if (b->lists[at] > 0)
		return at;
	b->lists_n = at;
	return 0;
}

/* The pieces whose match is among the steps. */
static void push_matches(struct builder *b, struct nfa_list steps)
{
	struct regex_nfa *nfa = &b->nfa;

	for (uint32_t i = 0; i < steps.n; i++) {
		uint32_t at = nfa->pool[steps.at + i];

		if (nfa->steps[at].kind != NFA_MATCH || nfa->mark[at] == nfa->round)
			continue;
		nfa->mark[at] = nfa->round;
		push_list(b, nfa->steps[at].what);
	}
}

/* The pieces that match if the text ends here. */
static void push_ends(struct builder *b, struct nfa_list steps)
{
	const struct regex_nfa *nfa = &b->nfa;

	for (uint32_t i = 0; i < steps.n; i++) {
		const struct nfa_step *s = &nfa->steps[nfa->pool[steps.at + i]];

		if (s->kind == NFA_END)
			push_matches(b, (struct nfa_list){.at = s->follow, .n = s->follow_n});
	}
}

static uint32_t list_of(struct builder *b, uint32_t state,
			void (*push)(struct builder *b, struct nfa_list steps))
{
	const struct subset s = b->subsets[state];
	uint32_t at = b->lists_n;

	push_list(b, 0);
	b->nfa.round++;
	if (s.base != NO_BASE)
		push(b, b->begins[s.base]);
	push(b, s.added);
	return close_list(b, at);
}

/* An empty text begins and ends here. */
static uint32_t ends_of_start(struct builder *b)
{
	struct nfa_list all = nfa_closure(&b->nfa, b->nfa.start, true, true);
	uint32_t at = b->lists_n;

	push_list(b, 0);
	b->nfa.round++;
	push_matches(b, all);
	return close_list(b, at);
}

static void make_lists(struct builder *b, uint32_t start)
{
	b->hits = mem_alloc((b->subsets_n + 1) * sizeof(b->hits[0]));
	b->ends = mem_alloc((b->subsets_n + 1) * sizeof(b->ends[0]));
	push_list(b, 0);
	for (uint32_t i = 0; i < b->subsets_n; i++) {
		b->hits[i] = list_of(b, i, push_matches);
		b->ends[i] = i == start ? ends_of_start(b) : list_of(b, i, push_ends);
	}
}

/* States that say something are put last, so that the run sees from a number that they do. */
static uint32_t number_states(const struct builder *b, uint16_t *number)
{
	uint32_t n = 0, first_hit;

	for (uint32_t i = 0; i < b->subsets_n; i++)
		if (b->hits[i] == 0)
			number[i] = (uint16_t)n++;
	first_hit = n;
	for (uint32_t i = 0; i < b->subsets_n; i++)
		if (b->hits[i] != 0)
			number[i] = (uint16_t)n++;
	return first_hit;
}

static struct regex_dfa *finish(struct builder *b, uint32_t start, bool backward)
{
	struct regex_dfa *dfa = mem_zalloc(1, sizeof(*dfa));
	size_t row = sizeof(b->next[0]) << b->shift;
	uint16_t *number = mem_alloc(b->subsets_n * sizeof(number[0]));
	uint16_t *next = mem_lines(b->subsets_n * row);
	uint32_t *hits, *ends;

	make_lists(b, start);
	hits = mem_zalloc(b->subsets_n, sizeof(hits[0]));
	ends = mem_zalloc(b->subsets_n, sizeof(ends[0]));
	dfa->first_hit = (uint16_t)number_states(b, number);
	for (uint32_t i = 0; i < b->subsets_n; i++) {
		size_t from = (size_t)i << b->shift, to = (size_t)number[i] << b->shift;

		for (uint32_t c = 0; c < b->nfa.classes_n; c++)
			next[to + c] = number[b->next[from + c]];
		hits[number[i]] = b->hits[i];
		ends[number[i]] = b->ends[i];
	}
	memcpy(dfa->class_of, b->nfa.class_of, sizeof(dfa->class_of));
	dfa->shift = (uint8_t)b->shift;
	dfa->backward = backward;
	dfa->exact = !b->nfa.rounded;
	dfa->start = number[start];
	dfa->states = b->subsets_n;
	dfa->memory = sizeof(*dfa) + b->subsets_n * (row + 2 * sizeof(hits[0])) +
		      b->lists_n * sizeof(b->lists[0]);
	dfa->next = next;
	dfa->hits = hits;
	dfa->ends = ends;
	dfa->lists = mem_realloc(b->lists, b->lists_n, sizeof(b->lists[0]));
	b->lists = NULL;
	free(number);
	return dfa;
}

static void make_matched(struct builder *b, const struct regex_piece *pieces, uint32_t n)
{
	uint32_t max = 0;

	b->id_min = UINT32_MAX;
	for (uint32_t i = 0; i < n; i++) {
		b->id_min = pieces[i].id < b->id_min ? pieces[i].id : b->id_min;
		max = pieces[i].id > max ? pieces[i].id : max;
	}
	b->matched = mem_zalloc(max - b->id_min + 1, sizeof(b->matched[0]));
}

static void builder_fini(struct builder *b)
{
	nfa_fini(&b->nfa);
	for (uint32_t c = 0; c < ARRAY_LEN(b->begins_has); c++)
		free(b->begins_has[c]);
	free(b->subsets);
	free(b->slots);
	free(b->next);
	free(b->readers);
	free(b->matched);
	free(b->lists);
	free(b->hits);
	free(b->ends);
	free(b);
}

struct regex_dfa *regex_dfa_new(const struct regex_piece *pieces, uint32_t n, bool backward,
				uint64_t *vain)
{
	struct builder *b = mem_zalloc(1, sizeof(*b));
	struct regex_dfa *dfa = NULL;
	struct nfa_list begin;
	uint32_t start;

	nfa_init(&b->nfa, pieces, n, backward, ITEM_STEPS);
	b->states_max = STATES_EXTRA + STATES_PER_STEP * b->nfa.steps_n;
	if (b->states_max > STATES_MAX)
		b->states_max = STATES_MAX;
	b->work_max = (uint64_t)b->states_max * WORK_PER_STATE;
	if (b->work_max > *vain)
		b->work_max = *vain;
	/* the bases come on top of what is allowed */
	for (b->slots_mask = 1; b->slots_mask < b->states_max + ARRAY_LEN(b->base_state);)
		b->slots_mask *= 2;
	b->slots = mem_zalloc(2 * (size_t)b->slots_mask, sizeof(b->slots[0]));
	b->slots_mask = 2 * b->slots_mask - 1;
	while (1u << b->shift < b->nfa.classes_n)
		b->shift++;
	make_matched(b, pieces, n);
	begin = nfa_closure(&b->nfa, b->nfa.start, false, false);
	make_bases(b, begin);
	make_base_states(b);
	start = make_start(b, begin);
	if (fill_rows(b, start))
		dfa = finish(b, start, backward);
	else
		*vain -= b->work < *vain ? b->work : *vain;
	builder_fini(b);
	return dfa;
}

void regex_dfa_free(struct regex_dfa *dfa)
{
	if (dfa == NULL)
		return;
	free((void *)dfa->next);
	free((void *)dfa->hits);
	free((void *)dfa->ends);
	free((void *)dfa->lists);
	free(dfa);
}

bool regex_dfa_match(const struct regex_dfa *dfa, const char *text, size_t len)
{
	uint32_t state = dfa->start;

	for (size_t i = 0; i < len && state < dfa->first_hit; i++) {
		state = dfa->next[(state << dfa->shift) + dfa->class_of[(uint8_t)text[i]]];
		if (state == DFA_DEAD)
			return false;
	}
	return state >= dfa->first_hit || dfa->ends[state] != 0;
}
