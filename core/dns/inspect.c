/* See inspect.h. */
#include "core/dns/inspect.h"

unsigned msg_count(const uint8_t *msg, unsigned section)
{
	return section < INSPECT_END ? get_u16(msg + 4 + 2 * section) : 0;
}

static int count_questions(const uint8_t *msg, size_t len, uint16_t type)
{
	struct wire_rd r = {.pos = msg + DNS_HEADER_LEN, .end = msg + len};
	int found = 0;

	for (unsigned n = msg_qdcount(msg); n > 0 && !r.bad; n--) {
		rd_name_skip(&r, msg);
		found += rd_u16(&r) == type;
		rd_skip(&r, 2); /* class */
	}
	return r.bad ? -EBADMSG : found;
}

int msg_count_type(const uint8_t *msg, size_t len, const struct question *q, unsigned section,
		   uint16_t type)
{
	struct record_walk w;
	struct record rec;
	int found = 0;

	if (len < DNS_HEADER_LEN)
		return -EBADMSG;
	if (section == INSPECT_QUESTION)
		return count_questions(msg, len, type);
	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec) && rec.section < section)
		found += rec.section + 1u == section && rec.type == type;
	return w.r.bad ? -EBADMSG : found;
}

bool msg_has_trailing(const uint8_t *msg, size_t len, const struct question *q)
{
	size_t end = len < DNS_HEADER_LEN ? 0 : msg_end(msg, len, q);

	return end != 0 && end < len;
}
