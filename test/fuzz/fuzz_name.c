/* Names: the input is a message whose first octets, after the header, are a name. */
#include <stdlib.h>

#include "core/dns/record.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What was read reads back from its text, and lower case is what equality says it is. */
static void check_name(const uint8_t *name, size_t len)
{
	uint8_t back[DNS_NAME_MAX], lower[DNS_NAME_MAX];
	char text[DNS_NAME_TEXT_MAX];
	unsigned labels = name_labels(name);

	CHECK(name_parse(name_text(name, len, text), back, NULL) == (int)len);
	CHECK(memcmp(back, name, len) == 0);
	name_lower(lower, name, len);
	CHECK(name_equal(lower, name, len));
	CHECK(name_is_under(name, len, lower, len));
	CHECK(labels < 128 && name_labels(lower) == labels);
	if (labels > 0)
		CHECK(name_is_under(name, len, lower + 1 + lower[0], len - 1 - lower[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t plain[DNS_NAME_MAX], out[DNS_NAME_MAX];
	struct wire_rd r, followed, skipped;
	size_t n, m;

	if (len < DNS_HEADER_LEN + 1u)
		return 0;
	/* The first octet says where the name begins, so that pointers have something to lead to.
	 */
	r.pos = data + DNS_HEADER_LEN + data[0] % (len - DNS_HEADER_LEN);
	r.end = data + len;
	r.bad = false;
	followed = skipped = r;

	n = rd_name(&r, plain);
	CHECK(r.bad == (n == 0));
	m = rd_name_compressed(&followed, data, out);
	CHECK(followed.bad == (m == 0) && m <= DNS_NAME_MAX);
	rd_name_skip(&skipped, data);
	if (n > 0) {
		check_name(plain, n);
		CHECK(m == n && name_equal(plain, out, n));
	}
	if (m > 0) {
		check_name(out, m);
		CHECK(!skipped.bad && skipped.pos == followed.pos);
	}
	return 0;
}
