#include "console/daemon.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <unistd.h>

#include "console/control.h"
#include "console/crypto.h"
#include "console/lua/host.h"
#include "console/notify.h"
#include "console/privileges.h"
#include "console/server.h"
#include "console/setup.h"
#include "console/stdin_console.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/settings.h"
#include "core/stats.h"
#include "pools/pool.h"
#include "rules/acl.h"
#include "rules/block_rules.h"
#include "rules/dyn_filter.h"
#include "rules/dynblocks.h"
#include "rules/asked.h"
#include "rules/hitters.h"
#include "rules/kernel_blocks.h"
#include "rules/kernel_filters.h"
#include "rules/overload.h"
#include "rules/rules.h"
#include "workers/workers.h"

static struct control_source mail_source;
static struct kfilter *automatic; /* the kernel filter that nobody asked for; NULL: none */

static const struct tables *live(void)
{
	return rcu_get(tables_live);
}

/* One worker for each core that the process may use, unless setWorkers says otherwise. */
static unsigned worker_number(void)
{
	unsigned n = live()->settings->workers;
	cpu_set_t set;

	if (n == 0 && sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	if (n == 0)
		n = 1;
	return n < WORKERS_MAX ? n : WORKERS_MAX;
}

static void log_netmasks(const char *what, const struct netmask_table *t)
{
	char line[4096] = "";
	size_t used = 0;

	for (size_t i = 0; i < netmask_table_len(t); i++) {
		char text[NETMASK_TEXT_MAX];
		uint32_t value;
		const struct netmask *nm = netmask_table_at(t, i, &value);
		int n = snprintf(line + used, sizeof(line) - used, "%s%s%s", i ? ", " : "",
				 value == ACL_DENY ? "!" : "", netmask_text(nm, text));

		if (n < 0 || (size_t)n >= sizeof(line) - used) {
			log_info("setup", "%s: %s and more, %zu in all", what, line,
				 netmask_table_len(t));
			return;
		}
		used += (size_t)n;
	}
	log_info("setup", "%s: %s", what, used ? line : "nobody");
}

static void log_setup(void)
{
	const struct tables *t = live();
	char text[ADDR_TEXT_MAX];

	for (unsigned i = 0; i < t->frontends->n; i++)
		if (t->frontends->list[i]->proto == PROTO_UDP)
			log_info("setup", "listening on %s",
				 addr_text_port(&t->frontends->list[i]->addr, text));
	log_netmasks("ACL allowing queries from", t->acl->table);
	log_netmasks("console ACL allowing connections from", t->console_config->acl);
	if (t->console_config->has_address) {
		log_info("setup", "accepting control connections on %s",
			 addr_text_port(&t->console_config->address, text));
		if (!t->console_config->has_key)
			log_warning(
				"setup",
				"the console has no key: every connection to it will be closed until setKey() gives it one");
	}
	if (t->pools->n_rows == 0)
		log_error("setup", "no downstream servers defined: all packets will get dropped");
}

static void mail_ready(struct control_source *s, uint32_t events)
{
	workers_drain();
	lua_query_count_read();
}

static void beat(void)
{
	block_groups_check();
	lua_block_rules_check();
	lua_query_count_read();
}

static void tick(void)
{
	bool needs_beat;

	lua_host_maintenance();
	needs_beat = hitters_on() || asked_on() || lua_block_rules_watched();
	control_on_beat(beat, needs_beat ? HITTERS_BEAT_US / 1000 : 0);
	dyn_filters_tick(clock_mono_us());
	kernel_blocks_tick(clock_mono_us());
	dynblocks_tick(clock_mono_us(), live()->settings->dynblocks_purge_s);
	stats_tick();
	overload_tick(clock_mono_us());
	rules_settle();
	workers_tick();
	servers_collect();
	tables_collect();
	mem_decay();
	console_server_tick();
	if (lua_host_wants_exit())
		control_end();
}

/* A transaction changed the console's part while traffic flows. */
static void console_changed(const struct console_config *config)
{
	struct err err = {""};

	if (console_server_follow(config, &err) < 0)
		log_error("console", "%s", err.text);
}

/* Datagrams alone: a connection that is refused costs its client more than us. */
static void attach_automatic(bool on)
{
	const struct frontends *f = live()->frontends;
	struct err err;

	for (unsigned i = 0; i < f->n; i++)
		if (f->list[i]->proto == PROTO_UDP &&
		    frontend_set_filter(f->list[i], on ? automatic : NULL, &err) < 0)
			log_error("kernel filter", "%s", err.text);
}

/* Nobody has asked for it, so nobody is told on the usual log that there is none. */
static void begin_automatic(void)
{
	struct err err;

	automatic = kernel_filter_automatic(&err);
	if (automatic)
		kernel_blocks_start(automatic, attach_automatic);
	else
		log_debug("kernel filter", "there is none: %s; dynamic blocks are done in user space",
			  err.text);
}

/* While there are privileges for it. */
static void begin_filters(const struct frontends *f)
{
	struct kfilter *by_default = kernel_filter_default();
	struct err err;

	frontends_begin_filters(f);
	for (unsigned i = 0; by_default && i < f->n; i++)
		if (f->list[i]->filter == NULL &&
		    frontend_set_filter(f->list[i], by_default, &err) < 0)
			log_error("kernel filter", "%s", err.text);
	kernel_filters_begin();
	if (by_default)
		kernel_blocks_start(by_default, NULL);
	else if (kernel_filters_count() == 0 && live()->settings->kernel_filter)
		begin_automatic();
}

/* Everything that can fail before workers exist. 0, or a negative errno with err set. */
static int open_sockets(const struct options *o, unsigned n_workers, struct err *err)
{
	const struct tables *t = live();
	int rc = frontends_bind(t->frontends, n_workers, err);

	if (rc < 0)
		return rc;
	begin_filters(t->frontends);
	rc = console_server_follow(t->console_config, err);
	if (rc < 0 && t->console_config->bind_fatal)
		return rc;
	if (rc < 0)
		log_error("console", "%s", err->text);
	console_config_on_commit = console_changed;
	return privileges_drop(o->uid, o->gid, err);
}

static int start_workers(unsigned n, struct err *err)
{
	static const struct workers_hooks hooks = {
		.server_changed = lua_host_server_changed,
		.check_function = lua_host_check_function,
		.check_validator = lua_host_check_validator,
	};
	int rc = workers_start(n, &hooks, err);

	if (rc < 0)
		return rc;
	lua_query_count_follow(); /* what the file said */
	mail_source = (struct control_source){mail_ready, workers_mail_fd()};
	rc = control_watch(&mail_source, EPOLLIN);
	if (rc < 0) {
		workers_stop();
		err_set(err, "the workers' mail can't be waited for: %s", strerror(-rc));
	}
	return rc;
}

static void serve(const struct options *o)
{
	if (!control_run_until(workers_checked_once))
		return; /* told to stop before the first checks had ended */
	lua_host_runtime();
	workers_serve();
	log_setup();
	notify("READY=1");
	if (!o->supervised)
		stdin_console_start();
	control_run();
}

static void stop(void)
{
	log_info("setup", "Exiting on user request");
	notify("STOPPING=1");
	lua_host_exit_callbacks();
	stdin_console_stop();
	console_config_on_commit = NULL;
	console_server_stop();
	workers_stop();
}

int daemon_run(const struct options *o)
{
	struct err err = {""};
	unsigned n;
	int rc = control_init();

	if (rc < 0) {
		log_error("setup", "the control thread's loop can't be set up: %s", strerror(-rc));
		return 1;
	}
	control_on_signal(lua_host_interrupt);
	rc = setup_configuration(o, LUA_DAEMON, &err);
	if (rc < 0)
		goto out;
	n = worker_number();
	rc = open_sockets(o, n, &err);
	if (rc == 0)
		rc = start_workers(n, &err);
	if (rc == 0) {
		control_on_tick(tick);
		serve(o);
		stop();
	}
out:
	if (rc < 0 && control_is_ending())
		rc = 0; /* what failed was told to stop */
	if (rc < 0)
		log_error("setup", "%s", err.text);
	control_on_signal(NULL);
	setup_end();
	kfilter_unref(automatic);
	automatic = NULL;
	control_fini();
	return rc < 0;
}

int daemon_check(const struct options *o)
{
	struct err err = {""};
	int rc = setup_configuration(o, o->client ? LUA_CLIENT : LUA_CHECK, &err);

	if (rc < 0)
		log_error("setup", "%s", err.text);
	else
		setup_say_ok(o);
	lua_host_exit_callbacks();
	setup_end();
	return rc < 0;
}
