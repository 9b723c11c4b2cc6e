/* Selectors and actions are made here, whatever their kind: their rows say how. */
#include <stdio.h>
#include <string.h>

#include "console/lua/rules.h"

/* The box is there before what it holds, so that an error in between leaves nothing behind. */
static void construct_selector(lua_State *L, const struct selector_type *type,
			       const struct arg *argv)
{
	struct selector **box = lua_object_new(L, &lua_selector, sizeof(*box));
	struct err err;

	*box = selector_new(type, argv, &err);
	if (*box == NULL)
		lua_host_raise(L, &err);
}

/*
 * Who may use the console may not write to all files: where a console client can't make an action
 * that opens some, one that has none will do, since it runs neither.
 */
static struct action *stand_in(const struct action_type *type)
{
	const char *name = type->is_response ? "AllowResponseAction" : "NoneAction";

	if (lua_host_role() != LUA_CLIENT || type->begin == NULL)
		return NULL;
	return action_new(lua_find_constructor(name)->action, NULL, NULL);
}

static void construct_action(lua_State *L, const struct action_type *type, const struct arg *argv)
{
	struct action **box = lua_object_new(
		L, type->is_response ? &lua_response_action : &lua_query_action, sizeof(*box));
	struct err err;

	*box = action_new(type, argv, &err);
	if (*box == NULL)
		*box = stand_in(type);
	if (*box == NULL)
		lua_host_raise(L, &err);
}

void lua_construct(lua_State *L, const struct constructor *c, int first, int last)
{
	struct arg argv[ARGS_MAX];

	assert(c != NULL); /* rows name no constructor that is not there */
	lua_former_arguments(L, c, first, &last);
	if (c->selector != NULL) {
		lua_args_read(L, first, last, c->selector->args, c->options, false, argv);
		construct_selector(L, c->selector, argv);
	} else {
		lua_args_read(L, first, last, c->action->args, c->options, c->action->is_response,
			      argv);
		construct_action(L, c->action, argv);
	}
	lua_replace(L, first);
	lua_settop(L, first);
}

/* The name of the same action for the other kind of chains: "DropAction", "DropResponseAction". */
static const char *counterpart(const struct action_type *type, char name[static 96])
{
	static const char response[] = "ResponseAction", query[] = "Action";
	const char *end = type->is_response ? response : query;
	size_t len = strlen(type->name), end_len = strlen(end);

	if (len <= end_len || strcmp(type->name + len - end_len, end) != 0)
		return NULL;
	snprintf(name, 96, "%.*s%s", (int)(len - end_len), type->name,
		 type->is_response ? query : response);
	return lua_find_constructor(name) != NULL ? name : NULL;
}

static void wrong_kind(lua_State *L, const struct action_type *type, const char *other)
{
	char name[96];
	const char *here = counterpart(type, name);

	lua_fail(L, "%s is for %s, these rules are for %s: write %s%s%s", type->name,
		 type->is_response ? "answers" : "queries",
		 type->is_response ? "queries" : "answers", here ? here : "",
		 here ? " here, or " : "", other);
}

struct action *lua_arg_action(lua_State *L, int i, bool is_response, const char *other)
{
	struct action *a = lua_test_action(L, i);

	if (a == NULL)
		lua_fail(L, "action must be a %s, got %s", lua_action_word(is_response),
			 lua_value_text(L, i));
	if (a->type->is_response != is_response)
		wrong_kind(L, a->type, other);
	return a;
}
