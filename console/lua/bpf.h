/* The objects of the kernel filter, for its files. */
#ifndef CONSOLE_LUA_BPF_H
#define CONSOLE_LUA_BPF_H

#include "console/lua/rows.h"
#include "core/bpf/kfilter.h"

struct frontend;

/* A BPFFilter; NULL once Lua has collected it. */
struct bpf_box {
	struct kfilter *filter;
};

/* The filter of a BPFFilter at an index; anything else is an error that names the argument. Lent. */
struct kfilter *lua_arg_bpf(lua_State *L, int i);

/*
 * The filter at a listener, or none, as an edit of the running transaction (console/lua/bpf_attach.c).
 * A Lua error when the kernel refuses.
 */
void lua_attach_filter(lua_State *L, struct frontend *fe, struct kfilter *f);

#endif
