/* Client subnets: what is put into a message is found there, and taken out leaves what was. */
#include <stdlib.h>

#include "core/dns/record.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_options(const uint8_t *msg, const struct opt *opt)
{
	static const uint16_t codes[] = {EDNS_ECS, EDNS_COOKIE, EDNS_PADDING};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		uint16_t n;
		const uint8_t *data = opt_find(msg, opt, codes[i], &n);

		CHECK(data == NULL || data + n <= msg + opt->at + opt->len);
	}
}

/* The message as it is now is whole, and has this subnet. */
static void check_added(const uint8_t *msg, size_t len, const uint8_t *addr, unsigned prefix)
{
	struct question q = {.name_len = 0};
	struct opt opt;
	struct ecs ecs;

	CHECK(msg_qdcount(msg) == 0 || msg_question(msg, len, &q) == 0);
	CHECK(msg_end(msg, len, &q) == len);
	CHECK(msg_opt(msg, len, &q, &opt) == 0 && opt.at != 0);
	CHECK(msg_ecs(msg, &opt, &ecs) == 0 && ecs.present && ecs.source_bits == prefix);
	CHECK(memcmp(ecs.addr, addr, prefix / 8) == 0);
}

/* control: bit 0 IPv6, bit 1 override, bits 2 to 7 room. */
static void check_round(const uint8_t *data, size_t len, const struct question *q, uint8_t control)
{
	static const uint8_t addr[16] = {0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0xff, 0xff,
					 1,    2, 3,   4,    5,    6,    7,    8};
	size_t addr_len = control & 1 ? 16 : 4, cap = len + (control >> 2),
	       end = msg_end(data, len, q), n;
	unsigned prefix = control & 1 ? control / 2 : control / 8;
	uint8_t *msg = malloc(cap);
	enum ecs_added added;
	uint16_t had_len;
	struct opt opt;

	memcpy(msg, data, len);
	n = msg_add_ecs(msg, len, cap, q, addr, addr_len, prefix, control & 2, &added);
	CHECK(n <= cap);
	if (n == 0) {
		CHECK(added == ECS_NONE && memcmp(msg, data, len) == 0);
	} else if (added != ECS_NONE) {
		check_added(msg, n, addr, prefix);
		CHECK(msg_remove_ecs(msg, n, added) == end && memcmp(msg, data, end) == 0);
	} else if (n > len || memcmp(msg, data, n) != 0) {
		CHECK(control & 2 && msg_opt(data, len, q, &opt) == 0);
		CHECK(opt_find(data, &opt, EDNS_ECS, &had_len) != NULL);
		check_added(msg, n, addr, prefix);
	} else {
		CHECK(n == end);
	}
	free(msg);
}

static void check_remove(const uint8_t *data, size_t len, enum ecs_added added)
{
	uint8_t *msg = malloc(len + 1);
	size_t n;

	memcpy(msg, data, len);
	n = msg_remove_ecs(msg, len, added);
	CHECK(n <= len && (n < len || memcmp(msg, data, len) == 0 || len >= DNS_HEADER_LEN));
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct question q = {.name_len = 0};
	uint8_t control;
	struct opt opt;

	if (len < DNS_HEADER_LEN + 1u)
		return 0;
	control = data[0];
	data++;
	len--;
	check_remove(data, len, ECS_ADDED_OPT);
	check_remove(data, len, ECS_ADDED_OPTION);
	if (msg_qdcount(data) != 0 && msg_question(data, len, &q) < 0)
		return 0;
	if (msg_opt(data, len, &q, &opt) == 0)
		check_options(data, &opt);
	check_round(data, len, &q, control);
	return 0;
}
