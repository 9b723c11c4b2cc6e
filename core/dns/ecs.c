/* The client subnet: put into a query and out of its answer, and read (RFC 7871). */
#include "core/dns/option.h"

#define ECS_FIXED 4 /* family, two prefix lengths */
#define ECS_MAX   (ECS_FIXED + 16)

/* RFC 7871 6; bits beyond the prefix are not sent, or are zero. Returns the length. */
static uint16_t ecs_write(uint8_t out[static ECS_MAX], const uint8_t *addr, size_t addr_len,
			  unsigned prefix)
{
	size_t n;

	if (prefix > addr_len * 8)
		prefix = (unsigned)addr_len * 8;
	n = (prefix + 7) / 8;
	put_u16(out, addr_len == 4 ? 1 : 2);
	out[2] = (uint8_t)prefix;
	out[3] = 0; /* scope: for the server to say */
	memcpy(out + ECS_FIXED, addr, n);
	if (prefix % 8 != 0)
		out[ECS_FIXED + n - 1] &= (uint8_t)(0xff << (8 - prefix % 8));
	return (uint16_t)(ECS_FIXED + n);
}

size_t msg_add_ecs(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		   const uint8_t *addr, size_t addr_len, unsigned prefix, bool override,
		   enum ecs_added *added)
{
	uint8_t data[ECS_MAX];
	struct option o = {EDNS_ECS, ecs_write(data, addr, addr_len, prefix), data};
	enum option_change change;
	size_t new_len =
		msg_put_option(msg, len, cap, q, &o, override ? OPTION_REPLACE : OPTION_KEEP,
			       PAYLOAD_WITHOUT_EDNS, &change);

	*added = change == OPTION_ADDED_OPT ? ECS_ADDED_OPT
		 : change == OPTION_ADDED   ? ECS_ADDED_OPTION
					    : ECS_NONE;
	return new_len;
}

size_t msg_remove_ecs(uint8_t *msg, size_t len, enum ecs_added added)
{
	static const enum option_change changes[] = {
		[ECS_NONE] = OPTION_UNCHANGED,
		[ECS_ADDED_OPTION] = OPTION_ADDED,
		[ECS_ADDED_OPT] = OPTION_ADDED_OPT,
	};

	return msg_undo_option(msg, len, EDNS_ECS, changes[added]);
}

int msg_ecs(const uint8_t *msg, const struct opt *opt, struct ecs *out)
{
	uint16_t len;
	const uint8_t *data = opt_find(msg, opt, EDNS_ECS, &len);
	unsigned width, spare;

	memset(out, 0, sizeof(*out));
	if (data == NULL)
		return 0;
	if (len < ECS_FIXED)
		return -EBADMSG;
	width = data[0] != 0 ? 0 : data[1] == 1 ? 32 : data[1] == 2 ? 128 : 0;
	if (data[2] > width || data[3] > width || len != ECS_FIXED + (data[2] + 7) / 8)
		return -EBADMSG;
	/* Bits beyond the prefix must be zero (RFC 7871 6). */
	spare = data[2] % 8;
	if (spare != 0 && (data[len - 1] & (0xff >> spare)) != 0)
		return -EBADMSG;
	out->present = true;
	out->family = data[1];
	out->source_bits = data[2];
	out->scope_bits = data[3];
	memcpy(out->addr, data + ECS_FIXED, len - ECS_FIXED);
	return 0;
}
