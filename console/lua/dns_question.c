/*
 * The DNSQuestion object of a query that is over or on its way elsewhere: what it was when it came,
 * to be read and not to be changed.
 */
#include "console/lua/dns_question.h"

#include <string.h>

#include "core/clock.h"
#include "core/dns/wire.h"

struct question_box {
	struct asked asked; /* but for packet */
	uint8_t packet[];   /* [asked.len] */
};

void lua_push_question(lua_State *L, const struct asked *a)
{
	struct question_box *box = lua_object_new(L, &lua_question, sizeof(*box) + a->len);

	box->asked = *a;
	box->asked.packet = NULL;
	memcpy(box->packet, a->packet, a->len);
}

static const struct question_box *check(lua_State *L)
{
	return lua_object_check(L, 1, &lua_question);
}

static uint16_t flags_of(const struct question_box *box)
{
	return msg_flags(box->packet);
}

static int get_localaddr(lua_State *L)
{
	lua_push_address(L, &check(L)->asked.local);
	return 1;
}

static int get_remoteaddr(lua_State *L)
{
	lua_push_address(L, &check(L)->asked.client);
	return 1;
}

static int get_qname(lua_State *L)
{
	const struct question_box *box = check(L);

	lua_push_name(L, box->packet + DNS_HEADER_LEN, box->asked.question.name_len);
	return 1;
}

static int push_integer(lua_State *L, lua_Integer value)
{
	lua_pushinteger(L, value);
	return 1;
}

static int get_qtype(lua_State *L)
{
	return push_integer(L, check(L)->asked.question.qtype);
}

static int get_qclass(lua_State *L)
{
	return push_integer(L, check(L)->asked.question.qclass);
}

static int get_rcode(lua_State *L)
{
	return push_integer(L, flags_of(check(L)) & DNS_RCODE_MASK);
}

static int get_opcode(lua_State *L)
{
	return push_integer(L, (flags_of(check(L)) & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT);
}

static int get_len(lua_State *L)
{
	return push_integer(L, check(L)->asked.size);
}

static int get_tcp(lua_State *L)
{
	lua_pushboolean(L, check(L)->asked.proto != PROTO_UDP);
	return 1;
}

static int get_header(lua_State *L)
{
	lua_push_header(L, flags_of(check(L)));
	return 1;
}

static int get_do(lua_State *L)
{
	const struct question_box *box = check(L);
	struct opt opt = {0};

	lua_pushboolean(L, msg_opt(box->packet, box->asked.len, &box->asked.question, &opt) == 0 &&
				   opt.at != 0 && opt.dnssec_ok);
	return 1;
}

static int get_content(lua_State *L)
{
	const struct question_box *box = check(L);

	lua_pushlstring(L, (const char *)box->packet, box->asked.len);
	return 1;
}

static int get_trailing(lua_State *L)
{
	const struct question_box *box = check(L);
	size_t end = msg_end(box->packet, box->asked.len, &box->asked.question);

	if (end == 0)
		end = box->asked.len; /* malformed: nobody knows where it ends */
	lua_pushlstring(L, (const char *)box->packet + end, box->asked.len - end);
	return 1;
}

static int get_protocol(lua_State *L)
{
	static const char *const names[PROTO_COUNT] = {
		[PROTO_UDP] = "Do53 UDP",
		[PROTO_TCP] = "Do53 TCP",
		[PROTO_DOT] = "DNS over TLS",
		[PROTO_DOH] = "DNS over HTTPS",
	};

	lua_pushstring(L, names[check(L)->asked.proto]);
	return 1;
}

static int get_query_time(lua_State *L)
{
	int64_t us = (int64_t)check(L)->asked.when_us + clock_real_us() - (int64_t)clock_mono_us();

	lua_createtable(L, 0, 2);
	lua_pushinteger(L, us / 1000000);
	lua_setfield(L, -2, "tv_sec");
	lua_pushinteger(L, us % 1000000 * 1000);
	lua_setfield(L, -2, "tv_nsec");
	return 1;
}

static int get_elapsed(lua_State *L)
{
	return push_integer(L, (lua_Integer)(clock_mono_us() - check(L)->asked.when_us));
}

static const struct lua_method methods[] = {
	ATTRIBUTE("localaddr", get_localaddr, NULL, "the ComboAddress that was asked"),
	ATTRIBUTE("remoteaddr", get_remoteaddr, NULL, "the client's ComboAddress"),
	ATTRIBUTE("qname", get_qname, NULL, "the DNSName, letter case kept"),
	ATTRIBUTE("qtype", get_qtype, NULL, "its type, a number"),
	ATTRIBUTE("qclass", get_qclass, NULL, "its class, a number"),
	ATTRIBUTE("rcode", get_rcode, NULL, "the response code in its header"),
	ATTRIBUTE("opcode", get_opcode, NULL, "the opcode in its header"),
	ATTRIBUTE("dh", get_header, NULL, "former form of getHeader()"),
	ATTRIBUTE("len", get_len, NULL, "octets of the message"),
	ATTRIBUTE("size", get_len, NULL, "former form of len"),
	ATTRIBUTE("tcp", get_tcp, NULL, "whether it came other than over UDP"),
	METHOD("getHeader", get_header, ROW_READS | ROW_EXACT, "", "a DNSHeader with its flags"),
	METHOD("getDO", get_do, ROW_READS | ROW_EXACT, "", "whether its OPT record has the DO bit"),
	METHOD("getContent", get_content, ROW_READS | ROW_EXACT, "", "the octets of the message"),
	METHOD("getTrailingData", get_trailing, ROW_READS | ROW_EXACT, "",
	       "octets that came behind the message"),
	METHOD("getProtocol", get_protocol, ROW_READS | ROW_EXACT, "",
	       "Do53 UDP, Do53 TCP, DNS over TLS or DNS over HTTPS"),
	METHOD("getQueryTime", get_query_time, ROW_READS | ROW_EXACT, "",
	       "when it came, {tv_sec, tv_nsec} since 1970"),
	METHOD("getElapsedUs", get_elapsed, ROW_READS | ROW_EXACT, "", "us since then"),
	METHODS_END,
};

const struct lua_object lua_question = {"DNSQuestion", methods, NULL};
