/* Whole messages: all readers agree on them, and what we make of them is a message again. */
#include <stdlib.h>

#include "core/dns/answer.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_answer(const uint8_t *data, size_t len, const struct question *q)
{
	uint16_t ttl_at[64];
	struct answer_info info;
	struct opt opt;
	int rc = msg_answer_info(data, len, &info, ttl_at, 64);

	if (rc == -E2BIG)
		return;
	/* They differ in one thing: the fast way of msg_opt does not walk. */
	CHECK(rc == msg_opt(data, len, q, &opt));
	if (rc < 0)
		return;
	CHECK(memcmp(&opt, &info.opt, sizeof(opt)) == 0);
	CHECK(memcmp(q, &info.question, sizeof(*q)) == 0);
	CHECK(msg_end(data, len, q) != 0);
	CHECK((info.n_ttls == 0) == (info.min_ttl_s == UINT32_MAX));
	for (unsigned i = 0; i < info.n_ttls; i++)
		CHECK(ttl_at[i] >= q->end && ttl_at[i] + 4u <= len);
}

/* A copy of exactly its size, so that the sanitizer sees a write beyond it. */
static uint8_t *copy(const uint8_t *data, size_t len)
{
	uint8_t *msg = malloc(len);

	memcpy(msg, data, len);
	return msg;
}

static void check_edits(const uint8_t *data, size_t len, const struct question *q)
{
	uint8_t *msg = copy(data, len);
	struct opt opt, again;
	struct question q2;
	size_t n;

	CHECK(msg_question_equal(msg, len, data, q) == (msg_qdcount(data) == 1));
	if (msg_opt(data, len, q, &opt) == 0) {
		n = msg_truncate(msg, len, q, &opt);
		CHECK(msg_question(msg, n, &q2) == 0 && msg_end(msg, n, &q2) == n);
		CHECK(msg_opt(msg, n, &q2, &again) == 0 && (again.at != 0) == (opt.at != 0));
		CHECK(again.payload == opt.payload && again.dnssec_ok == opt.dnssec_ok);
		memcpy(msg, data, len);
		n = msg_answer_empty(msg, len, len, q, data[1],
				     &(struct answer_form){.opt = &opt, .payload = 1232});
		CHECK(msg_question(msg, n, &q2) == 0 && msg_end(msg, n, &q2) == n);
		CHECK(msg_flags(msg) & DNS_QR);
	}
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct question q;
	struct answer_info info;

	if (len >= DNS_HEADER_LEN && msg_qdcount(data) > 0 && msg_question(data, len, &q) == 0) {
		CHECK(q.end <= len && q.end == DNS_HEADER_LEN + q.name_len + 4);
		check_answer(data, len, &q);
		check_edits(data, len, &q);
	} else {
		uint16_t ttl_at[4];

		msg_answer_info(data, len, &info, ttl_at, 4);
	}
	return 0;
}
