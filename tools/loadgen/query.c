/* Which name is asked, by which client, when; and what became of it. */
#include "core/dns/message.h"
#include "tools/cli.h"
#include "tools/loadgen/load.h"

#define DIGITS    7
#define DIGITS_AT (DNS_HEADER_LEN + 2) /* after the label's length and its first letter */

static struct {
	uint8_t query[QUERY_MAX];
	size_t len;
	uint64_t next_name;
	uint32_t random, next_client;
} state;

/* Enough randomness to spread names; no system call, no cost that would show beside the server. */
static uint32_t next_random(void)
{
	state.random ^= state.random << 13;
	state.random ^= state.random >> 17;
	state.random ^= state.random << 5;
	return state.random;
}

void query_init(const char *zone, uint32_t seed, uint64_t first)
{
	uint8_t *at = state.query + DNS_HEADER_LEN, name[DNS_NAME_MAX];
	struct err err = {""};
	int len = name_parse(zone, name, &err);

	if (len < 0 || len + DIGITS + 2 > DNS_NAME_MAX)
		die("--zone", len < 0 ? err.text : "too long");
	msg_set_flags(state.query, DNS_RD);
	put_u16(state.query + 4, 1); /* one question */
	*at++ = DIGITS + 1;
	*at = (uint8_t)how.prefix;
	at += DIGITS + 1;
	memcpy(at, name, (size_t)len);
	at += len;
	put_u16(at, TYPE_A);
	put_u16(at + 2, CLASS_IN);
	state.len = (size_t)(at + 4 - state.query);
	state.random = seed;
	state.next_name = first;
	state.next_client = (uint32_t)first;
}

size_t query_fill(uint8_t msg[static QUERY_MAX], uint16_t id)
{
	uint64_t n = how.unique ? state.next_name++ : next_random() % how.names;

	memcpy(msg, state.query, state.len);
	for (int i = DIGITS - 1; i >= 0; i--, n /= 10)
		msg[DIGITS_AT + i] = (uint8_t)('0' + n % 10);
	msg_set_id(msg, id);
	return state.len;
}

uint32_t query_client(void)
{
	return (how.in_turn ? state.next_client++ : next_random()) % how.clients;
}

unsigned query_left(void)
{
	uint64_t left = how.count - run.sent;

	return left < UINT32_MAX ? (unsigned)left : UINT32_MAX;
}

unsigned query_allowed(uint64_t now_us, uint64_t start_us)
{
	double due = how.qps * (double)(now_us - start_us) / 1e6 - (double)run.sent;
	unsigned left = query_left();

	if (how.qps <= 0)
		return left;
	return due <= 0 ? 0 : due < left ? (unsigned)due : left;
}

void query_answered(const uint8_t *msg, uint64_t sent_us, uint64_t now_us)
{
	uint64_t us = now_us - sent_us;

	run.answered++;
	run.last_us = now_us;
	run.rcode[msg_flags(msg) & DNS_RCODE_MASK]++;
	run.sum_us += us;
	run.latency[us < LATENCY_MAX ? us : LATENCY_MAX]++;
}
