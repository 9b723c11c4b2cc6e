/* The StatNode object and its counts, for whoever calls a visitor of names. */
#ifndef CONSOLE_LUA_STAT_NODE_H
#define CONSOLE_LUA_STAT_NODE_H

#include "console/lua/rows.h"
#include "console/stat_tree.h"

/* Pushes a StatNode, its own counts, and those of all below and itself: the three arguments of a
 * visitor. Copies. */
void lua_push_stat_node(lua_State *L, const struct stat_node *node);

#endif
