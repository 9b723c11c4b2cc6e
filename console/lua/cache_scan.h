/* Walks over all entries of a packet cache, for the methods that dump or search it. */
#ifndef CONSOLE_LUA_CACHE_SCAN_H
#define CONSOLE_LUA_CACHE_SCAN_H

#include "cache/cache.h"
#include "console/lua/rows.h"

/* Writes every entry to a file that must not exist yet, mode 0660. How many, or a negative errno.
 */
long lua_cache_dump(struct cache *c, const char *path, bool raw);

/* Push a table, without doubles: DNSNames whose answers have addr; ComboAddresses in answers for
 * name. */
void lua_cache_push_names(lua_State *L, struct cache *c, const struct addr *addr);
void lua_cache_push_addresses(lua_State *L, struct cache *c, const uint8_t *name, size_t len);

#endif
