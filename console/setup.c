#include "console/setup.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "console/crypto.h"
#include "console/daemon.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/rand.h"
#include "core/settings.h"
#include "core/tls/tls.h"
#include "pools/pool.h"
#include "rules/acl.h"
#include "rules/dyn_filter.h"
#include "rules/dynblocks.h"
#include "rules/kernel_blocks.h"
#include "rules/kernel_edits.h"
#include "rules/kernel_filters.h"
#include "rules/rules.h"
#include "workers/frontend.h"

/* As the command line says, and as the configuration file says once it has run. */
static struct log_config log_config;

static void configure_log(const struct options *o)
{
	struct log_config c = {
		.format = LOG_FORMAT_PLAIN,
		.verbose = o->verbose,
		.syslog = !o->disable_syslog && !o->client && !o->check_config,
		.to_stderr = o->client && !o->check_config,
		.timestamps = o->log_timestamps,
		.facility = LOG_DAEMON,
	};

	/* A client's messages are for a person, not for a log collector. */
	if (o->structured && (!o->client || o->check_config)) {
		c.format = LOG_FORMAT_STRUCTURED;
		if (o->structured_backend && strcmp(o->structured_backend, "json") == 0)
			c.format = LOG_FORMAT_JSON;
		if (o->structured_backend && strcmp(o->structured_backend, "systemd-journal") == 0)
			c.format = LOG_FORMAT_JOURNAL;
	}
	log_config = c;
	log_configure(&c);
}

/* setSyslogFacility, setStructuredLogging, setVerboseLogDestination. Strings are the tables' and the host's. */
static void configure_log_again(const struct console_config *config)
{
	char name[256] = "";

	if (*config->server_id == '\0')
		gethostname(name, sizeof(name) - 1);
	lua_host_log_config(&log_config, *config->server_id ? config->server_id : name);
	log_configure(&log_config);
	log_config.instance = NULL;
}

int setup_process(const struct options *o)
{
	configure_log(o);
	if (rand_init() < 0 || tls_init() < 0) {
		log_error("setup", "the cryptographic libraries can't be set up");
		return -EIO;
	}
	hash_init(0);
	settings_register();
	acl_register();
	pools_register();
	rules_register();
	dynblocks_start();
	frontends_register();
	console_config_register();
	return 0;
}

/* What the command line says is there before the file runs: -a, -k, -v. */
static int before_file(const struct options *o, struct txn *txn, struct err *err)
{
	struct acl *acl = TXN_EDIT(txn, ACL, acl);
	struct console_config *console;

	if (o->acl.n == 0)
		acl_add_defaults(acl->table);
	for (unsigned i = 0; i < o->acl.n; i++)
		if (acl_add(acl->table, o->acl.list[i], err) < 0) {
			err_prefix(err, "--acl");
			return -EINVAL;
		}
	if (o->local.n > 0)
		TXN_EDIT(txn, SETTINGS, settings)->local_override = true;
	if (o->verbose)
		TXN_EDIT(txn, SETTINGS, settings)->verbose = true;
	if (o->key == NULL)
		return 0;
	console = TXN_EDIT(txn, CONSOLE, console_config);
	if (console_key_parse(o->key, console->key, err) < 0) {
		err_prefix(err, "--setkey");
		return -EINVAL;
	}
	console->has_key = true;
	return 0;
}

static int listen_on(struct frontends *f, const char *text, struct err *err)
{
	struct frontend_options options;
	struct addr addr;
	int rc;

	frontend_options_default(&options);
	rc = addr_parse(text, 53, &addr, err);
	if (rc == 0)
		rc = frontends_add_local(f, &addr, &options, err);
	if (rc < 0)
		err_prefix(err, "--local");
	return rc;
}

static int add_server(struct pools *pools, const char *text, struct err *err)
{
	struct server_fixed fixed;
	struct server *server;

	server_fixed_default(&fixed);
	fixed.id = uuid_random();
	if (addr_parse(text, 53, &fixed.addr, err) < 0)
		return -EINVAL;
	if (addr_is_any(&fixed.addr))
		return err_set(err, "%s is no address that a server can have", text);
	server = server_new(&fixed);
	pools_add_server(pools, server, server_def_new());
	pools_join(pools, server, "");
	return 0;
}

/* What the command line says in place of the file, or beside it: -l, servers; and the default
 * listener. */
static int after_file(const struct options *o, struct txn *txn, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < o->local.n && rc == 0; i++)
		rc = listen_on(TXN_EDIT(txn, FRONTENDS, frontends), o->local.list[i], err);
	if (rc == 0 && TXN_READ(txn, FRONTENDS, frontends)->n == 0)
		rc = listen_on(TXN_EDIT(txn, FRONTENDS, frontends), "127.0.0.1", err);
	for (unsigned i = 0; i < o->positional.n && rc == 0 && !o->client; i++)
		rc = add_server(TXN_EDIT(txn, POOLS, pools), o->positional.list[i], err);
	return rc;
}

static int run_file(const struct options *o, struct txn *txn, struct err *err)
{
	const char *path = o->config ? o->config : DEFAULT_CONFIG;

	if (access(path, F_OK) < 0 && o->config == NULL && o->client)
		return 0; /* all may have come on the command line; what lacks is said later */
	if (access(path, R_OK) < 0) {
		int rc = -errno;

		err_set(err, "unable to read configuration from '%s': %s", path, strerror(-rc));
		return rc;
	}
	return lua_host_file(path, txn, err);
}

int setup_configuration(const struct options *o, enum lua_role role, struct err *err)
{
	struct txn *txn = txn_begin();
	int rc;

	lua_host_start(role);
	lua_host_strict(o->strict);
	kernel_edits_begin();
	rc = before_file(o, txn, err);
	if (rc == 0)
		rc = run_file(o, txn, err);
	if (rc == 0)
		rc = after_file(o, txn, err);
	kernel_edits_end(rc == 0);
	if (rc < 0) {
		txn_drop(txn);
		return rc;
	}
	if (role != LUA_CLIENT)
		configure_log_again(TXN_READ(txn, CONSOLE, console_config));
	return o->check_config ? txn_check(txn, err) : txn_commit(txn, err);
}

void setup_end(void)
{
	lua_host_stop();
	dyn_filters_stop();
	kernel_blocks_stop();
	dynblocks_stop();
	tables_shutdown();
	kernel_filters_stop();
	servers_collect();
	tls_fini();
}

void setup_say_ok(const struct options *o)
{
	const char *path = o->config ? o->config : DEFAULT_CONFIG;

	if (log_config.format != LOG_FORMAT_PLAIN)
		log_info("setup", "Configuration OK");
	else
		printf("Configuration '%s' OK!\n", path);
	fflush(stdout);
}

int setup_client_target(const struct options *o, struct client_target *target, struct err *err)
{
	const struct console_config *config = rcu_get(tables_live)->console_config;

	if (o->positional.n > 0) {
		if (addr_parse(o->positional.list[0], 5199, &target->addr, err) < 0)
			return -EINVAL;
	} else if (config->has_address) {
		target->addr = config->address;
	} else {
		addr_parse("127.0.0.1", 5199, &target->addr, NULL);
	}
	target->max_message = config->max_message;
	if (!config->has_key) {
		err_set(err,
			"The currently configured console key is not valid, please configure a valid key using the "
			"setKey() directive");
		return -ENOKEY;
	}
	memcpy(target->key, config->key, sizeof(target->key));
	return 0;
}
