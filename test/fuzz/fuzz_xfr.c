/* Zone transfers: a query and the messages of its answer, each behind its length as on a stream. */
#include <stdlib.h>

#include "workers/xfr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The next message in a copy of exactly its size, so that the sanitizer sees a read beyond it; NULL
 * at the end. */
static uint8_t *next_message(struct wire_rd *r, size_t *len)
{
	const uint8_t *from;
	uint8_t *msg;

	*len = rd_u16(r);
	from = rd_skip(r, *len);
	if (from == NULL || *len == 0)
		return NULL;
	msg = malloc(*len);
	memcpy(msg, from, *len);
	return msg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_rd r = {.pos = data, .end = data + len};
	enum xfr_step step = XFR_MORE;
	struct question q;
	struct xfr x;
	size_t n;
	uint8_t *msg = next_message(&r, &n);

	if (msg == NULL)
		return 0;
	if (n >= DNS_HEADER_LEN && msg_qdcount(msg) > 0 && msg_question(msg, n, &q) == 0) {
		uint32_t messages = 0;
		uint8_t *answer;

		xfr_begin(&x, msg, n, &q);
		while (step == XFR_MORE && (answer = next_message(&r, &n)) != NULL) {
			step = xfr_message(&x, answer, n);
			free(answer);
			messages++;
			/* What was counted can't be more than what came. */
			if (x.seen > x.soas || x.messages > messages)
				abort();
		}
	}
	free(msg);
	return 0;
}
