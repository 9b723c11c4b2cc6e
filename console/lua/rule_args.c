/*
 * Arguments of selectors and actions, from Lua values to struct arg. A Lua error jumps out of here
 * at any point, so whatever needs memory has it from Lua: it is kept in one table until the
 * constructor is done.
 */
#include <stdio.h>
#include <string.h>

#include "console/lua/rules.h"
#include "core/dns/suffix.h"

struct reader {
	lua_State *L;
	int kept; /* index of the table of what argv lends from */
	bool is_response;
	const char *what; /* the argument, for errors: "qname", "entry 2 of suffixes" */
	size_t entry;     /* of a large list: its number, which what does not say; else 0 */
	char text[128];
};

/* What is read, for an error: a million entries are not given names that nobody reads. */
static const char *what_of(struct reader *r)
{
	if (r->entry == 0)
		return r->what;
	snprintf(r->text, sizeof(r->text), "entry %zu of %s", r->entry, r->what);
	return r->text;
}

/* Reads the value at an absolute index. */
typedef void read_fn(struct reader *r, int i, const struct arg_spec *spec, struct arg *out);

/* Pops the value on top, and keeps it. */
static void keep(const struct reader *r)
{
	lua_rawseti(r->L, r->kept, (lua_Integer)lua_rawlen(r->L, r->kept) + 1);
}

static void *room(const struct reader *r, size_t size)
{
	void *mem = lua_newuserdatauv(r->L, size, 0);

	memset(mem, 0, size);
	keep(r);
	return mem;
}

/* The list must have all values from 1 to its end, and nothing else. */
size_t lua_list_len(lua_State *L, int i, const char *what)
{
	size_t n = lua_rawlen(L, i), keys = 0;

	for (lua_pushnil(L); lua_next(L, i); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TNUMBER)
			lua_fail(L, "%s must be a list, but it has the key %s", what,
				 lua_value_text(L, -2));
		keys++;
	}
	if (keys == n)
		return n;
	for (size_t k = 1; k <= n; k++) {
		if (lua_rawgeti(L, i, (lua_Integer)k) == LUA_TNIL)
			lua_fail(L, "entry %zu of %s is nil", k, what);
		lua_pop(L, 1);
	}
	lua_fail(L, "%s must be a list without gaps", what);
	return 0;
}

/* What a function does with each entry of a list, which is on top of the stack. */
typedef void entry_fn(struct reader *r, int i, void *ctx);

static void for_entries(struct reader *r, int i, size_t n, entry_fn *see, void *ctx)
{
	const char *what = r->what;
	char entry[128];

	r->what = entry;
	for (size_t k = 1; k <= n; k++) {
		snprintf(entry, sizeof(entry), "entry %zu of %s", k, what);
		lua_rawgeti(r->L, i, (lua_Integer)k);
		see(r, lua_gettop(r->L), ctx);
		lua_pop(r->L, 1);
	}
	r->what = what;
}

/* The same for lists that may be large; see() asks what_of. */
static void for_many(struct reader *r, int i, size_t n, entry_fn *see, void *ctx)
{
	for (r->entry = 1; r->entry <= n; r->entry++) {
		lua_rawgeti(r->L, i, (lua_Integer)r->entry);
		see(r, lua_gettop(r->L), ctx);
		lua_pop(r->L, 1);
	}
	r->entry = 0;
}

static void read_bool(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	out->boolean = lua_arg_bool(r->L, i, r->what);
}

static void read_integer(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	out->integer = lua_arg_integer(r->L, i, r->what, (lua_Integer)spec->least,
				       (lua_Integer)spec->most);
}

static void read_number(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	out->number = lua_arg_number(r->L, i, r->what, spec->least, spec->most);
}

static void read_text(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	lua_arg_string(r->L, i, r->what);
	out->text = lua_tolstring(r->L, i, &out->len);
	lua_pushvalue(r->L, i);
	keep(r);
}

static void read_name(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	uint8_t *name = room(r, DNS_NAME_MAX);

	out->name_len = lua_arg_name(r->L, i, r->what, name);
	if (out->name_len == 0)
		lua_fail(r->L, "%s is a DNSName without a name", r->what);
	out->name = name;
}

static void read_netmask(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	struct err err;

	if (lua_read_netmask(r->L, i, &out->netmask, &err))
		return;
	err_prefix(&err, "%s", r->what);
	lua_host_raise(r->L, &err);
}

static void read_address(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	lua_arg_address(r->L, i, r->what, (uint16_t)spec->least, &out->addr);
}

static void unknown_type(lua_State *L, const char *what, const char *text)
{
	static const char *const names[] = {
#define TYPE(name, number) #name,
#include "core/dns/types.def"
#undef TYPE
	};
	const char *nearest = err_nearest(text, names, ARRAY_LEN(names));
	char hint[64] = "";

	if (nearest != NULL)
		snprintf(hint, sizeof(hint), " (did you mean '%s'?)", nearest);
	lua_fail(L, "%s must be a record type, got '%.60s'%s", what, text, hint);
}

/* A name, or a number, which may be a string of digits. */
static void read_type(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	uint16_t type;

	if (lua_isnumber(r->L, i)) {
		out->integer = lua_arg_integer(r->L, i, r->what, 0, UINT16_MAX);
		return;
	}
	if (lua_type(r->L, i) != LUA_TSTRING)
		lua_fail(r->L, "%s must be the number or the name of a record type, got %s",
			 r->what, lua_value_text(r->L, i));
	if (type_parse(lua_tostring(r->L, i), &type) < 0)
		unknown_type(r->L, r->what, lua_tostring(r->L, i));
	out->integer = type;
}

static void read_selector(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	out->selector = lua_arg_rule(r->L, i, r->what);
	keep(r);
}

static void read_action(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	lua_State *L = r->L;

	out->action = lua_test_action(L, i);
	if (out->action == NULL || out->action->type->is_response != r->is_response)
		lua_fail(L, "%s must be a %s, got %s", r->what, lua_action_word(r->is_response),
			 lua_value_text(L, i));
	lua_pushvalue(L, i);
	keep(r);
}

static void read_svc(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	out->svc = lua_test_svc(r->L, i);
	if (out->svc == NULL)
		lua_fail(r->L, "%s must be made by newSVCRecordParameters(), got %s", r->what,
			 lua_value_text(r->L, i));
	lua_pushvalue(r->L, i);
	keep(r);
}

static void read_name_set(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	out->names = lua_test_name_set(r->L, i);
	if (out->names == NULL)
		lua_fail(r->L, "%s must be a DNSNameSet, got %s", r->what, lua_value_text(r->L, i));
	lua_pushvalue(r->L, i);
	keep(r);
}

static void add_name(struct reader *r, int i, void *set)
{
	uint8_t name[DNS_NAME_MAX];
	const char *text = lua_type(r->L, i) == LUA_TSTRING ? lua_tostring(r->L, i) : NULL;
	int parsed = text != NULL ? name_parse(text, name, NULL) : -1;
	size_t len = parsed > 0 ? (size_t)parsed : lua_arg_name(r->L, i, what_of(r), name);

	if (len == 0)
		lua_fail(r->L, "%s is a DNSName without a name", what_of(r));
	if (suffix_table_add(set, name, len, 0) < 0)
		lua_fail(r->L, "%s: the set is full: its names take 4 GiB", what_of(r));
}

static size_t filled_list(struct reader *r, int i)
{
	size_t n = lua_list_len(r->L, i, r->what);

	if (n == 0)
		lua_fail(r->L, "%s must have at least one entry", r->what);
	return n;
}

static void read_names(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	lua_State *L = r->L;

	out->names = lua_test_suffixes(L, i);
	if (out->names != NULL) {
		lua_pushvalue(L, i);
		keep(r);
		return;
	}
	out->is_list = true;
	out->names = lua_push_suffixes(L);
	keep(r);
	if (lua_istable(L, i)) {
		size_t n = filled_list(r, i);

		suffix_table_reserve(out->names, n, n * LUA_NAME_GUESS);
		for_many(r, i, n, add_name, out->names);
	} else if (lua_isstring(L, i) || lua_object_test(L, i, &lua_name)) {
		add_name(r, i, out->names);
	} else {
		lua_fail(L, "%s must be a name, a list of names or a SuffixMatchNode, got %s",
			 r->what, lua_value_text(L, i));
	}
}

static void add_netmask(struct reader *r, int i, void *table)
{
	struct err err;

	if (lua_add_netmask(r->L, i, table, &err))
		return;
	err_prefix(&err, "%s", what_of(r));
	lua_host_raise(r->L, &err);
}

static void read_netmasks(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	lua_State *L = r->L;

	out->netmasks = lua_test_netmask_group(L, i);
	if (out->netmasks != NULL) {
		lua_pushvalue(L, i);
		keep(r);
		return;
	}
	out->netmasks = lua_push_netmask_group(L);
	keep(r);
	if (lua_istable(L, i))
		for_many(r, i, filled_list(r, i), add_netmask, out->netmasks);
	else
		add_netmask(r, i, out->netmasks);
}

struct list_ctx {
	const struct arg_spec *spec;
	read_fn *read;
	struct arg *at;
};

static void add_value(struct reader *r, int i, void *ctx)
{
	struct list_ctx *list = ctx;

	list->at->given = true;
	list->read(r, i, list->spec, list->at++);
}

/* A list of at least least values, each read by read; anything but a table is a list of one. */
static void read_list(struct reader *r, int i, const struct arg_spec *spec, struct arg *out,
		      read_fn *read, size_t least)
{
	bool is_list = lua_istable(r->L, i);
	size_t n = 1;
	struct list_ctx list = {.spec = spec, .read = read};

	if (is_list)
		n = least > 0 ? filled_list(r, i) : lua_list_len(r->L, i, r->what);
	list.at = room(r, (n + 1) * sizeof(struct arg));
	out->list = list.at;
	out->n = n;
	if (is_list)
		for_entries(r, i, n, add_value, &list);
	else
		add_value(r, i, &list);
}

static void read_texts(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	read_list(r, i, spec, out, read_text, 1);
}

static void read_addresses(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	read_list(r, i, spec, out, read_address, 1);
}

static void read_types(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	read_list(r, i, spec, out, read_type, 1);
}

static void read_svcs(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	read_list(r, i, spec, out, read_svc, 1);
}

static void read_selectors(struct reader *r, int i, const struct arg_spec *spec, struct arg *out)
{
	if (!lua_istable(r->L, i))
		lua_fail(r->L, "%s must be a list of rules, got %s", r->what,
			 lua_value_text(r->L, i));
	read_list(r, i, spec, out, read_selector, 0);
}

static read_fn *const readers[] = {
	[ARG_BOOL] = read_bool,           [ARG_INT] = read_integer,
	[ARG_NUMBER] = read_number,       [ARG_TEXT] = read_text,
	[ARG_TEXTS] = read_texts,         [ARG_NAME] = read_name,
	[ARG_NAMES] = read_names,         [ARG_NAME_SET] = read_name_set,
	[ARG_NETMASK] = read_netmask,     [ARG_NETMASKS] = read_netmasks,
	[ARG_ADDRESS] = read_address,     [ARG_ADDRESSES] = read_addresses,
	[ARG_TYPE] = read_type,           [ARG_TYPES] = read_types,
	[ARG_RCODE] = read_integer,       [ARG_SELECTOR] = read_selector,
	[ARG_SELECTORS] = read_selectors, [ARG_ACTION] = read_action,
	[ARG_SVCS] = read_svcs,
};

static void read_value(struct reader *r, int i, const char *what, const struct arg_spec *spec,
		       struct arg *out)
{
	r->what = what;
	out->given = true;
	readers[spec->kind](r, i, spec, out);
}

static void read_option(struct reader *r, int options, const struct arg_spec *spec, struct arg *out)
{
	char what[64];

	if (lua_getfield(r->L, options, spec->name) != LUA_TNIL) {
		snprintf(what, sizeof(what), "option '%s'", spec->name);
		read_value(r, lua_gettop(r->L), what, spec, out);
	}
	lua_pop(r->L, 1);
}

static void too_many(lua_State *L, int most, int at)
{
	if (most == 0)
		lua_fail(L, "takes no argument, got %s", lua_value_text(L, at));
	lua_fail(L, "takes %d argument%s, got %s behind %s", most, most == 1 ? "" : "s",
		 lua_value_text(L, at), most == 1 ? "it" : "them");
}

void lua_args_read(lua_State *L, int first, int last, const struct arg_spec *specs,
		   const struct lua_option *options, bool is_response, struct arg *argv)
{
	struct reader r = {.L = L, .is_response = is_response};
	int n = 0;

	while (specs[n].kind != ARG_END && !(specs[n].flags & ARG_OPTION))
		n++;
	/* An argument that was not passed must not be taken for what is pushed here. */
	assert(lua_gettop(L) == last);
	if (last - first + 1 > n + (options != NULL))
		too_many(L, n + (options != NULL), first + n + (options != NULL));
	luaL_checkstack(L, n + 20, NULL);
	for (int k = last - first + 1; k < n; k++)
		if (!(specs[k].flags & ARG_OPTIONAL))
			lua_fail(L, "%s is missing", specs[k].name);
	while (lua_gettop(L) < first + n)
		lua_pushnil(L);
	lua_newtable(L);
	r.kept = lua_gettop(L);
	memset(argv, 0, ARGS_MAX * sizeof(*argv));
	if (options != NULL && !lua_isnil(L, first + n))
		lua_options_check(L, first + n, options);
	for (int k = 0; specs[k].kind != ARG_END; k++) {
		if (specs[k].flags & ARG_OPTION) {
			if (!lua_isnil(L, first + n))
				read_option(&r, first + n, &specs[k], &argv[k]);
		} else if (!lua_isnil(L, first + k) || !(specs[k].flags & ARG_OPTIONAL)) {
			read_value(&r, first + k, specs[k].name, &specs[k], &argv[k]);
		}
	}
}
