/*
 * Chunks written for Lua 5.1 or LuaJIT. Before Lua reads one, it is scanned once, strings and
 * comments left out, for two things:
 *
 * - An octet from 0x80 up. LuaJIT took it as a letter of a name, so that a typographic quote made
 * an undefined variable; 5.4 only says "unexpected symbol". We say which character, and where.
 * - Floats. Where a chunk divides, raises to a power or writes a number with a fraction, a float
 * with an integer's value may meet the operator .., which would print it as 53.0, and no metamethod
 * is asked. There each a..b is read as a..J..b, where J is an object whose metamethod keeps b and
 *   joins both our way; .. is right-associative, so the pairs always meet. Chunks without floats
 * are read as they are, and keep Lua's own messages about ...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/state.h"
#include "core/mem.h"

#define JOINER "(\"\").__join" /* found whatever the environment of a function is */

struct scan {
	const char *at, *end;
	bool floats;
	const char *strange; /* first octet that can't be in a program */
	char *out;           /* the text with joiners; room for it is made beforehand */
	size_t out_len;
	unsigned n_joins;
};

static bool next_is(const struct scan *s, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static void copy(struct scan *s, const char *from, size_t len)
{
	if (s->out)
		memcpy(s->out + s->out_len, from, len);
	s->out_len += len;
}

static void copy_to(struct scan *s, const char *to)
{
	copy(s, s->at, (size_t)(to - s->at));
	s->at = to;
}

/* At "[[", "[==[" and so on: its end, or NULL when it is none. */
static const char *long_bracket(const struct scan *s)
{
	const char *p = s->at + 1;
	size_t level = 0;

	for (; p < s->end && *p == '='; p++)
		level++;
	if (p == s->end || *p != '[')
		return NULL;
	for (p++; p < s->end; p++) {
		size_t n = 0;

		if (*p != ']')
			continue;
		while (p + 1 + n < s->end && p[1 + n] == '=')
			n++;
		if (n == level && p + 1 + n < s->end && p[1 + n] == ']')
			return p + n + 2;
	}
	return s->end;
}

static void skip_comment(struct scan *s)
{
	const char *p = NULL;

	copy_to(s, s->at + 2);
	if (s->at < s->end && *s->at == '[')
		p = long_bracket(s);
	if (p == NULL) {
		p = memchr(s->at, '\n', (size_t)(s->end - s->at));
		p = p ? p : s->end;
	}
	copy_to(s, p);
}

static void skip_string(struct scan *s)
{
	const char *p = s->at + 1;

	for (; p < s->end && *p != *s->at && *p != '\n'; p++)
		if (*p == '\\' && p + 1 < s->end)
			p++;
	copy_to(s, p < s->end ? p + 1 : p);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* A number as far as Lua would read it; one with a fraction or an exponent is a float. */
static void skip_number(struct scan *s)
{
	bool hex = next_is(s, "0x") || next_is(s, "0X");
	const char *p = s->at;

	for (; p < s->end && (is_word(*p) || *p == '.'); p++) {
		bool exponent = hex ? *p == 'p' || *p == 'P' : *p == 'e' || *p == 'E';

		if (*p == '.' && p + 1 < s->end && p[1] == '.')
			break;
		if (*p == '.' || exponent)
			s->floats = true;
		if (exponent && p + 1 < s->end && (p[1] == '-' || p[1] == '+'))
			p++;
	}
	copy_to(s, p);
}

/* Functions that give floats where 5.1 gave a number, and modules, which may (cjson does). */
static bool gives_floats(const char *word, size_t len)
{
	static const char *const words[] = {"require", "sqrt", "fmod", "difftime", "clock"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
			return true;
	return false;
}

static void skip_word(struct scan *s)
{
	const char *p = s->at;

	while (p < s->end && is_word(*p))
		p++;
	s->floats |= gives_floats(s->at, (size_t)(p - s->at));
	copy_to(s, p);
}

/* One token, or one octet of something that is none of ours. */
static void step(struct scan *s)
{
	const char *p;

	if (next_is(s, "--")) {
		skip_comment(s);
	} else if (*s->at == '"' || *s->at == '\'') {
		skip_string(s);
	} else if (*s->at == '[' && (p = long_bracket(s)) != NULL) {
		copy_to(s, p);
	} else if (is_digit(*s->at) ||
		   (*s->at == '.' && s->at + 1 < s->end && is_digit(s->at[1]))) {
		skip_number(s);
	} else if (is_word(*s->at)) {
		skip_word(s);
	} else if (next_is(s, "...") || next_is(s, "//")) {
		copy_to(s, s->at + (*s->at == '/' ? 2 : 3));
	} else if (next_is(s, "..")) {
		copy_to(s, s->at + 2);
		copy(s, JOINER "..", strlen(JOINER ".."));
		s->n_joins++;
	} else {
		if (*s->at == '/' || *s->at == '^')
			s->floats = true;
		if ((unsigned char)*s->at >= 0x80 && s->strange == NULL)
			s->strange = s->at;
		copy_to(s, s->at + 1);
	}
}

/* A mark at the beginning of UTF-8 text, and a first line "#!…", are no program. */
static const char *program_start(const char *text, size_t len)
{
	const char *end = text + len;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	if (text < end && *text == '#')
		while (text < end && *text != '\n')
			text++;
	return text;
}

static void run(struct scan *s, const char *text, size_t len)
{
	s->at = program_start(text, len);
	s->end = text + len;
	s->out_len = 0;
	while (s->at < s->end)
		step(s);
}

/* The code point at p, and how many octets it takes; 0 octets when it is no UTF-8. */
static unsigned decode(const char *p, const char *end, unsigned *octets)
{
	unsigned char c = (unsigned char)*p;
	unsigned n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
	unsigned value = n ? c & (0x7fu >> n) : c;

	*octets = 0;
	if (n == 0 || (size_t)(end - p) < n)
		return c;
	for (unsigned i = 1; i < n; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return c;
		value = value << 6 | ((unsigned char)p[i] & 0x3f);
	}
	*octets = n;
	return value;
}

/* What the author of a strange character most likely meant. */
static const char *meant(unsigned c)
{
	if (c == 0x201c || c == 0x201d || c == 0x201e || c == 0xab || c == 0xbb)
		return ": write \"";
	if (c == 0x2018 || c == 0x2019 || c == 0x201a)
		return ": write '";
	if (c == 0x2013 || c == 0x2014 || c == 0x2212)
		return ": write -";
	if (c == 0xa0 || (c >= 0x2000 && c <= 0x200b) || c == 0xfeff)
		return ", it looks like a blank: write a plain one";
	return "";
}

/* "=console" and "@path" as they are shown; anything else is a piece of program. */
static const char *shown_name(const char *chunk_name)
{
	return *chunk_name == '=' || *chunk_name == '@' ? chunk_name + 1 : "chunk";
}

static int push_strange(lua_State *L, const struct scan *s, const char *text,
			const char *chunk_name)
{
	unsigned line = 1, column = 1, octets;
	unsigned c = decode(s->strange, s->end, &octets);
	char words[256];

	for (const char *p = text; p < s->strange; p++) {
		line += *p == '\n';
		column = *p == '\n' ? 1 : column + (((unsigned char)*p & 0xc0) != 0x80);
	}
	if (octets)
		snprintf(
			words, sizeof(words),
			"the character %.*s (U+%04X) at column %u can't stand outside of a string%s",
			(int)octets, s->strange, c, column, meant(c));
	else
		snprintf(words, sizeof(words),
			 "the octet 0x%02X at column %u can't stand outside of a string", c,
			 column);
	lua_pushfstring(L, "%s:%d: %s", shown_name(chunk_name), (int)line, words);
	return LUA_ERRSYNTAX;
}

/* Lua 5.1 read "\." as "."; say what to write instead. The message ends with the escape in quotes.
 */
static void explain_escape(lua_State *L)
{
	const char *message = lua_tostring(L, -1);
	const char *at = message ? strstr(message, "invalid escape sequence near '") : NULL;
	const char *end = at ? strrchr(message, '\'') : NULL;
	const char *slash = at ? strrchr(at, '\\') : NULL;

	if (slash == NULL || end == NULL || end < slash + 2)
		return;
	lua_pushlstring(L, message, (size_t)(at - message));
	lua_pushlstring(L, slash + 1, (size_t)(end - slash - 1));
	lua_pushfstring(
		L,
		"%sinvalid escape sequence \\%s in a string: write \\\\%s for a backslash, or %s alone",
		lua_tostring(L, -2), lua_tostring(L, -1), lua_tostring(L, -1), lua_tostring(L, -1));
	lua_replace(L, -4);
	lua_pop(L, 2);
}

int lua_compat_load(lua_State *L, const char *text, size_t len, const char *chunk_name)
{
	struct scan s = {0};
	const char *program = text;
	size_t program_len = len;
	int rc;

	if (len > 0 && text[0] == LUA_SIGNATURE[0])
		return luaL_loadbufferx(L, text, len, chunk_name, NULL); /* compiled */
	run(&s, text, len);
	if (s.strange)
		return push_strange(L, &s, text, chunk_name);
	if (s.floats && s.n_joins > 0) {
		s.out = mem_alloc(s.out_len + 1);
		run(&s, text, len);
		program = s.out;
		program_len = s.out_len;
	} else {
		program = program_start(text, len);
		program_len = len - (size_t)(program - text);
	}
	rc = luaL_loadbufferx(L, program, program_len, chunk_name, "t");
	free(s.out);
	if (rc == LUA_ERRSYNTAX)
		explain_escape(L);
	return rc;
}

int lua_compat_load_file(lua_State *L, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t len = 0, got;
	int rc;

	if (file == NULL) {
		lua_pushfstring(L, "cannot open %s: %s", path, strerror(errno));
		return LUA_ERRFILE;
	}
	do {
		text = mem_realloc(text, len + 65536, 1);
		got = fread(text + len, 1, 65536, file);
		len += got;
	} while (got > 0);
	if (ferror(file)) {
		lua_pushfstring(L, "cannot read %s: %s", path, strerror(errno));
		rc = LUA_ERRFILE;
	} else {
		lua_pushfstring(L, "@%s", path);
		rc = lua_compat_load(L, text, len, lua_tostring(L, -1));
		lua_remove(L, -2);
	}
	fclose(file);
	free(text);
	return rc;
}

/* The metatable's name of what J..b leaves: b, until a is joined to it. */
#define JOINED "dnsdist.joined"

static void add_text(lua_State *L, luaL_Buffer *out, int i)
{
	if (lua_type(L, i) == LUA_TNUMBER) {
		lua_compat_push_number_text(L, i);
	} else if (luaL_testudata(L, i, JOINED)) {
		lua_getiuservalue(L, i, 1);
		if (lua_type(L, -1) == LUA_TNUMBER) {
			lua_compat_push_number_text(L, -1);
			lua_remove(L, -2);
		}
	} else {
		lua_pushvalue(L, i);
	}
	luaL_addvalue(out);
}

static bool can_join(lua_State *L, int i)
{
	return lua_isstring(L, i) || luaL_testudata(L, i, JOINED);
}

static int join(lua_State *L)
{
	luaL_Buffer out;

	for (int i = 1; i <= 2; i++)
		if (!can_join(L, i))
			return luaL_error(L, "attempt to concatenate a %s value",
					  luaL_typename(L, i));
	luaL_buffinit(L, &out);
	add_text(L, &out, 1);
	add_text(L, &out, 2);
	luaL_pushresult(&out);
	return 1;
}

/*
 * J..b. An object with a metamethod of its own is handed on as it is, so that a..b asks it in the
 * next step.
 */
static int joiner_concat(lua_State *L)
{
	if (!lua_isstring(L, 2)) {
		if (luaL_getmetafield(L, 2, "__concat") == LUA_TNIL)
			return luaL_error(L, "attempt to concatenate a %s value",
					  luaL_typename(L, 2));
		lua_settop(L, 2);
		return 1;
	}
	lua_newuserdatauv(L, 0, 1);
	luaL_setmetatable(L, JOINED);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

static int joined_to_string(lua_State *L)
{
	luaL_Buffer out;

	luaL_buffinit(L, &out);
	add_text(L, &out, 1);
	luaL_pushresult(&out);
	return 1;
}

void lua_compat_source_register(lua_State *L)
{
	luaL_newmetatable(L, JOINED);
	lua_pushcfunction(L, join);
	lua_setfield(L, -2, "__concat");
	lua_pushcfunction(L, joined_to_string);
	lua_setfield(L, -2, "__tostring");
	lua_getglobal(L, "string");
	lua_newuserdatauv(L, 0, 0);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, joiner_concat);
	lua_setfield(L, -2, "__concat");
	lua_setmetatable(L, -2);
	lua_setfield(L, -2, "__join");
	lua_settop(L, 0);
}
