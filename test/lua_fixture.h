/* What the tests of the Lua host share: a process in small, a configuration as text, commands. */
#ifndef TEST_LUA_FIXTURE_H
#define TEST_LUA_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/config.h"
#include "console/lua/host.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/rand.h"
#include "core/settings.h"
#include "core/tls/tls.h"
#include "pools/pool.h"
#include "rules/acl.h"
#include "rules/rules.h"
#include "workers/frontend.h"

/* Shorthands of the messages' place: the file of the test is always called so. */
#define FILE_NAME "test.conf"

/* Once for the whole program; the working directory becomes a new one. */
static inline int lua_fixture_setup(void **state)
{
	char dir[] = "/tmp/test_lua.XXXXXX";

	(void)state;
	if (mkdtemp(dir) == NULL || chdir(dir) < 0 || rand_init() < 0 || tls_init() < 0)
		return -1;
	hash_init(1);
	settings_register();
	acl_register();
	pools_register();
	rules_register();
	frontends_register();
	console_config_register();
	return 0;
}

static inline void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Runs text as the configuration file in a new host and publishes it. 0, or -EINVAL with err. */
static inline int configure(enum lua_role role, const char *text, struct err *err)
{
	struct txn *txn = txn_begin();

	write_file(FILE_NAME, text);
	lua_host_start(role);
	err->text[0] = '\0';
	if (lua_host_file(FILE_NAME, txn, err) < 0) {
		txn_drop(txn);
		return -EINVAL;
	}
	return txn_commit(txn, err);
}

static inline void unconfigure(void)
{
	lua_host_stop();
	tables_shutdown();
	servers_collect();
}

/* Fails with the label unless the text is what is wanted; "…" at the end of want: begins with it.
 */
static inline void check_text(const char *label, const char *got, const char *want)
{
	size_t len = strlen(want);
	bool begins = len >= 3 && strcmp(want + len - 3, "…") == 0;

	if (begins ? strncmp(got, want, len - 3) != 0 : strcmp(got, want) != 0)
		fail_msg("%s:\n got: %s\nwant: %s", label, got, want);
}

/* A console command; compares its whole output. */
static inline void check_command(const char *label, const char *line, const char *want)
{
	char *got = lua_host_command(line, NULL);

	check_text(label, got, want);
	free(got);
}

/* From here to captured(), what the process writes to its standard output goes to a file. */
static inline int capture(void)
{
	int real = dup(STDOUT_FILENO);

	fflush(stdout);
	assert_non_null(freopen("captured", "w", stdout));
	return real;
}

/* What that was; lent until the next call. */
static inline const char *captured(int real)
{
	static char text[8192];
	FILE *file;
	size_t len;

	fflush(stdout);
	dup2(real, STDOUT_FILENO);
	close(real);
	file = fopen("captured", "r");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	return text;
}

/* A configuration that must pass, and what it logs or prints. */
static inline void check_says(const char *label, const char *config, const char *want)
{
	struct err err;
	int real = capture();
	int rc = configure(LUA_DAEMON, config, &err);
	const char *got = captured(real);

	if (rc < 0)
		fail_msg("%s: refused: %s", label, err.text);
	check_text(label, got, want);
	unconfigure();
}

/* A configuration that must fail: compares the message. */
static inline void check_refused(const char *label, const char *text, const char *want)
{
	struct err err;

	if (configure(LUA_DAEMON, text, &err) == 0)
		fail_msg("%s: accepted", label);
	check_text(label, err.text, want);
	unconfigure();
}

/* A configuration that must pass, then a command. */
static inline void check_after(const char *label, const char *text, const char *line,
			       const char *want)
{
	struct err err;

	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s: refused: %s", label, err.text);
	lua_host_runtime();
	check_command(label, line, want);
	unconfigure();
}

/* Commands on one configuration, in this order, and what each answers. */
struct line {
	const char *label, *line, *want;
};

static inline void check_lines(const char *config, const struct line *lines, size_t n)
{
	struct err err;

	if (configure(LUA_DAEMON, config, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	for (size_t i = 0; i < n; i++)
		check_command(lines[i].label, lines[i].line, lines[i].want);
	unconfigure();
}

#endif
