/* Everything the configuration language has: a line here, rows in the file. */
#include "console/lua/registry.h"

const struct lua_file lua_files[] = {
	{"listen", listen_functions, NULL},
	{"server", server_functions, NULL},
	{"pool", pool_functions, lua_policies_setup},
	{"cache", cache_functions, NULL},
	{"acl", acl_functions, NULL},
	{"settings", setting_functions, NULL},
	{"settings", setting_other_functions, NULL},
	{"console", console_functions, NULL},
	{"show", show_functions, NULL},
	{"show", show_tcp_functions, NULL},
	{"show", show_latency_functions, NULL},
	{"help", help_functions, NULL},
	{"log", log_functions, NULL},
	{"statistics", stats_functions, NULL},
	{"metrics", metric_functions, NULL},
	{"callbacks", callback_functions, NULL},
	{"network", net_functions, NULL},
	{"network", resolve_functions, NULL},
	{"names", name_functions, NULL},
	{"names", suffix_functions, NULL},
	{"names", name_set_functions, NULL},
	{"addresses", address_functions, NULL},
	{"netmasks", netmask_functions, NULL},
	{"netmasks", netmask_group_functions, NULL},
	{"limits", limiter_functions, NULL},
	{"options", option_functions, NULL},
	{"misc", misc_functions, NULL},
	{"constants", NULL, lua_constants_setup},
	{NULL, NULL, NULL},
};

const struct lua_option_list lua_option_lists[] = {
	{"addLocal", listen_options},
	{"setLocal", listen_options},
	{"newServer", server_options},
	{"newPacketCache", packet_cache_options},
	{"showServers", show_servers_options},
	{"setStructuredLogging", structured_options},
	{"declareMetric", declare_options},
	{"incMetric", move_options},
	{"decMetric", move_options},
	{NULL, NULL},
};

const struct lua_object *const lua_objects[] = {
	&lua_server,  &lua_pool, &lua_policy, &lua_cache, &lua_client_state,
	&lua_address, &lua_name, &lua_suffixes, &lua_name_set, &lua_header, &lua_netmask,
	&lua_netmask_group, &lua_limiter, NULL,
};
