#include "core/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/regex_dfa.h"
#include "core/regex_ere.h"
#include "core/regex_re2.h"
#include "core/regex_sim.h"

/*
 * Begins with the first, and grows to the second when an expression nests deep. A repeated group
 * keeps some 50 octets for each time round: 1,023 octets of text need an eighth of the larger one.
 */
#define JIT_STACK_MIN (32u << 10)
#define JIT_STACK_MAX (512u << 10)

/*
 * Steps of backtracking after which the expression's other way to match decides, which then costs
 * less than going on. REGEX_STEPS_MAX is for expressions that have none.
 */
#define STEPS_BEFORE_SIM 20000

/* Octets that a back-reference compares in the time of a step. */
#define OCTETS_A_STEP 64

/* KiB that the interpreter may use instead, kept by the thread from then on. */
#define HEAP_MAX 1024

struct regex {
	enum regex_kind kind;
	bool jit;
	bool one_start;   /* is tried at the begin of the text only */
	bool refers;      /* has back-references: a step may compare as much as there is of text */
	uint32_t len_min; /* octets of the shortest text that matches */
	pcre2_code *code;
	struct regex_re2 *re2;
	struct regex_tree *tree;
	struct regex_dfa *dfa; /* instead of RE2, which would allocate or take locks */
	struct regex_sim *sim; /* decides where PCRE2 gives up; not all have one */
	char *text;
};

/* What PCRE2 writes to while it matches; one a thread. */
struct scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	uint32_t limit; /* the one that is set in context */
};

static _Thread_local struct scratch *scratch;
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void scratch_free(void *arg)
{
	struct scratch *s = arg;

	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	pcre2_jit_stack_free(s->stack);
	free(s);
}

static void make_key(void)
{
	if (pthread_key_create(&scratch_key, scratch_free) != 0)
		abort();
}

void regex_thread_init(void)
{
	struct scratch *s;

	if (scratch != NULL)
		return;
	pthread_once(&scratch_once, make_key);
	s = mem_zalloc(1, sizeof(*s));
	s->data = pcre2_match_data_create(1, NULL);
	s->context = pcre2_match_context_create(NULL);
	s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (s->data == NULL || s->context == NULL)
		abort();
	pcre2_set_heap_limit(s->context, HEAP_MAX);
	if (s->stack != NULL)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	pthread_setspecific(scratch_key, s);
	scratch = s;
}

static struct regex *regex_alloc(enum regex_kind kind, const char *text)
{
	struct regex *re = mem_zalloc(1, sizeof(*re));

	re->kind = kind;
	re->text = mem_strdup(text);
	return re;
}

static void look_at(struct regex *re)
{
	uint32_t options = 0, references = 0;
	size_t jit_size = 0;

	pcre2_pattern_info(re->code, PCRE2_INFO_MINLENGTH, &re->len_min);
	pcre2_pattern_info(re->code, PCRE2_INFO_ALLOPTIONS, &options);
	pcre2_pattern_info(re->code, PCRE2_INFO_BACKREFMAX, &references);
	re->refers = references > 0;
	re->one_start = (options & PCRE2_ANCHORED) != 0;
	/* (*NO_JIT) is no failure, but leaves no code either */
	if (pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0)
		pcre2_pattern_info(re->code, PCRE2_INFO_JITSIZE, &jit_size);
	re->jit = jit_size > 0;
}

static struct regex *new_posix(const char *text, struct err *err)
{
	struct regex_source source;
	struct regex *re = NULL;
	pcre2_code *code;
	PCRE2_UCHAR why[256];
	PCRE2_SIZE at;
	int rc;

	if (regex_translate(text, &source, err) < 0)
		return NULL;
	code = pcre2_compile((PCRE2_SPTR)source.text, source.len,
			     PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
				     PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
				     (source.groups_are_plain ? PCRE2_NO_AUTO_CAPTURE : 0),
			     &rc, &at, NULL);
	if (code == NULL) {
		pcre2_get_error_message(rc, why, sizeof(why));
		err_set(err, "'%.400s' is not a regular expression: %s at offset %u", text,
			(char *)why, source.offset[at]);
	} else {
		re = regex_alloc(REGEX_POSIX, text);
		re->code = code;
		re->tree = regex_tree_new(REGEX_POSIX, source.text);
		if (re->tree != NULL && re->tree->chooses)
			re->sim = regex_sim_new(re->tree);
		look_at(re);
	}
	free(source.text);
	free(source.offset);
	return re;
}

bool regex_has_re2(void)
{
#ifdef HAVE_RE2
	return true;
#else
	return false;
#endif
}

#ifdef HAVE_RE2

/* Of the work for an automaton (core/regex_dfa.h), which may turn out to be too large: some 40 ms.
 */
#define DFA_WORK (4u << 20)

/* Says the same as RE2 of all texts; NULL when there is none that does. */
static struct regex_dfa *dfa_of(const struct regex_tree *tree)
{
	struct regex_piece piece = {.tree = tree};
	struct regex_dfa *dfa;
	uint64_t vain = DFA_WORK;

	if (tree == NULL || !tree->exact)
		return NULL;
	piece.to = tree->items_n;
	dfa = regex_dfa_new(&piece, 1, false, &vain);
	if (dfa == NULL || dfa->exact)
		return dfa;
	regex_dfa_free(dfa);
	return NULL;
}

#endif

static struct regex *new_re2(const char *text, struct err *err)
{
#ifdef HAVE_RE2
	char why[256];
	struct regex_re2 *re2 = regex_re2_new(text, why, sizeof(why));
	struct regex *re;

	if (re2 == NULL) {
		err_set(err, "'%.400s' is not a regular expression of RE2: %s", text, why);
		return NULL;
	}
	re = regex_alloc(REGEX_RE2, text);
	re->re2 = re2;
	re->tree = regex_tree_new(REGEX_RE2, text);
	re->dfa = dfa_of(re->tree);
	return re;
#else
	err_set(err,
		"'%.400s': this program was built without RE2; RegexRule knows most of its syntax",
		text);
	return NULL;
#endif
}

struct regex *regex_new(enum regex_kind kind, const char *text, struct err *err)
{
	return kind == REGEX_POSIX ? new_posix(text, err) : new_re2(text, err);
}

void regex_free(struct regex *re)
{
	if (re == NULL)
		return;
	pcre2_code_free(re->code);
#ifdef HAVE_RE2
	regex_re2_free(re->re2);
#endif
	regex_tree_free(re->tree);
	regex_sim_free(re->sim);
	regex_dfa_free(re->dfa);
	free(re->text);
	free(re);
}

/* PCRE2 counts the steps anew wherever in the text it begins. */
static void limit_steps(struct scratch *s, const struct regex *re, size_t len)
{
	uint32_t limit = re->sim == NULL ? REGEX_STEPS_MAX : STEPS_BEFORE_SIM;

	if (re->refers)
		limit /= 1 + (uint32_t)len / OCTETS_A_STEP;
	if (!re->one_start)
		limit /= (uint32_t)len + 1;
	/* one repetition that is not the first thing takes a step for each octet, whatever the
	 * length */
	if (re->sim == NULL && !re->refers && limit < 2 * len)
		limit = (uint32_t)(2 * len);
	if (s->limit == limit)
		return;
	s->limit = limit;
	pcre2_set_match_limit(s->context, limit);
}

bool regex_match(const struct regex *re, const char *text, size_t len)
{
	PCRE2_SPTR subject = (PCRE2_SPTR)text;
	int rc;

#ifdef HAVE_RE2
	if (re->dfa != NULL)
		return regex_dfa_match(re->dfa, text, len);
	if (re->re2 != NULL)
		return regex_re2_match(re->re2, text, len);
#endif
	if (len < re->len_min)
		return false;
	if (unlikely(scratch == NULL))
		regex_thread_init();
	limit_steps(scratch, re, len);
	if (likely(re->jit))
		rc = pcre2_jit_match(re->code, subject, len, 0, 0, scratch->data, scratch->context);
	else
		rc = pcre2_match(re->code, subject, len, 0, 0, scratch->data, scratch->context);
	/* the limit of steps, or of memory */
	if (unlikely(rc < PCRE2_ERROR_NOMATCH && re->sim != NULL))
		return regex_sim_match(re->sim, text, len);
	return rc >= 0;
}

const char *regex_text(const struct regex *re)
{
	return re->text;
}

enum regex_kind regex_kind(const struct regex *re)
{
	return re->kind;
}

const struct regex_tree *regex_tree(const struct regex *re)
{
	return re->tree;
}

bool regex_jit_is_available(void)
{
	struct err err;
	struct regex *re = regex_new(REGEX_POSIX, "a", &err);
	bool jit = re != NULL && re->jit;

	regex_free(re);
	return jit;
}
