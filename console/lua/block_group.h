/* What the files of console/lua/ about groups of rules that block share. */
#ifndef CONSOLE_LUA_BLOCK_GROUP_H
#define CONSOLE_LUA_BLOCK_GROUP_H

#include "console/lua/rows.h"
#include "rules/block_rules.h"

/* Pushes what a group is, a line for each rule, range and name. */
void lua_push_block_group_text(lua_State *L, const struct block_group *g);

#endif
