/* What a configuration logs, and how the program logs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "console/lua/state.h"
#include "console/lua/registry.h"
#include "core/log.h"
#include "core/mem.h"

/* What the file asked for, laid over the command line's choice by lua_host_log_config. */
static struct {
	bool has_facility, has_format;
	int facility;
	enum log_format format;
	bool structured, iso8601, instance;
	char *verbose_path;
} wishes;

static int log_text(lua_State *L, enum log_level level)
{
	log_line(level, "lua", "%s", lua_arg_string(L, 1, "text"));
	return 0;
}

static int info_log(lua_State *L)
{
	return log_text(L, LOG_LEVEL_INFO);
}

static int verbose_log(lua_State *L)
{
	return log_text(L, LOG_LEVEL_DEBUG);
}

static int warn_log(lua_State *L)
{
	return log_text(L, LOG_LEVEL_WARNING);
}

static int error_log(lua_State *L)
{
	return log_text(L, LOG_LEVEL_ERROR);
}

static int show(lua_State *L)
{
	lua_host_printf("%s\n", lua_arg_string(L, 1, "text"));
	return 0;
}

static int set_verbose_destination(lua_State *L)
{
	const char *path = lua_arg_string(L, 1, "path");

	free(wishes.verbose_path);
	wishes.verbose_path = mem_strdup(path);
	return 0;
}

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{"KERN", LOG_KERN},     {"USER", LOG_USER},     {"MAIL", LOG_MAIL},
	{"DAEMON", LOG_DAEMON}, {"AUTH", LOG_AUTH},     {"SYSLOG", LOG_SYSLOG},
	{"LPR", LOG_LPR},       {"NEWS", LOG_NEWS},     {"UUCP", LOG_UUCP},
	{"CRON", LOG_CRON},     {"LOCAL0", LOG_LOCAL0}, {"LOCAL1", LOG_LOCAL1},
	{"LOCAL2", LOG_LOCAL2}, {"LOCAL3", LOG_LOCAL3}, {"LOCAL4", LOG_LOCAL4},
	{"LOCAL5", LOG_LOCAL5}, {"LOCAL6", LOG_LOCAL6}, {"LOCAL7", LOG_LOCAL7},
};

static int set_facility(lua_State *L)
{
	const char *names[ARRAY_LEN(facilities)];
	const char *name, *nearest;

	if (lua_isnumber(L, 1)) {
		/* 0 … 23; upstream also took the values of <syslog.h>, which are eight times as
		 * much */
		int n = (int)lua_arg_integer(L, 1, "facility", 0, LOG_LOCAL7);

		wishes.facility = n <= LOG_LOCAL7 >> 3 ? n << 3 : n;
		wishes.has_facility = true;
		return 0;
	}
	name = lua_arg_string(L, 1, "facility");
	if (strncasecmp(name, "LOG_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_LEN(facilities); i++) {
		names[i] = facilities[i].name;
		if (strcasecmp(name, names[i]) == 0) {
			wishes.facility = facilities[i].facility;
			wishes.has_facility = true;
			return 0;
		}
	}
	nearest = err_nearest(name, names, ARRAY_LEN(names));
	return nearest ? lua_fail(L, "'%s' is no facility of syslog (did you mean '%s'?)", name,
				  nearest)
		       : lua_fail(L, "'%s' is no facility of syslog such as DAEMON or LOCAL0",
				  name);
}

const struct lua_option structured_options[] = {
	{"backend", OPTION_STRING, 0, 0, "", "default, json or systemd-journal"},
	{"timeFormat", OPTION_STRING, 0, 0, "", "numeric or ISO8601"},
	{"levelPrefix", OPTION_STRING, 0, 0, "", "hint: has no effect"},
	{"setInstanceFromServerID", OPTION_BOOL, 0, 0, "", "lines carry the server's id"},
	{NULL, 0, 0, 0, NULL, NULL},
};

static void read_backend(lua_State *L)
{
	const char *backend = lua_option_string(L, 2, "backend");

	if (backend == NULL || strcmp(backend, "default") == 0)
		wishes.format = LOG_FORMAT_STRUCTURED;
	else if (strcmp(backend, "json") == 0)
		wishes.format = LOG_FORMAT_JSON;
	else if (strcmp(backend, "systemd-journal") == 0)
		wishes.format = LOG_FORMAT_JOURNAL;
	else
		lua_fail(L, "option 'backend' must be default, json or systemd-journal, got '%s'",
			 backend);
}

static int set_structured(lua_State *L)
{
	bool on = lua_arg_bool(L, 1, "enabled");
	const char *time_format;

	if (!lua_arg_missing(L, 2)) {
		lua_options_check(L, 2, structured_options);
		read_backend(L);
		time_format = lua_option_string(L, 2, "timeFormat");
		if (time_format && strcasecmp(time_format, "numeric") != 0 &&
		    strcasecmp(time_format, "ISO8601") != 0)
			return lua_fail(L,
					"option 'timeFormat' must be numeric or ISO8601, got '%s'",
					time_format);
		wishes.iso8601 = time_format && strcasecmp(time_format, "ISO8601") == 0;
		wishes.instance = lua_option_bool(L, 2, "setInstanceFromServerID", false);
	} else {
		wishes.format = LOG_FORMAT_STRUCTURED;
	}
	wishes.has_format = true;
	wishes.structured = on;
	return 0;
}

void lua_host_log_config(struct log_config *c, const char *server_id)
{
	if (wishes.has_facility)
		c->facility = wishes.facility;
	if (wishes.has_format) {
		c->format = wishes.structured ? wishes.format : LOG_FORMAT_PLAIN;
		c->iso8601 = wishes.iso8601;
		c->instance = wishes.instance ? server_id : NULL;
	}
	if (wishes.verbose_path && lua_host_role() == LUA_DAEMON)
		c->verbose_path = wishes.verbose_path;
}

void lua_log_stop(void)
{
	free(wishes.verbose_path);
	memset(&wishes, 0, sizeof(wishes));
}

const struct lua_function log_functions[] = {
	{"infolog", info_log, ROW_READS, "text", "logs a line"},
	{"vinfolog", verbose_log, ROW_READS, "text", "logs a line when verbose logging is on"},
	{"warnlog", warn_log, ROW_READS, "text", "logs a line as a warning"},
	{"errlog", error_log, ROW_READS, "text", "logs a line as an error"},
	{"show", show, ROW_READS, "text", "shows a line on the console"},
	{"setVerboseLogDestination", set_verbose_destination, ROW_STARTUP | ROW_NOT_CLIENT, "path",
	 "verbose lines go only to this file"},
	{"setSyslogFacility", set_facility, ROW_STARTUP, "name|number",
	 "facility for syslog (daemon)"},
	{"setStructuredLogging", set_structured, ROW_STARTUP,
	 "true|false [, {backend=, timeFormat=, setInstanceFromServerID=}]",
	 "whether lines are made of key=\"value\""},
	{NULL, NULL, 0, NULL, NULL},
};
