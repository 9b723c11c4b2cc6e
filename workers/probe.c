/* The health checks of the servers that this worker owns: when, with what result, and what follows.
 */
#include "workers/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"

#define TICK_US 1000000

/* Checks of one worker are spread over the second in so many groups, by the server's slot. */
#define STAGGER_GROUPS 8

/* Good outcomes of real queries that another worker saves up before it tells the owner of the
 * checks. */
#define LAZY_BATCH 32

static const struct {
	const char *text;
	size_t counter;
} failures[] = {
	[PROBE_TIMEOUT] = {"timeout", offsetof(struct server_counters, check_timeout)},
	[PROBE_NETWORK] = {"network error", offsetof(struct server_counters, check_network)},
	[PROBE_MISMATCH] = {"answer to another question",
			    offsetof(struct server_counters, check_mismatch)},
	[PROBE_PARSING] = {"malformed answer", offsetof(struct server_counters, check_parsing)},
	[PROBE_UNSENT] = {"not sent", offsetof(struct server_counters, check_network)},
	[PROBE_INVALID] = {"bad answer", offsetof(struct server_counters, check_invalid)},
};

/* The operator's word holds over the checks', which rest meanwhile. */
static bool is_forced(const struct upstream *up)
{
	return up->def->force != SERVER_AUTO;
}

static void publish(struct server *s)
{
	atomic_store_explicit(&s->up, s->health.up, memory_order_relaxed);
	atomic_store_explicit(&s->checked, true, memory_order_release);
}

static void log_change(const struct upstream *up, const char *reason)
{
	char name[512];

	server_name_with_addr(up->server, up->def, name, sizeof(name));
	if (up->server->health.up)
		log_notice("health", "server %s is up", name);
	else
		log_warning("health", "server %s is down: %s", name, reason);
}

static void changed(struct upstream *up, enum health_change change, bool first, const char *reason)
{
	struct server *s = up->server;

	publish(s);
	if (change == HEALTH_SAME)
		return;
	if (!s->health.up)
		server_reset_latency(s);
	if (is_forced(up))
		return;
	log_change(up, reason);
	probe_tell_change(s, s->health.up, first);
}

static void count_failure(struct worker *w, struct upstream *up, enum probe_failure why,
			  const char *reason)
{
	struct server_counters *c = up->counters;
	char name[512];

	counter_inc(&c->check_failures);
	counter_inc((_Atomic uint64_t *)((char *)c + failures[why].counter));
	if (w->settings->verbose_health_checks)
		log_info("health", "check of server %s failed: %s",
			 server_name_with_addr(up->server, up->def, name, sizeof(name)), reason);
}

void probe_ended(struct worker *w, struct probe *p, enum probe_failure why, const char *text)
{
	struct upstream *up = p->up;
	struct health *h = &up->server->health;
	bool first = h->first;
	char reason[256] = "";

	p->state = PROBE_IDLE;
	/* But a first check that can't be sent decides like any other: the start waits for it. */
	if (why == PROBE_UNSENT && !first) {
		health_probe_unsent(h, w->now_us);
		return;
	}
	if (why != PROBE_GOOD) {
		snprintf(reason, sizeof(reason), "%s%s%s%s", failures[why].text, text ? " (" : "",
			 text ? text : "", text ? ")" : "");
		count_failure(w, up, why, reason);
	}
	changed(up, health_probe_result(h, &up->def->health, why == PROBE_GOOD, w->now_us), first,
		reason);
}

void probe_answered(struct worker *w, struct probe *p, const uint8_t *answer, size_t len)
{
	struct server *s = p->up->server;

	atomic_store_explicit(&s->check_latency_us, (uint32_t)(w->now_us - p->started_us),
			      memory_order_relaxed);
	if (s->fixed.check_validator >= 0)
		probe_ask_validator(w, p, answer, len);
	else
		probe_ended(w, p, PROBE_GOOD, NULL);
}

static void begin(struct worker *w, struct probe *p)
{
	const struct server_fixed *f = &p->up->server->fixed;

	health_probe_sent(&p->up->server->health);
	p->run++;
	p->asked = (struct check_question){.name_len = f->check_name_len,
					   .qtype = f->check_type,
					   .qclass = f->check_class,
					   .flags = DNS_RD | (f->check_cd ? DNS_CD : 0)};
	memcpy(p->asked.name, f->check_name, f->check_name_len);
	if (f->check_function >= 0)
		probe_ask_function(w, p);
	else
		probe_exchange(w, p);
}

static void begin_if_due(struct worker *w, struct probe *p)
{
	if (p->state == PROBE_IDLE && !is_forced(p->up) &&
	    health_is_due(&p->up->server->health, w->now_us))
		begin(w, p);
}

static void tick(struct timer *timer, void *ctx)
{
	struct probe *p = container_of(timer, struct probe, tick);
	struct worker *w = ctx;

	timer_start(timers_queue(&w->timers, TICK_US), &p->tick, w->now_us);
	begin_if_due(w, p);
}

static void probe_open(struct worker *w, struct upstream *up)
{
	struct probe *p = mem_zalloc(1, sizeof(*p));
	struct server *s = up->server;
	uint64_t phase_us = s->slot / w->n_workers % STAGGER_GROUPS * (TICK_US / STAGGER_GROUPS);

	p->up = up;
	p->udp.fd = p->stream.source.fd = -1;
	p->tick.fire = tick;
	up->probe = p;
	health_fini(&s->health); /* of a time when the server was in the tables before */
	health_init(&s->health, &up->def->health, w->now_us);
	if (!s->health.first)
		publish(s);
	timer_start(timers_queue(&w->timers, TICK_US / STAGGER_GROUPS + phase_us), &p->tick,
		    w->now_us);
	/* The first one is not staggered: the start waits for it. */
	begin_if_due(w, p);
}

static void probe_retune(struct worker *w, struct upstream *up)
{
	struct server *s = up->server;

	health_retune(&s->health, &up->def->health, w->now_us);
	if (!s->health.first)
		publish(s);
	begin_if_due(w, up->probe);
}

void probe_close(struct worker *w, struct upstream *up)
{
	struct probe *p = up->probe;

	if (p == NULL)
		return;
	probe_exchange_stop(w, p);
	timer_stop(&p->tick);
	up->probe = NULL;
	worker_free_later(w, p);
}

void probe_reconcile(struct worker *w)
{
	const struct pools *pools = w->t->pools;

	for (unsigned i = 0; i < pools->n_rows; i++) {
		struct server *s = pools->rows[i].server;
		struct upstream *up;

		if (probe_owner(w, s) != w->id)
			continue;
		up = upstream_get(w, s);
		if (up->probe == NULL)
			probe_open(w, up);
		else
			probe_retune(w, up);
	}
	for (unsigned i = 0; i < w->n_upstreams; i++) {
		if (w->upstreams[i] != NULL && w->upstreams[i]->removed)
			probe_close(w, w->upstreams[i]);
	}
}

void probe_set_status(struct worker *w, struct server *s, bool up)
{
	struct upstream *u = s->slot < w->n_upstreams ? w->upstreams[s->slot] : NULL;

	if (u == NULL || u->server != s || u->probe == NULL)
		return;
	health_set(&s->health, &u->def->health, up, w->now_us);
	publish(s);
	if (!up)
		server_reset_latency(s);
}

/* Outcomes of real queries, in the worker that owns the checks: good ones first, then a bad one. */
static void lazy_results(struct worker *w, struct upstream *up, unsigned n_good, bool then_bad)
{
	struct health *h = &up->server->health;
	enum health_change change;

	for (unsigned i = 0; i < n_good; i++)
		health_query_result(h, &up->def->health, false, w->now_us);
	if (!then_bad)
		return;
	change = health_query_result(h, &up->def->health, true, w->now_us);
	changed(up, change, false, "too many queries failed");
	begin_if_due(w, up->probe);
}

struct lazy_mail {
	struct mail mail;
	struct server *server;
	unsigned n_good;
	bool then_bad;
};

static void run_lazy(struct mail *mail, void *owner)
{
	struct lazy_mail *m = container_of(mail, struct lazy_mail, mail);
	struct worker *w = owner;
	unsigned slot = m->server->slot;
	struct upstream *up = slot < w->n_upstreams ? w->upstreams[slot] : NULL;

	if (up != NULL && up->server == m->server && up->probe != NULL)
		lazy_results(w, up, m->n_good, m->then_bad);
	atomic_fetch_sub_explicit(&m->server->users, 1, memory_order_release);
	free(m);
}

static void mail_results(struct worker *w, struct upstream *up, unsigned n_good, bool then_bad)
{
	struct lazy_mail *m = malloc(sizeof(*m));

	if (m == NULL)
		return;
	*m = (struct lazy_mail){
		.mail.run = run_lazy, .server = up->server, .n_good = n_good, .then_bad = then_bad};
	atomic_fetch_add_explicit(&up->server->users, 1, memory_order_relaxed);
	mailbox_post(workers_inbox(probe_owner(w, up->server)), &m->mail);
}

void probe_query_result(struct worker *w, struct upstream *up, bool bad)
{
	if (up->probe != NULL) {
		lazy_results(w, up, !bad, bad);
		return;
	}
	/* The owner must see a bad one at once, good ones before the next bad one. */
	up->lazy_good += !bad;
	if (!bad && up->lazy_good < LAZY_BATCH)
		return;
	mail_results(w, up, up->lazy_good, bad);
	up->lazy_good = 0;
}
