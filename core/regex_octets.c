#include "core/regex_octets.h"

/* Ranges by their ends. Not from ctype.h, whose answers depend on the locale of the process. */
static const struct {
	const char *name;
	uint8_t n;
	uint8_t ends[8];
} classes[] = {
	{"alnum", 3, "09AZaz"},   {"alpha", 2, "AZaz"},
	{"blank", 2, "\t\t  "},   {"cntrl", 2, "\0\037\177\177"},
	{"digit", 1, "09"},       {"graph", 1, "!~"},
	{"lower", 1, "az"},       {"print", 1, " ~"},
	{"punct", 4, "!/:@[`{~"}, {"space", 2, "\t\r  "},
	{"upper", 1, "AZ"},       {"word", 4, "09AZ__az"},
	{"xdigit", 3, "09AFaf"},
};

void octets_add_range(struct regex_octets *s, unsigned from, unsigned to)
{
	for (unsigned octet = from; octet <= to; octet++)
		octets_add(s, octet);
}

void octets_add_all(struct regex_octets *s, const struct regex_octets *more)
{
	for (unsigned i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] |= more->bits[i];
}

void octets_invert(struct regex_octets *s)
{
	for (unsigned i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] = ~s->bits[i];
}

void octets_fold(struct regex_octets *s)
{
	/* both cases lie in the second word, 32 bits apart */
	const uint64_t upper = (UINT64_C(1) << ('Z' + 1) % 64) - (UINT64_C(1) << 'A' % 64);
	uint64_t bits = s->bits[1];

	s->bits[1] = bits | (bits & upper) << 32 | (bits >> 32 & upper);
}

bool octets_add_class(struct regex_octets *s, const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len) != 0)
			continue;
		for (unsigned k = 0; k < classes[i].n; k++)
			octets_add_range(s, classes[i].ends[2 * k], classes[i].ends[2 * k + 1]);
		return true;
	}
	return false;
}
