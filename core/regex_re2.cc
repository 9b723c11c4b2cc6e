/*
 * RE2 has four ways to match. Its lazy automaton takes a lock that all threads share, allocates what it
 * has not seen yet, and throws all of it away when it is full. The one-pass automaton, made when the
 * expression is compiled, does none of this; the bit-state search allocates three blocks of some KiB and
 * frees them at once, which with an allocator that caches by thread touches no line of another core.
 *
 * So RE2 says what an expression is, and core/regex.c matches it with a table of its own
 * (core/regex_dfa.h), which is tested to say the same. What has none (\b, very large ones) is matched here,
 * in a group: RE2 takes one of the two latter ways when it is asked where a group matched, for expressions
 * of up to 500 of its instructions (80 words) and short texts. Names of 20 octets, libre2 20220601:
 *
 *   our table                               50 ns, no lock, no allocation
 *   one-pass, as p[0-9]+\.example\.com      50 to 130 ns, no lock, no allocation
 *   bit-state, as .*foo.*                   400 to 1000 ns, no lock, three allocations
 *   the same of 80 words                    7.7 us
 *   the lazy automaton                      90 to 190 ns, one lock shared by all threads
 *
 * An RE2 for each worker would have locks of its own, but still allocate, and take some KiB for each
 * expression and worker.
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

extern "C" void regex_re2_free(struct regex_re2 *re)
{
	delete re;
}

extern "C" bool regex_re2_match(const struct regex_re2 *re, const char *text, size_t len)
{
	re2::StringPiece group[2];

	return re->re.Match(re2::StringPiece(text, len), 0, len, RE2::ANCHOR_BOTH, group, 2);
}
