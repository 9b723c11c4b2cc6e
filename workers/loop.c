/* The worker's loop: one turn is a batch of events under one generation of the tables. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rand.h"
#include "core/regex.h"
#include "core/rcu.h"
#include "core/tls/tls.h"
#include "workers/delay.h"
#include "workers/loop.h"
#include "workers/reconcile.h"
#include "rules/dynblocks.h"
#include "rules/log_sink.h"
#include "rules/overload.h"
#include "rules/run.h"
#include "workers/slab.h"
#include "workers/udp.h"
#include "workers/upstream.h"
#include "workers/worker.h"

/* Events taken at once. More would only lengthen a turn, and with it the age of w->now_us. */
#define EVENTS_MAX 64

struct turn {
	struct epoll_event ev[EVENTS_MAX];
	int n, at;
	void **later;
	unsigned n_later, cap_later;
};

int worker_watch(struct worker *w, struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0 ? -errno : 0;
}

int worker_rewatch(struct worker *w, struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) < 0 ? -errno : 0;
}

void worker_unwatch(struct worker *w, struct source *s)
{
	struct turn *turn = w->turn;

	epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	for (int i = turn->at; i < turn->n; i++)
		if (turn->ev[i].data.ptr == s)
			turn->ev[i].data.ptr = NULL;
}

void worker_free_later(struct worker *w, void *mem)
{
	struct turn *turn = w->turn;

	if (turn->n_later == turn->cap_later) {
		turn->cap_later = turn->cap_later ? 2 * turn->cap_later : 16;
		turn->later = mem_realloc(turn->later, turn->cap_later, sizeof(*turn->later));
	}
	turn->later[turn->n_later++] = mem;
}

static void free_later_now(struct turn *turn)
{
	while (turn->n_later > 0)
		free(turn->later[--turn->n_later]);
}

static void inbox_ready(struct worker *w, struct source *s, uint32_t events)
{
	mailbox_drain(&w->inbox, w);
}

/*
 * A worker that was busy a turn ago does not rest: it asks for what is there, and only announces
 * that it holds no pointer. Going offline and back costs two fences, which a full batch need not
 * pay.
 */
static void wait_events(struct worker *w)
{
	struct turn *turn = w->turn;
	bool busy = w->received >= BATCH_MAX / 2;
	int timeout_ms = busy ? 0 : timers_next_ms(&w->timers, w->now_us, -1);

	w->received = 0;
	w->t = NULL;
	if (timeout_ms == 0) {
		rcu_quiet();
		turn->n = epoll_wait(w->epoll_fd, turn->ev, EVENTS_MAX, 0);
	} else {
		rcu_rest();
		turn->n = epoll_wait(w->epoll_fd, turn->ev, EVENTS_MAX, timeout_ms);
		rcu_wake();
	}
	turn->at =
		0; /* from here on worker_unwatch takes out of this batch, when tables change too */
}

static void look_at_tables(struct worker *w)
{
	w->t = rcu_get(tables_live);
	w->settings = w->t->settings;
	w->policy.settings = w->settings;
	w->policy.now_us = w->now_us;
	if (unlikely(pins_enter(&w->pins, w->t)))
		worker_reconcile(w);
	if (unlikely(!w->serving && atomic_load_explicit(&w->serve, memory_order_acquire)))
		worker_begin_serving(w);
}

static void turn_once(struct worker *w)
{
	struct turn *turn = w->turn;

	wait_events(w);
	w->now_us = clock_mono_us();
	w->now_s = (uint32_t)(w->now_us / 1000000);
	look_at_tables(w);
	while (turn->at < turn->n) {
		struct epoll_event *ev = &turn->ev[turn->at++];
		struct source *s = ev->data.ptr;

		if (likely(s != NULL))
			s->ready(w, s, ev->events);
	}
	timers_run(&w->timers, w->now_us, w);
	streams_flush(w);
	udp_flush(w);
	if (unlikely(w->upstreams_ended))
		upstreams_release_ended(w);
	if (unlikely(turn->n_later > 0))
		free_later_now(turn);
}

void *worker_main(void *worker)
{
	struct worker *w = worker;
	char name[16];

	snprintf(name, sizeof(name), "worker/%u", w->id);
	pthread_setname_np(pthread_self(), name);
	log_queue_attach(w->log);
	rcu_join();
	regex_thread_init(); /* not on the first packet that meets an expression */
	w->policy.round_robin = rand_u32();
	w->received = BATCH_MAX; /* the first turn does not wait: checks begin with it */
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed))
		turn_once(w);
	worker_end_serving(w);
	free_later_now(w->turn);
	pins_fini(&w->pins);
	rcu_leave();
	tls_thread_fini();
	log_queue_attach(NULL);
	return NULL;
}

static int open_inbox(struct worker *w)
{
	int rc = mailbox_init(&w->inbox);

	if (rc < 0)
		return rc;
	w->inbox_source = (struct source){inbox_ready, w->inbox.wake_fd};
	rc = worker_watch(w, &w->inbox_source, EPOLLIN);
	if (rc < 0)
		mailbox_fini(&w->inbox);
	return rc;
}

static struct traffic_ring *open_ring(const struct worker *w, enum traffic_kind kind)
{
	const struct settings *s = rcu_get(tables_live)->settings;
	size_t entries = (s->ring_entries + w->n_workers - 1) / w->n_workers;
	struct traffic_ring *r = traffic_new(kind, entries, s->ring_sampling);

	traffic_register(r);
	return r;
}

/* What they hold in all is shared among the workers. */
static void open_rings(struct worker *w)
{
	const struct settings *s = rcu_get(tables_live)->settings;

	if (s->ring_queries)
		w->query_ring = open_ring(w, TRAFFIC_QUERIES);
	if (s->ring_answers)
		w->answer_ring = open_ring(w, TRAFFIC_ANSWERS);
}

static void close_ring(struct traffic_ring *r)
{
	traffic_unregister(r);
	traffic_free(r);
}

struct worker *worker_new(unsigned id, unsigned n_workers, struct err *err)
{
	struct worker *w = mem_lines(sizeof(*w));
	int rc;

	w->id = id;
	w->n_workers = n_workers;
	w->policy.worker = id;
	w->turn = mem_zalloc(1, sizeof(*w->turn));
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = w->epoll_fd < 0 ? -errno : open_inbox(w);
	if (rc < 0)
		goto fail;
	w->queries = slab_new();
	w->udp = udp_io_new();
	w->overload = overload_new(clock_mono_us());
	w->extras = extra_pool_new(IN_FLIGHT_MAX / 4);
	w->sink = log_sink_new(workers_wake_control);
	w->delay_rooms = delay_rooms_new();
	if (w->queries == NULL || w->udp == NULL || w->extras == NULL || w->sink == NULL ||
	    w->delay_rooms == NULL) {
		rc = -ENOMEM;
		mailbox_fini(&w->inbox);
		goto fail;
	}
	w->keys = mem_lines(BATCH_MAX * sizeof(*w->keys));
	w->scratch = mem_lines(sizeof(*w->scratch));
	open_rings(w);
	w->log = log_queue_new();
	dynblocks_worker_begin(w->id);
	stats_register(&w->stats);
	return w;
fail:
	err_set(err, "worker %u: %s", id, strerror(-rc));
	slab_free(w->queries);
	udp_io_free(w->udp);
	overload_free(w->overload);
	extra_pool_free(w->extras);
	delay_rooms_free(w->delay_rooms);
	log_sink_free(w->sink);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w->turn);
	free(w);
	return NULL;
}

void worker_free(struct worker *w)
{
	stats_unregister(&w->stats);
	close_ring(w->query_ring);
	close_ring(w->answer_ring);
	log_queue_flush(w->log);
	log_queue_free(w->log);
	mailbox_drain(&w->inbox, w);
	mailbox_fini(&w->inbox);
	timers_fini(&w->timers);
	slab_free(w->queries);
	udp_io_free(w->udp);
	overload_free(w->overload);
	extra_pool_free(w->extras);
	delay_rooms_free(w->delay_rooms);
	log_sink_free(w->sink);
	close(w->epoll_fd);
	rule_scratch_free(w->scratch);
	free(w->keys);
	free(w->turn->later);
	free(w->turn);
	free(w);
}
