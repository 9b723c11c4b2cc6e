/*
 * What functions of ffi.C share: places that they fill in, and the pointers that they take. A place
 * holds Lua values, not addresses, so that no configuration can read or write memory that is not
 * its own.
 */
#ifndef CONSOLE_LUA_FFI_H
#define CONSOLE_LUA_FFI_H

#include "console/lua/rows.h"

/*
 * Puts octets into the place for a pointer at argument i, and how many they are into that for a size at
 * i + 1. The names of both are for the error.
 */
void lua_ffi_put_octets(lua_State *L, int i, const char *pointer, const char *size,
			const void *octets, size_t len);

/* Octets of a string or a buffer at argument i, of which the caller says that there are len. Lent
 * by it. */
const char *lua_ffi_octets(lua_State *L, int i, const char *what, size_t len);

/* Pushes a table of the object's methods as functions, ffi.C; another name is an error with the
 * nearest. */
void lua_push_library(lua_State *L, const struct lua_object *library);

/*
 * A node of the tree of names as a visitor of setSuffixMatchRuleFFI gets it. It pushes the node, a
 * value that is good until it is taken back.
 */
struct stat_node;
void lua_ffi_push_node(lua_State *L, const struct stat_node *node);

/* Ends the node at index i. What the visitor has set: pushes the reason, or nil; the action, or -1.
 */
int lua_ffi_end_node(lua_State *L, int i);

#endif
