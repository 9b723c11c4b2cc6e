/* The DNSQuestion object, for whoever shows a query to the configuration. */
#ifndef CONSOLE_LUA_DNS_QUESTION_H
#define CONSOLE_LUA_DNS_QUESTION_H

#include "console/lua/rows.h"
#include "rules/asked.h"

/* Pushes a query as it came. Copies, so a function may keep it. */
void lua_push_question(lua_State *L, const struct asked *a);

#endif
