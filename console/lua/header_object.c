/* The DNSHeader object: the flags word of a query that the configuration may change. */
#include "console/lua/rows.h"
#include "core/dns/wire.h"

struct header_box {
	uint16_t flags; /* host order */
};

uint16_t *lua_push_header(lua_State *L, uint16_t flags)
{
	struct header_box *box = lua_object_new(L, &lua_header, sizeof(*box));

	box->flags = flags;
	return &box->flags;
}

static int get_flag(lua_State *L, uint16_t flag)
{
	const struct header_box *box = lua_object_check(L, 1, &lua_header);

	lua_pushboolean(L, (box->flags & flag) != 0);
	return 1;
}

static int set_flag(lua_State *L, uint16_t flag)
{
	struct header_box *box = lua_object_check(L, 1, &lua_header);

	if (lua_arg_bool(L, 2, "value"))
		box->flags |= flag;
	else
		box->flags &= (uint16_t)~flag;
	return 0;
}

#define FLAG(name)                              \
	static int get_##name(lua_State *L)     \
	{                                       \
		return get_flag(L, DNS_##name); \
	}                                       \
	static int set_##name(lua_State *L)     \
	{                                       \
		return set_flag(L, DNS_##name); \
	}
FLAG(AA)
FLAG(AD)
FLAG(CD)
FLAG(RA)
FLAG(RD)
#undef FLAG

static int get_TC(lua_State *L)
{
	return get_flag(L, DNS_TC);
}

/* RA follows RD, so that a bare truncated answer looks like one of a resolver. */
static int set_TC(lua_State *L)
{
	struct header_box *box = lua_object_check(L, 1, &lua_header);

	set_flag(L, DNS_TC);
	if (box->flags & DNS_TC) {
		box->flags &= (uint16_t)~DNS_RA;
		if (box->flags & DNS_RD)
			box->flags |= DNS_RA;
	}
	return 0;
}

static int set_QR(lua_State *L)
{
	return set_flag(L, DNS_QR);
}

#define GET(name) METHOD("get" #name, get_##name, ROW_READS, "", "whether " #name " is set")
#define SET(name) METHOD("set" #name, set_##name, 0, "true|false", "sets or clears " #name)

static const struct lua_method methods[] = {
	GET(AA), GET(AD), GET(CD), GET(RA), GET(RD), GET(TC), SET(AA),
	SET(AD), SET(CD), SET(QR), SET(RA), SET(RD), SET(TC), METHODS_END,
};

const struct lua_object lua_header = {"DNSHeader", methods, NULL};
