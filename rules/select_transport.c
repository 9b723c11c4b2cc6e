/* Selectors on how the client speaks. */
#include "rules/choice.h"
#include "rules/registry.h"

struct stream {
	bool is_stream;
};

static int stream_init(void *state, const struct arg *argv, struct err *err)
{
	struct stream *s = state;

	s->is_stream = argv[0].boolean;
	return 0;
}

static bool stream_match(const void *state, struct rule_run *run)
{
	const struct stream *s = state;

	return (run->q->client_proto != PROTO_UDP) == s->is_stream;
}

static void stream_text(const void *state, FILE *out)
{
	const struct stream *s = state;

	fputs(s->is_stream ? "TCP" : "UDP", out);
}

static bool stream_keys(const void *state, bool negated, struct key_list *out)
{
	const struct stream *s = state;

	return keys_add_value(out, VALUE_STREAM, s->is_stream != negated, false);
}

static const char *const protocols[] = {
	"DoUDP", "DoTCP", "DNSCryptUDP", "DNSCryptTCP", "DoT", "DoH", "DoQ", "DoH3",
};

/* By position in protocols; those that no listener speaks are PROTO_COUNT, and match nothing. */
static const uint8_t protos[] = {
	PROTO_UDP, PROTO_TCP, PROTO_COUNT, PROTO_COUNT,
	PROTO_DOT, PROTO_DOH, PROTO_COUNT, PROTO_COUNT,
};
static_assert(ARRAY_LEN(protos) == ARRAY_LEN(protocols), "a protocol without its number");

struct incoming {
	uint8_t protocol; /* position in protocols */
};

static int incoming_init(void *state, const struct arg *argv, struct err *err)
{
	struct incoming *s = state;
	int at = choice_of("protocol", argv[0].text, protocols, ARRAY_LEN(protocols), err);

	if (at < 0)
		return at;
	s->protocol = (uint8_t)at;
	return 0;
}

static bool incoming_match(const void *state, struct rule_run *run)
{
	const struct incoming *s = state;

	return run->q->client_proto == protos[s->protocol];
}

static void incoming_text(const void *state, FILE *out)
{
	const struct incoming *s = state;

	fprintf(out, "incoming protocol is %s", protocols[s->protocol]);
}

static bool incoming_keys(const void *state, bool negated, struct key_list *out)
{
	const struct incoming *s = state;

	return keys_add_value(out, VALUE_PROTO, protos[s->protocol], negated);
}

static const struct arg_spec stream_args[] = {
	{"tcp", ARG_BOOL, 0, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec incoming_args[] = {
	{"protocol", ARG_TEXT, 0, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type transport_selectors[] = {
	{.name = "TCPRule",
	 .args = stream_args,
	 .help = "the query came over TCP or what runs on streams; with false, over UDP",
	 .state_size = sizeof(struct stream),
	 .init = stream_init,
	 .match = stream_match,
	 .text = stream_text,
	 .keys = stream_keys},
	{.name = "IncomingProtocolRule",
	 .args = incoming_args,
	 .help = "the query came over DoUDP, DoTCP, DNSCryptUDP, DNSCryptTCP, DoT, DoH, DoQ or DoH3",
	 .state_size = sizeof(struct incoming),
	 .init = incoming_init,
	 .match = incoming_match,
	 .text = incoming_text,
	 .keys = incoming_keys},
	{.name = NULL},
};
