#include "core/regex_sim.h"

#include <stdlib.h>

#include "core/mem.h"
#include "core/regex_nfa.h"

/* Bounds the memory of an expression, to 128 KiB, and the stack. */
#define PLACES_MAX 1024
#define WORDS_MAX  (PLACES_MAX / 64)

/* Somewhere in the expression where an octet has been read. */
struct place {
	struct regex_octets set; /* which octet it was */
	bool is_match;           /* the expression has been found */
	bool is_match_at_end;
};

struct regex_sim {
	uint32_t places_n, words;
	bool matches_all, matches_empty;
	struct place *places;
	uint64_t *next;  /* by place: words of bits, the places after it */
	uint64_t *begin; /* where a match can begin, at the begin of the text */
	uint64_t *start; /* and behind it */
};

/* The places among the steps of a list, as bits. */
static void add_places(const struct regex_nfa *nfa, const uint32_t *place_of, struct nfa_list list,
		       uint64_t *bits)
{
	for (uint32_t i = 0; i < list.n; i++) {
		uint32_t step = nfa->pool[list.at + i];

		if (nfa->steps[step].kind == NFA_OCTET)
			bits[place_of[step] / 64] |= UINT64_C(1) << place_of[step] % 64;
	}
}

/* Whether a match is among the steps; with at_end also behind an end of the text. */
static bool has_match(const struct regex_nfa *nfa, struct nfa_list list, bool at_end)
{
	for (uint32_t i = 0; i < list.n; i++) {
		const struct nfa_step *s = &nfa->steps[nfa->pool[list.at + i]];

		if (s->kind == NFA_MATCH)
			return true;
		if (at_end && s->kind == NFA_END && s->follow_n > 0 &&
		    has_match(nfa, (struct nfa_list){.at = s->follow, .n = s->follow_n}, false))
			return true;
	}
	return false;
}

static void fill(struct regex_sim *sim, struct regex_nfa *nfa, const uint32_t *place_of)
{
	struct nfa_list list;

	for (uint32_t i = 0; i < nfa->steps_n; i++) {
		const struct nfa_step *s = &nfa->steps[i];
		struct place *place = &sim->places[place_of[i]];

		if (s->kind != NFA_OCTET)
			continue;
		list = (struct nfa_list){.at = s->follow, .n = s->follow_n};
		place->set = nfa->store.sets[s->what];
		place->is_match = has_match(nfa, list, false);
		place->is_match_at_end = has_match(nfa, list, true);
		add_places(nfa, place_of, list, sim->next + (size_t)place_of[i] * sim->words);
	}
	list = nfa_closure(nfa, nfa->start, false, false);
	sim->matches_all = has_match(nfa, list, true);
	add_places(nfa, place_of, list, sim->start);
	list = nfa_closure(nfa, nfa->start, true, false);
	sim->matches_all |= has_match(nfa, list, false);
	add_places(nfa, place_of, list, sim->begin);
	list = nfa_closure(nfa, nfa->start, true, true);
	sim->matches_empty = has_match(nfa, list, false);
}

static struct regex_sim *sim_of(struct regex_nfa *nfa)
{
	uint32_t *place_of = mem_zalloc(nfa->steps_n + 1, sizeof(place_of[0]));
	struct regex_sim *sim = mem_zalloc(1, sizeof(*sim));

	for (uint32_t i = 0; i < nfa->steps_n; i++)
		if (nfa->steps[i].kind == NFA_OCTET)
			place_of[i] = sim->places_n++;
	sim->words = (sim->places_n + 63) / 64;
	sim->places = mem_zalloc(sim->places_n + 1, sizeof(sim->places[0]));
	sim->next = mem_zalloc((size_t)sim->places_n * sim->words + 1, sizeof(uint64_t));
	sim->begin = mem_zalloc(sim->words + 1, sizeof(uint64_t));
	sim->start = mem_zalloc(sim->words + 1, sizeof(uint64_t));
	if (sim->places_n <= PLACES_MAX) {
		fill(sim, nfa, place_of);
	} else {
		regex_sim_free(sim);
		sim = NULL;
	}
	free(place_of);
	return sim;
}

struct regex_sim *regex_sim_new(const struct regex_tree *tree)
{
	struct regex_piece piece = {.tree = tree, .to = tree->items_n};
	struct regex_sim *sim = NULL;
	struct regex_nfa nfa;

	if (!tree->exact)
		return NULL;
	nfa_init(&nfa, &piece, 1, false, 2 * PLACES_MAX);
	if (!nfa.rounded)
		sim = sim_of(&nfa);
	nfa_fini(&nfa);
	return sim;
}

void regex_sim_free(struct regex_sim *sim)
{
	if (sim == NULL)
		return;
	free(sim->places);
	free(sim->next);
	free(sim->begin);
	free(sim->start);
	free(sim);
}

bool regex_sim_match(const struct regex_sim *sim, const char *text, size_t len)
{
	uint64_t now[WORDS_MAX], next[WORDS_MAX];
	const size_t size = sim->words * sizeof(now[0]);

	if (sim->matches_all || len == 0)
		return sim->matches_all || sim->matches_empty;
	memcpy(now, sim->begin, size);
	for (size_t i = 0; i < len; i++) {
		memcpy(next, sim->start, size);
		for (uint32_t w = 0; w < sim->words; w++) {
			for (uint64_t bits = now[w]; bits != 0; bits &= bits - 1) {
				uint32_t at = w * 64 + (uint32_t)__builtin_ctzll(bits);
				const struct place *p = &sim->places[at];
				const uint64_t *after = sim->next + (size_t)at * sim->words;

				if (!octets_have(&p->set, (uint8_t)text[i]))
					continue;
				if (p->is_match || (i + 1 == len && p->is_match_at_end))
					return true;
				for (uint32_t k = 0; k < sim->words; k++)
					next[k] |= after[k];
			}
		}
		memcpy(now, next, size);
	}
	return false;
}
