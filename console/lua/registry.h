/* What the files of console/lua/ give to registry.c: their rows, and what makes other globals. */
#ifndef CONSOLE_LUA_REGISTRY_H
#define CONSOLE_LUA_REGISTRY_H

#include "console/lua/rows.h"

extern const struct lua_function block_group_functions[], exceed_functions[];

extern const struct lua_function bpf_functions[], bpf_dyn_functions[];

extern const struct lua_function acl_functions[], address_functions[], cache_functions[],
	callback_functions[], console_functions[], help_functions[], limiter_functions[],
	listen_functions[], log_functions[], metric_functions[], misc_functions[], name_functions[],
	name_set_functions[], net_functions[], netmask_functions[], netmask_group_functions[],
	option_functions[], pool_functions[], resolve_functions[], server_functions[],
	setting_functions[], setting_other_functions[], show_functions[], show_latency_functions[],
	show_tcp_functions[], stats_functions[], suffix_functions[];

extern const struct lua_function dynblock_functions[], dynblock_top_functions[], rule_bench_functions[],
	rule_pair_functions[], rule_text_functions[], svc_functions[], timed_set_functions[];

extern const struct lua_function query_count_functions[], grepq_functions[], ring_entry_functions[], ring_functions[],
	stat_node_functions[], top_functions[];

/* Made at the start, from other rows. */
extern struct lua_function action_functions[], chain_functions[], rule_former_functions[],
	selector_functions[];

extern const struct lua_option bpf_options[], declare_options[], dynblock_options[], grepq_options[],
	listen_options[], move_options[], packet_cache_options[], ring_options[], server_options[],
	show_servers_options[],
	structured_options[], svc_options[];

void lua_constants_setup(lua_State *L);
void lua_query_count_setup(lua_State *L);
void lua_policies_setup(lua_State *L);

#endif
