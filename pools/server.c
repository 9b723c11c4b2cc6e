#include "pools/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/tls/tls.h"
#include "pools/limiter.h"

/* By slot; NULL: free. Control thread only, like all static state here. */
static struct server **slots;
static unsigned n_slots;
static unsigned n_parked; /* nobody names them, but a worker still has an upstream */
static void (*free_hook)(struct server *s);

void server_fixed_default(struct server_fixed *f)
{
	/* the wire form of a.root-servers.net. */
	static const uint8_t check_name[] = "\1a\14root-servers\3net";

	*f = (struct server_fixed){
		.sockets = 1,
		.retries = 5,
		.tcp_connect_timeout_s = 5,
		.tcp_send_timeout_s = 30,
		.tcp_recv_timeout_s = 30,
		.max_in_flight = 1,
		.ip_bind_addr_no_port = true,
		.check_name_len = sizeof(check_name),
		.check_type = TYPE_A,
		.check_class = CLASS_IN,
		.check_function = -1,
		.check_validator = -1,
	};
	memcpy(f->check_name, check_name, sizeof(check_name));
}

static unsigned slot_take(struct server *s)
{
	unsigned slot = 0;

	while (slot < n_slots && slots[slot] != NULL)
		slot++;
	if (slot == n_slots)
		slots = mem_realloc(slots, ++n_slots, sizeof(struct server *));
	slots[slot] = s;
	return slot;
}

static void slot_give_back(unsigned slot)
{
	slots[slot] = NULL;
	while (n_slots > 0 && slots[n_slots - 1] == NULL)
		n_slots--;
	if (n_slots == 0) {
		free(slots);
		slots = NULL;
	}
}

unsigned server_slots(void)
{
	return n_slots;
}

void servers_on_free(void (*hook)(struct server *s))
{
	free_hook = hook;
}

struct server *server_new(const struct server_fixed *fixed)
{
	struct server *s = mem_lines(sizeof(*s));

	s->fixed = *fixed;
	s->refs = 1;
	perworker_init(&s->counters, sizeof(struct server_counters));
	s->slot = slot_take(s);
	return s;
}

struct server *server_ref(struct server *s)
{
	s->refs++;
	return s;
}

static void server_free(struct server *s)
{
	if (free_hook != NULL)
		free_hook(s);
	slot_give_back(s->slot);
	if (s->fixed.tls != NULL)
		tls_client_free(s->fixed.tls);
	health_fini(&s->health);
	perworker_fini(&s->counters);
	free(s);
}

/* Once out of all tables nobody new can find it, so that users only falls: 0 is the end. */
static bool is_unused(const struct server *s)
{
	return atomic_load_explicit(&s->users, memory_order_acquire) == 0;
}

void server_unref(struct server *s)
{
	assert(s->refs > 0);
	if (--s->refs > 0)
		return;
	if (is_unused(s))
		server_free(s);
	else
		n_parked++;
}

void servers_collect(void)
{
	for (unsigned i = n_slots; n_parked > 0 && i-- > 0;) {
		struct server *s = slots[i];

		if (s == NULL || s->refs > 0 || !is_unused(s))
			continue;
		server_free(s);
		n_parked--;
	}
}

struct server_def *server_def_new(void)
{
	struct server_def *d = mem_zalloc(1, sizeof(*d));

	d->refs = 1;
	d->name = mem_strdup("");
	d->weight = 1;
	d->order = 1;
	d->force = SERVER_AUTO;
	health_params_default(&d->health);
	return d;
}

struct server_def *server_def_clone(const struct server_def *d)
{
	struct server_def *copy = mem_alloc(sizeof(*copy));

	*copy = *d;
	copy->refs = 1;
	copy->name = mem_strdup(d->name);
	copy->tag = NULL;
	return copy;
}

struct server_def *server_def_ref(struct server_def *d)
{
	d->refs++;
	return d;
}

void server_def_unref(struct server_def *d)
{
	assert(d->refs > 0);
	if (--d->refs > 0)
		return;
	free(d->name);
	free(d->tag);
	free(d);
}

const char *server_state_text(const struct server *s, const struct server_def *d)
{
	if (d->force == SERVER_FORCED_UP)
		return "UP";
	if (d->force == SERVER_FORCED_DOWN)
		return "DOWN";
	return server_is_up(s, d) ? "up" : "down";
}

char *server_name_with_addr(const struct server *s, const struct server_def *d, char *out,
			    size_t size)
{
	char text[ADDR_TEXT_MAX];

	addr_text_port(&s->fixed.addr, text);
	if (d->name[0] == '\0')
		snprintf(out, size, "%s", text);
	else
		snprintf(out, size, "%s (%s)", d->name, text);
	return out;
}

bool server_take_qps(struct server *s, const struct server_def *d, uint64_t now_us)
{
	return d->qps == 0 || limiter_take(&s->qps_bucket, d->qps, d->qps, now_us);
}

bool server_has_qps(const struct server *s, const struct server_def *d, uint64_t now_us)
{
	return d->qps == 0 || limiter_has(&s->qps_bucket, d->qps, d->qps, now_us);
}

uint64_t server_sum(const struct server *s, size_t offset_in_counters)
{
	return perworker_sum(&s->counters, offset_in_counters);
}

static uint32_t epoch_of(const struct server *s)
{
	return atomic_load_explicit(&s->latency_epoch, memory_order_relaxed);
}

/* The block's average and its samples; both 0 when it is one of before the last reset. */
static double block_latency_us(const struct server *s, const struct server_counters *c, bool tcp,
			       uint64_t *samples)
{
	*samples = 0;
	if (c == NULL ||
	    atomic_load_explicit(&c->latency_epoch, memory_order_relaxed) != epoch_of(s))
		return 0;
	*samples = counter_get(tcp ? &c->tcp_latency_samples : &c->udp_latency_samples);
	return (double)counter_get(tcp ? &c->tcp_latency_q16 : &c->udp_latency_q16) / 65536;
}

double server_worker_latency_us(const struct server *s, unsigned worker, bool tcp)
{
	uint64_t samples;

	return block_latency_us(s, perworker_peek(&s->counters, worker), tcp, &samples);
}

double server_latency_us(const struct server *s, bool tcp)
{
	double sum = 0, weights = 0;

	for (unsigned worker = 0; worker <= WORKERS_MAX; worker++) {
		uint64_t samples;
		double us =
			block_latency_us(s, perworker_peek(&s->counters, worker), tcp, &samples);

		sum += us * (double)samples;
		weights += (double)samples;
	}
	return weights > 0 ? sum / weights : 0;
}

static void set(_Atomic uint64_t *c, uint64_t v)
{
	atomic_store_explicit(c, v, memory_order_relaxed);
}

static void latency_restart(struct server_counters *c, uint32_t epoch)
{
	set(&c->udp_latency_q16, 0);
	set(&c->tcp_latency_q16, 0);
	set(&c->udp_latency_samples, 0);
	set(&c->tcp_latency_samples, 0);
	atomic_store_explicit(&c->latency_epoch, epoch, memory_order_relaxed);
}

void server_count_latency(const struct server *s, struct server_counters *c, bool tcp, uint32_t us)
{
	_Atomic uint64_t *average = tcp ? &c->tcp_latency_q16 : &c->udp_latency_q16;
	uint32_t epoch = epoch_of(s);

	if (unlikely(atomic_load_explicit(&c->latency_epoch, memory_order_relaxed) != epoch))
		latency_restart(c, epoch);
	set(average, (counter_get(average) * 127 + ((uint64_t)us << 16)) / 128);
	counter_inc(tcp ? &c->tcp_latency_samples : &c->udp_latency_samples);
}

void server_reset_latency(struct server *s)
{
	atomic_fetch_add_explicit(&s->latency_epoch, 1, memory_order_relaxed);
}
