/* SVCRecordParameters: the data of one SVCB or HTTPS record, for SpoofSVCAction (RFC 9460). */
#include <stdlib.h>
#include <string.h>

#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "core/dns/svcb.h"
#include "core/mem.h"
#include "rules/svc.h"

#define RDATA_MAX 65535

enum { PRIORITY, TARGET, MANDATORY, ALPN, NO_DEFAULT_ALPN, PORT, IPV4_HINT, ECH, IPV6_HINT };

static const struct arg_spec specs[] = {
	[PRIORITY] = {"priority", ARG_INT, 0, 0, 65535, NULL},
	[TARGET] = {"target", ARG_NAME, 0, 0, 0, NULL},
	[MANDATORY] = {"mandatory", ARG_TEXTS, ARG_OPTION, 0, 0, NULL},
	[ALPN] = {"alpn", ARG_TEXTS, ARG_OPTION, 0, 0, NULL},
	[NO_DEFAULT_ALPN] = {"noDefaultAlpn", ARG_BOOL, ARG_OPTION, 0, 0, NULL},
	[PORT] = {"port", ARG_INT, ARG_OPTION, 0, 65535, NULL},
	[IPV4_HINT] = {"ipv4hint", ARG_ADDRESSES, ARG_OPTION, 0, 0, NULL},
	[ECH] = {"ech", ARG_TEXT, ARG_OPTION, 0, 0, NULL},
	[IPV6_HINT] = {"ipv6hint", ARG_ADDRESSES, ARG_OPTION, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct lua_option svc_options[] = {
	{"mandatory", OPTION_STRING_OR_TABLE, 0, 0, "",
	 "parameters that a client must understand: their names, or keyNNNN"},
	{"alpn", OPTION_STRING_OR_TABLE, 0, 0, "", "protocols"},
	{"noDefaultAlpn", OPTION_BOOL, 0, 0, "", "only the protocols in alpn"},
	{"port", OPTION_INT, 0, 65535, "", "in place of the usual one"},
	{"ipv4hint", OPTION_OTHER, 0, 0, "", "IPv4 addresses of the target, one or a list"},
	{"ech", OPTION_STRING, 0, 0, "", "configuration of Encrypted Client Hello, octets"},
	{"ipv6hint", OPTION_OTHER, 0, 0, "", "IPv6 addresses of the target, one or a list"},
	{"keyNNNN", OPTION_STRING, 0, 0, "", "octets of the parameter of this number"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* Memory until the function that runs returns: pushed. */
static void *room(lua_State *L, size_t n, size_t size)
{
	luaL_checkstack(L, 10, NULL);
	return lua_newuserdatauv(L, (n + 1) * size, 0);
}

/* "key4711" in the table of options: its number. False: it is an option with a name. */
static bool is_numbered(lua_State *L, uint16_t *key)
{
	const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

	if (strncmp(name, "key", 3) != 0)
		return false;
	if (svc_key_parse(name, key) < 0)
		lua_fail(L, "unknown option '%.60s': write key and a number up to 65534", name);
	if (!lua_isstring(L, -1))
		lua_fail(L, "option '%s' must be a string, got %s", name, lua_value_text(L, -1));
	return true;
}

/*
 * Divides the options at index 3: those with a number go to p, the others stay in their place. An
 * empty list is as good as none. Pushes what p lends.
 */
static void divide(lua_State *L, struct svc_params *p)
{
	struct svc_param *others;
	size_t n = 0, len;
	uint16_t key;
	int named, kept;

	for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1))
		n++;
	p->others = others = room(L, n, sizeof(*others));
	lua_newtable(L);
	kept = lua_gettop(L);
	lua_newtable(L);
	named = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		if (is_numbered(L, &key)) {
			const char *octets = lua_tolstring(L, -1, &len);

			others[p->n_others++] =
				(struct svc_param){key, {(const uint8_t *)octets, len}};
			lua_rawset(L, kept);
		} else if (lua_istable(L, -1) && lua_rawlen(L, -1) == 0) {
			lua_pop(L, 2);
		} else {
			lua_rawset(L, named);
		}
	}
	lua_replace(L, 3);
}

static void read_mandatory(lua_State *L, struct svc_params *p, const struct arg *a)
{
	uint16_t *keys = room(L, a->n, sizeof(*keys));

	for (size_t i = 0; i < a->n; i++)
		if (svc_key_parse(a->list[i].text, &keys[i]) < 0)
			lua_fail(L, "option 'mandatory': '%.60s' is no parameter", a->list[i].text);
	p->mandatory = keys;
	p->n_mandatory = a->n;
}

static void read_alpn(lua_State *L, struct svc_params *p, const struct arg *a)
{
	struct svc_value *alpn = room(L, a->n, sizeof(*alpn));

	for (size_t i = 0; i < a->n; i++)
		alpn[i] = (struct svc_value){(const uint8_t *)a->list[i].text, a->list[i].len};
	p->alpn = alpn;
	p->n_alpn = a->n;
}

/* The octets of all addresses, which must be of this family, end to end. */
static void *read_hints(lua_State *L, const struct arg *a, const char *option, sa_family_t family)
{
	size_t len = family == AF_INET ? 4 : 16;
	uint8_t *octets = room(L, a->n, len);

	for (size_t i = 0; i < a->n; i++) {
		const struct addr *at = &a->list[i].addr;
		char text[ADDR_TEXT_MAX];

		if (at->sa.sa_family != family)
			lua_fail(L, "option '%s': %s is no IPv%c address", option,
				 addr_text(at, text), family == AF_INET ? '4' : '6');
		memcpy(octets + i * len,
		       family == AF_INET ? (const void *)&at->v4.sin_addr
					 : (const void *)&at->v6.sin6_addr,
		       len);
	}
	return octets;
}

static void read_params(lua_State *L, struct svc_params *p, const struct arg *argv)
{
	p->priority = (uint16_t)argv[PRIORITY].integer;
	p->target = argv[TARGET].name;
	p->target_len = argv[TARGET].name_len;
	p->no_default_alpn = argv[NO_DEFAULT_ALPN].boolean;
	p->has_port = argv[PORT].given;
	p->port = (uint16_t)argv[PORT].integer;
	if (argv[MANDATORY].given)
		read_mandatory(L, p, &argv[MANDATORY]);
	if (argv[ALPN].given)
		read_alpn(L, p, &argv[ALPN]);
	if (argv[ECH].given)
		p->ech = (struct svc_value){(const uint8_t *)argv[ECH].text, argv[ECH].len};
	if (argv[IPV4_HINT].given) {
		p->ipv4_hints = read_hints(L, &argv[IPV4_HINT], "ipv4hint", AF_INET);
		p->n_ipv4_hints = argv[IPV4_HINT].n;
	}
	if (argv[IPV6_HINT].given) {
		p->ipv6_hints = read_hints(L, &argv[IPV6_HINT], "ipv6hint", AF_INET6);
		p->n_ipv6_hints = argv[IPV6_HINT].n;
	}
}

/* The object is its record's data, behind the struct: there is nothing to free. */
static int push(lua_State *L, const struct svc_params *p)
{
	uint8_t *rdata = room(L, RDATA_MAX, 1);
	struct err err;
	int len = svc_rdata(p, rdata, RDATA_MAX, &err);
	struct svc *svc;

	if (len < 0)
		return lua_host_raise(L, &err);
	svc = lua_object_new(L, &lua_svc, sizeof(*svc) + (size_t)len);
	svc->rdata = memcpy(svc + 1, rdata, (size_t)len);
	svc->len = (size_t)len;
	return 1;
}

static int new_svc(lua_State *L)
{
	struct svc_params params = {0};
	struct arg argv[ARGS_MAX];
	int last = lua_gettop(L), first;

	if (last > 3)
		return lua_fail(L, "takes 3 arguments, got %s behind them", lua_value_text(L, 4));
	if (lua_istable(L, 3))
		divide(L, &params);
	first = lua_gettop(L) + 1;
	for (int i = 1; i <= last; i++)
		lua_pushvalue(L, i);
	lua_args_read(L, first, lua_gettop(L), specs, svc_options, false, argv);
	read_params(L, &params, argv);
	return push(L, &params);
}

const struct lua_function svc_functions[] = {
	{"newSVCRecordParameters", new_svc, ROW_READS, "priority, target [, options]",
	 "the data of an SVCB or HTTPS record for SpoofSVCAction(); priority 0 makes an alias"},
	{NULL, NULL, 0, NULL, NULL},
};

const struct svc *lua_test_svc(lua_State *L, int i)
{
	return lua_object_test(L, i, &lua_svc);
}

static const struct lua_method methods[] = {
	METHODS_END,
};

const struct lua_object lua_svc = {"SVCRecordParameters", methods, NULL};
