/* The DNSName object: a domain name in wire format, letter case kept. */
#include <string.h>

#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "core/dns/name.h"
#include "core/hash.h"

struct name_box {
	uint16_t len; /* 0: the name of nothing, what makeRelative gives when there is no such name
		       */
	uint8_t wire[DNS_NAME_MAX];
};

void lua_push_name(lua_State *L, const uint8_t *name, size_t len)
{
	struct name_box *box = lua_object_new(L, &lua_name, sizeof(*box));

	box->len = (uint16_t)len;
	memcpy(box->wire, name, len);
}

size_t lua_arg_name(lua_State *L, int i, const char *what, uint8_t *out)
{
	const struct name_box *box = lua_object_test(L, i, &lua_name);
	struct err err;
	int len;

	if (box) {
		memcpy(out, box->wire, box->len);
		return box->len;
	}
	if (!lua_isstring(L, i))
		lua_fail(L, "%s must be a DNSName or a string, got %s", what, lua_value_text(L, i));
	len = name_parse(lua_tostring(L, i), out, &err);
	if (len < 0)
		lua_host_raise(L, &err);
	return (size_t)len;
}

static int new_name(lua_State *L)
{
	uint8_t wire[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 1, "name", wire);

	lua_push_name(L, wire, len);
	return 1;
}

static int new_name_from_raw(lua_State *L)
{
	struct wire_rd r;
	const char *raw;
	size_t len, got;

	lua_arg_string(L, 1, "name");
	raw = lua_tolstring(L, 1, &len);
	r = (struct wire_rd){.pos = (const uint8_t *)raw, .end = (const uint8_t *)raw + len};
	got = rd_name_len(&r);
	if (r.bad || got == 0)
		return lua_fail(L, "these %d octets are no name in wire format", (int)len);
	lua_push_name(L, (const uint8_t *)raw, got);
	return 1;
}

const struct lua_function name_functions[] = {
	{"newDNSName", new_name, ROW_READS, "name", "a DNSName of its text"},
	{"newDNSNameFromRaw", new_name_from_raw, ROW_READS, "octets",
	 "a DNSName of its wire format"},
	{NULL, NULL, 0, NULL, NULL},
};

static struct name_box *check(lua_State *L, int i)
{
	return lua_object_check(L, i, &lua_name);
}

static int to_string(lua_State *L)
{
	const struct name_box *n = check(L, 1);
	char text[DNS_NAME_TEXT_MAX];

	lua_pushstring(L, n->len ? name_text(n->wire, n->len, text) : "");
	return 1;
}

static int to_string_no_dot(lua_State *L)
{
	const struct name_box *n = check(L, 1);
	char text[DNS_NAME_TEXT_MAX] = "";
	size_t len;

	if (n->len)
		name_text(n->wire, n->len, text);
	len = strlen(text);
	lua_pushlstring(L, text, len ? len - 1 : 0);
	return 1;
}

static int to_wire(lua_State *L)
{
	const struct name_box *n = check(L, 1);

	lua_pushlstring(L, (const char *)n->wire, n->len);
	return 1;
}

static bool is_under(const struct name_box *n, const uint8_t *suffix, size_t suffix_len)
{
	uint8_t lower[DNS_NAME_MAX], lower_suffix[DNS_NAME_MAX];

	if (n->len == 0 || suffix_len == 0)
		return false;
	name_lower(lower, n->wire, n->len);
	name_lower(lower_suffix, suffix, suffix_len);
	return name_is_under(lower, n->len, lower_suffix, suffix_len);
}

static int is_part_of(lua_State *L)
{
	uint8_t other[DNS_NAME_MAX];
	const struct name_box *n = check(L, 1);
	size_t len = lua_arg_name(L, 2, "name", other);

	lua_pushboolean(L, is_under(n, other, len));
	return 1;
}

static int count_labels(lua_State *L)
{
	const struct name_box *n = check(L, 1);

	lua_pushinteger(L, n->len ? name_labels(n->wire) : 0);
	return 1;
}

static int wire_length(lua_State *L)
{
	lua_pushinteger(L, check(L, 1)->len);
	return 1;
}

static int chop_off(lua_State *L)
{
	struct name_box *n = check(L, 1);
	bool had = n->len > 1;

	if (had) {
		unsigned label = 1u + n->wire[0];

		n->len = (uint16_t)(n->len - label);
		memmove(n->wire, n->wire + label, n->len);
	}
	lua_pushboolean(L, had);
	return 1;
}

static int former_chop_off(lua_State *L)
{
	lua_host_former(L, "DNSName:chopoff()", "chopOff()");
	return chop_off(L);
}

static int make_relative(lua_State *L)
{
	uint8_t suffix[DNS_NAME_MAX];
	const struct name_box *n = check(L, 1);
	size_t len = lua_arg_name(L, 2, "suffix", suffix);
	uint8_t wire[DNS_NAME_MAX];
	size_t rest = 0;

	if (is_under(n, suffix, len)) {
		rest = n->len - len;
		memcpy(wire, n->wire, rest);
		wire[rest++] = 0;
	}
	lua_push_name(L, wire, rest);
	return 1;
}

/* first and then second, whose root label ends the whole. */
static int join(lua_State *L, struct name_box *n, const uint8_t *first, size_t first_len,
		const uint8_t *second, size_t second_len)
{
	uint8_t wire[2 * DNS_NAME_MAX];
	size_t len = first_len ? first_len - 1 : 0;

	if (len + second_len > DNS_NAME_MAX)
		return lua_fail(L, "the name would have %d octets, %d are possible",
				(int)(len + second_len), DNS_NAME_MAX);
	memcpy(wire, first, len);
	memcpy(wire + len, second, second_len);
	n->len = (uint16_t)(len + second_len);
	memcpy(n->wire, wire, n->len);
	return 0;
}

static int append(lua_State *L)
{
	struct name_box *n = check(L, 1);
	uint8_t other[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", other);

	return join(L, n, n->wire, n->len, other, len);
}

static int prepend(lua_State *L)
{
	struct name_box *n = check(L, 1);
	uint8_t other[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", other);

	return join(L, n, other, len, n->wire, n->len);
}

static int hash(lua_State *L)
{
	const struct name_box *n = check(L, 1);

	lua_pushinteger(L, hash_lookup2_lower(n->wire, n->len, 0));
	return 1;
}

static int equal(lua_State *L)
{
	const struct name_box *a = lua_object_test(L, 1, &lua_name);
	const struct name_box *b = lua_object_test(L, 2, &lua_name);

	lua_pushboolean(L, a && b && a->len == b->len && name_equal(a->wire, b->wire, a->len));
	return 1;
}

#define READS(name, call, params, help) METHOD(name, call, ROW_READS, params, help)

static const struct lua_method methods[] = {
	READS("toString", to_string, "", "its text with the final dot"),
	READS("tostring", to_string, "", "the same as toString"),
	READS("toStringNoDot", to_string_no_dot, "", "its text without the final dot"),
	READS("toDNSString", to_wire, "", "its wire format"),
	READS("isPartOf", is_part_of, "name", "whether it is that name or below it"),
	READS("countLabels", count_labels, "", "its labels, the root not counted"),
	READS("wirelength", wire_length, "", "its octets on the wire"),
	READS("chopOff", chop_off, "", "removes the first label; false when there is none"),
	READS("chopoff", former_chop_off, "", "former name of chopOff"),
	READS("makeRelative", make_relative, "suffix", "the name without that end"),
	READS("append", append, "name", "adds labels at the end"),
	READS("prepend", prepend, "name", "adds labels at the front"),
	READS("hash", hash, "", "a hash of it, without letter case"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__tostring", to_string},
	{"__eq", equal},
	{NULL, NULL},
};

const struct lua_object lua_name = {"DNSName", methods, meta};
