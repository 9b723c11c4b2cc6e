/*
 * The text forms of names, types and response codes. Control thread's work, not written for speed,
 * but for name_text_bare.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/dns/name.h"

static const struct {
	const char *name;
	uint16_t type;
} types[] = {
#define TYPE(name, number) {#name, number},
#include "core/dns/types.def"
#undef TYPE
};

static const struct {
	const char *text;
	unsigned rcode;
} rcodes[] = {
#define RCODE(name, number, text) {text, number},
#include "core/dns/rcodes.def"
#undef RCODE
};

char *name_text(const uint8_t *name, size_t len, char text[static DNS_NAME_TEXT_MAX])
{
	char *t = text;

	for (size_t at = 0; at < len && name[at] != 0; at += (size_t)name[at] + 1) {
		for (const uint8_t *c = name + at + 1; c <= name + at + name[at]; c++) {
			if (*c == '.' || *c == '\\')
				*t++ = '\\';
			if (*c > ' ' && *c < 0x7f)
				*t++ = (char)*c;
			else
				t += sprintf(t, "\\%03u", *c);
		}
		*t++ = '.';
	}
	if (t == text)
		*t++ = '.';
	*t = '\0';
	return text;
}

/* The sum of eight octets, if it is below 256. */
static inline size_t sum8(uint64_t v)
{
	return (size_t)(v * UINT64_C(0x0101010101010101) >> 56);
}

/* Bit 7 of each octet says whether it is c. */
static inline uint64_t equal8(uint64_t v, uint8_t c)
{
	const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);

	v ^= UINT64_C(0x0101010101010101) * c;
	return ~(((v & low7) + low7) | v) & ~low7;
}

/* Whether it is no printing ASCII character: 0x7f and what lies above, or a space and what lies
 * below. */
static inline uint64_t unprintable8(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t low7 = v & ones * 0x7f;

	return (v | (low7 + ones) | ~(low7 + ones * (0x7f - ' '))) & ones * 0x80;
}

/*
 * The octets of all labels are copied at once, with the lengths between them, and those that need
 * an escape are counted. Lengths that were counted are taken off again where the dots are put in
 * their places.
 */
size_t name_text_bare(const uint8_t *name, size_t len, char text[static DNS_NAME_TEXT_MAX])
{
	size_t bare = len < 2 ? 0 : len - 2; /* without the first length octet and the root */
	uint64_t dots8 = 0, odd8 = 0, v;     /* counts, by the position of an octet in eight */
	size_t dots, odd;

	memcpy(text, name + 1, bare);
	memset(text + bare, 'x', sizeof(v)); /* which needs no escape */
	for (size_t i = 0; i < bare; i += sizeof(v)) {
		memcpy(&v, text + i, sizeof(v));
		odd8 += (unprintable8(v) | equal8(v, '\\')) >> 7;
		dots8 += equal8(v, '.') >> 7;
	}
	odd = sum8(odd8);
	dots = sum8(dots8);
	text[bare] = '\0';
	for (size_t at = name[0]; at < bare; at += (size_t)name[at + 1] + 1) {
		text[at] = '.';
		odd -= name[at + 1] <= ' ';
		dots -= name[at + 1] == '.';
	}
	if (likely((odd | dots) == 0))
		return bare;
	name_text(name, len, text);
	bare = strlen(text) - 1;
	text[bare] = '\0';
	return bare;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One octet at *text, which may be escaped as \. or \046; moves *text. -1: a bad escape. */
static int read_octet(const char **text)
{
	const char *t = *text;
	int v;

	if (t[0] != '\\') {
		*text = t + 1;
		return (uint8_t)t[0];
	}
	if (!is_digit(t[1])) {
		*text = t + 2;
		return t[1] == '\0' ? -1 : (uint8_t)t[1];
	}
	if (!is_digit(t[2]) || !is_digit(t[3]))
		return -1;
	v = (t[1] - '0') * 100 + (t[2] - '0') * 10 + (t[3] - '0');
	*text = t + 4;
	return v > 255 ? -1 : v;
}

static int name_error(struct err *err, const char *text, const char *why)
{
	return err == NULL ? -EINVAL : err_set(err, "'%.300s' is not a domain name: %s", text, why);
}

int name_parse(const char *text, uint8_t out[static DNS_NAME_MAX], struct err *err)
{
	const char *t = text[0] == '.' && text[1] == '\0' ? "" : text;
	size_t label = 0, at = 1; /* where the label's length goes; where the next octet goes */

	while (*t != '\0') {
		bool dot = *t == '.';
		int octet = read_octet(&t);

		if (octet < 0)
			return name_error(
				err, text,
				"a backslash needs a character or three digits up to 255");
		if (at == DNS_NAME_MAX)
			return name_error(err, text, "longer than 255 octets");
		if (!dot) {
			if (at - label > DNS_LABEL_MAX)
				return name_error(err, text, "a label is longer than 63 octets");
			out[at++] = (uint8_t)octet;
			continue;
		}
		if (at == label + 1)
			return name_error(err, text, "a label is empty");
		out[label] = (uint8_t)(at - label - 1);
		label = at++;
	}
	/* With a final dot the open label is the root, else the root is one octet more. */
	out[label] = (uint8_t)(at - label - 1);
	if (out[label] == 0)
		return (int)at;
	if (at == DNS_NAME_MAX)
		return name_error(err, text, "longer than 255 octets");
	out[at] = 0;
	return (int)at + 1;
}

const char *type_text(uint16_t type, char text[static 16])
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type)
			return types[i].name;
	snprintf(text, 16, "TYPE%u", type);
	return text;
}

int type_parse(const char *text, uint16_t *out)
{
	unsigned long v;
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcasecmp(text, types[i].name) == 0) {
			*out = types[i].type;
			return 0;
		}
	}
	if (strncasecmp(text, "TYPE", 4) != 0 || !is_digit(text[4]))
		return -EINVAL;
	v = strtoul(text + 4, &end, 10);
	if (*end != '\0' || v > UINT16_MAX)
		return -EINVAL;
	*out = (uint16_t)v;
	return 0;
}

const char *rcode_text(unsigned rcode, char text[static 24])
{
	for (size_t i = 0; i < ARRAY_LEN(rcodes); i++)
		if (rcodes[i].rcode == rcode)
			return rcodes[i].text;
	snprintf(text, 24, "Err#%u", rcode);
	return text;
}
