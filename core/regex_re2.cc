/*
 * RE2 has four ways to match. Its lazy automaton takes a lock that all threads share, allocates
 * what it has not seen yet, and throws all of it away when it is full. The one-pass automaton, made
 * when the expression is compiled, does none of this; the bit-state search allocates (three blocks
 * of some KiB, given back at once: no lock and no line of another core with an allocator that
 * caches by thread).
 *
 * RE2 takes one of the latter two when it is asked where a group matched, the expression is no
 * longer than 500 of its instructions, and the text is short. So the expression is put in a group
 * that is asked for. What a match costs (names of 20 octets, libre2 20220601):
 *
 *   one-pass, as p[0-9]+\.example\.com      50 to 130 ns, no lock, no allocation
 *   not one-pass, as .*foo.*                180 to 1000 ns, no lock, three allocations
 *   the same by the lazy automaton          110 to 190 ns, one lock shared by all threads
 *
 * Longer expressions (some 80 words) are matched by an automaton of our own, core/regex_dfa.h,
 * where they have one; what is left, long expressions with \b or repeated a hundred times, takes
 * RE2's lock. An RE2 for each worker would have locks of its own, but still allocate, and take some
 * KiB for each expression and worker. core/regex_set.h keeps most names away from all of this.
 */
#include "core/regex_re2.h"

#include <re2/re2.h>

#include <new>
#include <string>

struct regex_re2 {
	regex_re2(const std::string &text, const RE2::Options &options) : re(text, options)
	{
	}
	RE2 re;
};

static RE2::Options options()
{
	RE2::Options o(RE2::Latin1);

	o.set_log_errors(false);
	return o;
}

static void explain(const RE2 &re, char *why, size_t why_len)
{
	size_t len = re.error().copy(why, why_len - 1);

	why[len] = '\0';
}

extern "C" struct regex_re2 *regex_re2_new(const char *text, char *why, size_t why_len)
{
	/* a \Q without its \E would quote our parenthesis */
	static const char *const ends[] = {")", "\\E)"};
	/* Alone first, so that the complaint is about what the user wrote, and a ) does not close
	 * our ( */
	RE2 alone(text, options());

	if (!alone.ok()) {
		explain(alone, why, why_len);
		return NULL;
	}
	for (const char *end : ends) {
		struct regex_re2 *re = new regex_re2("(" + std::string(text) + end, options());

		if (re->re.ok())
			return re;
		explain(re->re, why, why_len);
		delete re;
	}
	return NULL;
}

extern "C" bool regex_re2_locks(const struct regex_re2 *re)
{
	/* kMaxBitStateProgSize of re2/prog.cc: instructions that a bit-state search takes on */
	return re->re.ProgramSize() > 500;
}

extern "C" void regex_re2_free(struct regex_re2 *re)
{
	delete re;
}

extern "C" bool regex_re2_match(const struct regex_re2 *re, const char *text, size_t len)
{
	re2::StringPiece group[2];

	return re->re.Match(re2::StringPiece(text, len), 0, len, RE2::ANCHOR_BOTH, group, 2);
}
