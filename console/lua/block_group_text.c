/* A DynBlockRulesGroup in words. */
#include <stdio.h>

#include "console/lua/block_group.h"
#include "rules/hitters.h"

static void add_subject(char *text, size_t size, const struct block_rule *r)
{
	char type[16], rcode[24];

	switch ((enum block_rule_kind)r->kind) {
	case BLOCK_QUERY_RATE:
		snprintf(text, size, "queries");
		break;
	case BLOCK_OCTET_RATE:
		snprintf(text, size, "octets of answers");
		break;
	case BLOCK_MISS_RATIO:
		snprintf(text, size, "answers not from the cache (of all queries it answers %g)",
			 r->least_hits);
		break;
	case BLOCK_QTYPE_RATE:
		snprintf(text, size, "queries of type %s", type_text(r->arg, type));
		break;
	case BLOCK_RCODE_RATE:
	case BLOCK_RCODE_RATIO:
		snprintf(text, size, "answers %s", rcode_text(r->arg, rcode));
		break;
	default:
		snprintf(text, size, "answers of codes that are not allowed");
	}
}

const char *lua_block_action_text(unsigned action)
{
	return action == DNS_ACTION_NONE ? "the action of setDynBlocksAction"
					 : dns_action_text(action);
}

static void add_rule(luaL_Buffer *b, const struct block_rule *r)
{
	bool ratio = block_rule_is_ratio(r->kind);
	char subject[128], line[1024], warning[64] = "", least[64] = "";

	add_subject(subject, sizeof(subject), r);
	if (r->warning > 0)
		snprintf(warning, sizeof(warning), ", warning above %g", r->warning);
	if (ratio)
		snprintf(least, sizeof(least), " of at least %llu answers",
			 (unsigned long long)r->least_answers);
	snprintf(line, sizeof(line),
		 "%s: above %g%s%s for %u seconds%s: %s for %u seconds, '%.400s'\n", subject,
		 r->limit, ratio ? "" : " a second", least, r->seconds, warning,
		 lua_block_action_text(r->action), r->block_s, r->reason);
	luaL_addstring(b, line);
}

static void add_ranges(luaL_Buffer *b, const struct netmask_table *t)
{
	for (size_t i = 0; i < netmask_table_len(t); i++) {
		uint32_t value;
		const struct netmask *nm = netmask_table_at(t, i, &value);
		char text[NETMASK_TEXT_MAX];

		luaL_addstring(b, value == HITTERS_EXCLUDED ? "excluded: " : "included: ");
		luaL_addstring(b, netmask_text(nm, text));
		luaL_addchar(b, '\n');
	}
}

static void add_names(luaL_Buffer *b, const struct suffix_table *t)
{
	struct suffix_match name;
	size_t at = 0;

	while (suffix_table_next(t, &at, &name)) {
		char text[DNS_NAME_TEXT_MAX];

		luaL_addstring(b, "excluded: ");
		luaL_addstring(b, name_text(name.name, name.len, text));
		luaL_addchar(b, '\n');
	}
}

void lua_push_block_group_text(lua_State *L, const struct block_group *g,
			       const struct block_suffix *names)
{
	unsigned v4, v6, port;
	char line[1024];
	luaL_Buffer b;

	block_group_masks(g, &v4, &v6, &port);
	luaL_buffinit(L, &b);
	snprintf(line, sizeof(line), "DynBlockRulesGroup of clients of /%u, /%u, port /%u\n", v4,
		 v6, port);
	luaL_addstring(&b, line);
	for (unsigned i = 0; block_group_rule(g, i); i++)
		add_rule(&b, block_group_rule(g, i));
	lua_block_suffix_text(L, names, line, sizeof(line));
	luaL_addstring(&b, line);
	add_ranges(&b, block_group_ranges(g));
	add_names(&b, block_group_names(g));
	luaL_pushresult(&b);
}
