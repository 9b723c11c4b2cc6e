/*
 * require("ffi") of LuaJIT, as far as configurations use it: places that functions of the program
 * fill in. ffi.C has these functions, a row each in the files console/lua/ffi_*.c.
 */
#include <stdio.h>
#include <string.h>

#include "console/lua/ffi.h"
#include "console/lua/state.h"

#define CDATA      "cdata"
#define PLACES_MAX 65536 /* elements of one array: what a message could fill */

enum kind {
	OCTETS,   /* char, uint8_t: a buffer */
	NUMBERS,  /* size_t and its like */
	POINTERS, /* char *, dnsdist_ffi_… *: nil is NULL */
	STRUCTS,  /* dnsdist_ffi_raw_value_t: fields by name */
	OPAQUE,   /* dnsdist_ffi_stat_node_t: only the program makes them */
};

static const struct {
	const char *name;
	enum kind kind;
} types[] = {
	{"char", OCTETS},
	{"unsigned char", OCTETS},
	{"uint8_t", OCTETS},
	{"int", NUMBERS},
	{"size_t", NUMBERS},
	{"uint16_t", NUMBERS},
	{"uint32_t", NUMBERS},
	{"uint64_t", NUMBERS},
	{"dnsdist_ffi_stat_node_t", OPAQUE},
	{"dnsdist_ffi_raw_value_t", STRUCTS},
	{"dnsdist_ffi_ednsoption_t", STRUCTS},
	{"dnsdist_ffi_http_header_t", STRUCTS},
	{"dnsdist_ffi_proxy_protocol_value_t", STRUCTS},
	{"dnsdist_ffi_svc_record_parameters", STRUCTS},
};

struct cdata {
	enum kind kind;
	lua_Integer n;    /* elements; those that are no octets lie in the user value, from 0 on */
	uint8_t octets[]; /* [n] */
};

/* A type without "const" and spaces around it: "const char *[1]" is "char", one star, "[1]". */
struct ctype {
	enum kind kind;
	unsigned stars;
	lua_Integer n; /* of the brackets; -1: [?], 0: none */
};

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " ");
}

static bool parse_brackets(const char *s, lua_Integer *n)
{
	unsigned long size = 0;
	int end = 0;

	*n = 0;
	if (*s == '\0')
		return true;
	*n = -1;
	if (strcmp(s, "[?]") == 0)
		return true;
	if (sscanf(s, "[%lu]%n", &size, &end) != 1 || s[end] != '\0' || size > PLACES_MAX)
		return false;
	*n = (lua_Integer)size;
	return true;
}

static bool parse_type(const char *text, struct ctype *t)
{
	const char *s = skip_blanks(text);
	size_t len;

	if (strncmp(s, "const ", 6) == 0)
		s = skip_blanks(s + 6);
	len = strcspn(s, "*[");
	t->stars = 0;
	for (const char *star = s + len; *star == '*' || *star == ' '; star++)
		t->stars += *star == '*';
	if (!parse_brackets(s + len + strspn(s + len, "* "), &t->n))
		return false;
	while (len > 0 && s[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strlen(types[i].name) == len && strncmp(types[i].name, s, len) == 0) {
			t->kind = t->stars ? POINTERS : types[i].kind;
			return true;
		}
	}
	return false;
}

static struct ctype check_type(lua_State *L)
{
	const char *text = luaL_checkstring(L, 1);
	struct ctype t;

	if (!parse_type(text, &t))
		luaL_error(L, "'%s' is no type of values that functions of ffi.C take", text);
	return t;
}

/* Pushes what a new element holds. */
static void push_empty(lua_State *L, enum kind kind)
{
	if (kind == NUMBERS)
		lua_pushinteger(L, 0);
	else if (kind == STRUCTS)
		lua_newtable(L);
	else
		lua_pushnil(L);
}

/* ffi.new(type [, n]) */
static int ffi_new(lua_State *L)
{
	struct ctype t = check_type(L);
	lua_Integer n = t.n == 0 ? 1 : t.n > 0 ? t.n : luaL_checkinteger(L, 2);
	struct cdata *c;

	if (t.kind == OPAQUE)
		return luaL_error(L, "only the program makes a '%s'", lua_tostring(L, 1));
	luaL_argcheck(L, n >= 0 && n <= PLACES_MAX, 2, "from 0 to 65536 elements");
	c = lua_newuserdatauv(L, sizeof(*c) + (t.kind == OCTETS ? (size_t)n : 0), 1);
	c->kind = t.kind;
	c->n = n;
	if (t.kind == OCTETS) {
		memset(c->octets, 0, (size_t)n);
	} else {
		lua_newtable(L);
		for (lua_Integer i = 0; i < n; i++) {
			push_empty(L, t.kind);
			lua_rawseti(L, -2, i);
		}
		lua_setiuservalue(L, -2, 1);
	}
	luaL_setmetatable(L, CDATA);
	return 1;
}

static lua_Integer check_place(lua_State *L, const struct cdata *c)
{
	lua_Integer i = luaL_checkinteger(L, 2);

	if (i < 0 || i >= c->n)
		luaL_error(L, "element %I of an array of %I", i, c->n);
	return i;
}

static int get(lua_State *L)
{
	const struct cdata *c = luaL_checkudata(L, 1, CDATA);
	lua_Integer i;

	/* of one struct, its fields */
	if (c->kind == STRUCTS && lua_type(L, 2) == LUA_TSTRING) {
		lua_getiuservalue(L, 1, 1);
		lua_rawgeti(L, -1, 0);
		lua_pushvalue(L, 2);
		lua_rawget(L, -2);
		return 1;
	}
	i = check_place(L, c);
	if (c->kind == OCTETS) {
		lua_pushinteger(L, c->octets[i]);
		return 1;
	}
	lua_getiuservalue(L, 1, 1);
	lua_rawgeti(L, -1, i);
	return 1;
}

static int set(lua_State *L)
{
	struct cdata *c = luaL_checkudata(L, 1, CDATA);
	lua_Integer i;

	if (c->kind == STRUCTS)
		return luaL_error(L, "a struct is set field by field");
	i = check_place(L, c);
	if (c->kind == OCTETS) {
		c->octets[i] = (uint8_t)luaL_checkinteger(L, 3);
		return 0;
	}
	if (c->kind == NUMBERS)
		luaL_checkinteger(L, 3);
	lua_getiuservalue(L, 1, 1);
	lua_pushvalue(L, 3);
	lua_rawseti(L, -2, i);
	return 0;
}

/* Octets of a string or a buffer, lent by the argument. */
static const char *check_octets(lua_State *L, int arg, size_t *len)
{
	struct cdata *c = luaL_testudata(L, arg, CDATA);

	if (c != NULL && c->kind == OCTETS) {
		*len = (size_t)c->n;
		return (const char *)c->octets;
	}
	return luaL_checklstring(L, arg, len);
}

/* ffi.string(value [, len]): without a length, a buffer's text ends at its first zero. */
static int ffi_string(lua_State *L)
{
	size_t have, len;
	const char *octets = check_octets(L, 1, &have);

	len = lua_isnoneornil(L, 2) ? have : (size_t)luaL_checkinteger(L, 2);
	luaL_argcheck(L, len <= have, 2, "more octets than there are");
	if (lua_isnoneornil(L, 2) && lua_isuserdata(L, 1))
		len = strnlen(octets, have);
	lua_pushlstring(L, octets, len);
	return 1;
}

/* ffi.copy(buffer, value [, len]): without a length, a string is copied with a zero behind it. */
static int ffi_copy(lua_State *L)
{
	struct cdata *to = luaL_checkudata(L, 1, CDATA);
	bool whole = lua_isnoneornil(L, 3) && lua_isstring(L, 2);
	size_t have, len;
	const char *from = check_octets(L, 2, &have);

	luaL_argcheck(L, to->kind == OCTETS, 1, "a buffer of char is needed");
	len = lua_isnoneornil(L, 3) ? have : (size_t)luaL_checkinteger(L, 3);
	luaL_argcheck(L, len <= have, 3, "more octets than there are");
	luaL_argcheck(L, len + whole <= (size_t)to->n, 1, "the buffer is too small");
	memmove(to->octets, from, len);
	if (whole)
		to->octets[len] = 0;
	return 0;
}

/* ffi.cast(type, value): a place stays what it is, whatever its address is called. */
static int ffi_cast(lua_State *L)
{
	check_type(L);
	luaL_checkany(L, 2);
	lua_settop(L, 2);
	return 1;
}

static void check_place_for(lua_State *L, int i, const char *what, enum kind kind, const char *type)
{
	const struct cdata *c = luaL_testudata(L, i, CDATA);

	if (c == NULL || c->kind != kind || c->n < 1)
		lua_fail(L, "%s must be a place, as ffi.new('%s') makes it, got %s", what, type,
			 c ? "another one" : lua_value_text(L, i));
}

/* The value on top of the stack, which is popped. */
static void put_first(lua_State *L, int i)
{
	lua_getiuservalue(L, i, 1);
	lua_insert(L, -2);
	lua_rawseti(L, -2, 0);
	lua_pop(L, 1);
}

void lua_ffi_put_octets(lua_State *L, int i, const char *pointer, const char *size,
			const void *octets, size_t len)
{
	check_place_for(L, i, pointer, POINTERS, "const char *[1]");
	check_place_for(L, i + 1, size, NUMBERS, "size_t[1]");
	lua_pushlstring(L, octets, len);
	put_first(L, i);
	lua_pushinteger(L, (lua_Integer)len);
	put_first(L, i + 1);
}

const char *lua_ffi_octets(lua_State *L, int i, const char *what, size_t len)
{
	const struct cdata *c = luaL_testudata(L, i, CDATA);
	const char *octets = NULL;
	size_t have = 0;

	if (c != NULL && c->kind == OCTETS) {
		octets = (const char *)c->octets;
		have = (size_t)c->n;
	} else if (lua_type(L, i) == LUA_TSTRING) {
		octets = lua_tolstring(L, i, &have);
	} else {
		lua_fail(L, "%s must be a string or a buffer of char, got %s", what,
			 lua_value_text(L, i));
	}
	if (len > have)
		lua_fail(L, "%s has %zu octets, and not %zu", what, have, len);
	return octets;
}

static const luaL_Reg functions[] = {
	{"new", ffi_new},   {"string", ffi_string}, {"copy", ffi_copy},
	{"cast", ffi_cast}, {NULL, NULL},
};

static int open_ffi(lua_State *L)
{
	luaL_newmetatable(L, CDATA);
	lua_pushcfunction(L, get);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, set);
	lua_setfield(L, -2, "__newindex");
	luaL_newlib(L, functions);
	lua_push_library(L, &lua_ffi_library);
	lua_setfield(L, -2, "C");
	return 1;
}

/* Not a global: LuaJIT's has to be required, too. */
void lua_ffi_register(lua_State *L)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	lua_pushcfunction(L, open_ffi);
	lua_setfield(L, -2, "ffi");
	lua_pop(L, 1);
}
