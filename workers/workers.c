/* The narrow door between the control thread and the workers; the control thread's but where it
 * says so. */
#include "workers/workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "rules/hitters.h"
#include "rules/asked.h"
#include "rules/log_sink.h"
#include "rules/neighbours.h"
#include "rules/tee.h"
#include "workers/loop.h"
#include "workers/tee.h"
#include "workers/worker.h"

static struct {
	struct worker *list[WORKERS_MAX];
	unsigned n;
	struct mailbox inbox; /* of the control thread */
	const struct workers_hooks *hooks;
	uint64_t ticked_us;
	bool wake_due;
} workers;

void worker_tell_control(struct mail *mail)
{
	mailbox_post(&workers.inbox, mail);
}

void workers_wake_control(void)
{
	eventfd_write(workers.inbox.wake_fd, 1);
}

struct mailbox *workers_inbox(unsigned worker)
{
	return &workers.list[worker]->inbox;
}

static void wake(struct worker *w)
{
	eventfd_write(w->inbox.wake_fd, 1);
}

void workers_wake(void)
{
	workers.wake_due = false;
	for (unsigned i = 0; i < workers.n; i++)
		wake(workers.list[i]);
}

void workers_wake_later(void)
{
	workers.wake_due = true;
}

/* The i-th core of those the process may use, and around again. */
static void pin_to_core(struct worker *w)
{
	cpu_set_t all, one;
	int left;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	left = (int)w->id % CPU_COUNT(&all);
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (!CPU_ISSET(core, &all) || left-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(core, &one);
		pthread_setaffinity_np(w->thread, sizeof(one), &one);
		return;
	}
}

static void stop_threads(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		atomic_store_explicit(&workers.list[i]->stop, true, memory_order_relaxed);
	workers_wake();
	for (unsigned i = 0; i < n; i++)
		pthread_join(workers.list[i]->thread, NULL);
}

static void free_all(void)
{
	mailbox_drain(&workers.inbox, (void *)workers.hooks);
	for (unsigned i = 0; i < workers.n; i++)
		worker_free(workers.list[i]);
	workers.n = 0;
	hitters_stop();
	asked_stop();
	mailbox_drain(&workers.inbox,
		      (void *)workers.hooks); /* what workers' last mails sent back */
	mailbox_fini(&workers.inbox);
}

/* Workers mail each other by number as soon as they run, so all are made before the first thread.
 */
static int make_all(unsigned n, struct err *err)
{
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = worker_new(i, n, err);

		if (w == NULL)
			return -ENOMEM;
		workers.list[workers.n++] = w;
	}
	return 0;
}

/* Signals are the control thread's: workers are born with all of them blocked. */
static int start_thread(struct worker *w)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static int start_threads(struct err *err)
{
	for (unsigned i = 0; i < workers.n; i++) {
		struct worker *w = workers.list[i];
		int rc = start_thread(w);

		if (rc != 0) {
			err_set(err, "worker %u: can't start its thread: %s", i, strerror(rc));
			stop_threads(i);
			return -rc;
		}
		pin_to_core(w);
	}
	return 0;
}

int workers_start(unsigned n, const struct workers_hooks *hooks, struct err *err)
{
	int rc = mailbox_init(&workers.inbox);

	if (rc < 0) {
		err_set(err, "workers: can't make a mailbox: %s", strerror(-rc));
		return rc;
	}
	workers.hooks = hooks;
	workers.ticked_us = clock_mono_us();
	hitters_start(n);
	asked_start(n, workers_wake_control);
	rc = make_all(n, err);
	if (rc == 0)
		rc = start_threads(err);
	if (rc < 0)
		free_all();
	return rc;
}

bool workers_checked_once(void)
{
	const struct pools *p = rcu_get(tables_live)->pools;

	for (unsigned i = 0; i < p->n_rows; i++) {
		const struct server_def *d = p->rows[i].def;

		if (d->force == SERVER_AUTO && d->health.mode == HEALTH_ACTIVE &&
		    !atomic_load_explicit(&p->rows[i].server->checked, memory_order_acquire))
			return false;
	}
	return true;
}

void workers_serve(void)
{
	for (unsigned i = 0; i < workers.n; i++)
		atomic_store_explicit(&workers.list[i]->serve, true, memory_order_release);
	workers_wake();
}

int workers_mail_fd(void)
{
	return workers.inbox.wake_fd;
}

static void drain_log(const struct worker *w)
{
	uint64_t lost = log_queue_flush(w->log);

	if (lost > 0)
		log_warning("workers", "worker %u: %llu log lines were lost, its queue was full",
			    w->id, (unsigned long long)lost);
}

void workers_drain(void)
{
	mailbox_drain(&workers.inbox, (void *)workers.hooks);
	for (unsigned i = 0; i < workers.n; i++)
		drain_log(workers.list[i]);
	log_sinks_drain();
}

struct status_mail {
	struct mail mail;
	struct server *server; /* counted in its users until the mail has run */
	bool up;
};

/* On the worker that owns the server's checks. */
static void run_status(struct mail *mail, void *owner)
{
	struct status_mail *m = container_of(mail, struct status_mail, mail);

	probe_set_status(owner, m->server, m->up);
	atomic_fetch_sub_explicit(&m->server->users, 1, memory_order_release);
	free(m);
}

void workers_set_server_status(struct server *s, bool up)
{
	struct status_mail *m;

	if (workers.n == 0)
		return;
	m = mem_zalloc(1, sizeof(*m));
	*m = (struct status_mail){.mail.run = run_status, .server = s, .up = up};
	atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
	mailbox_post(&workers.list[s->slot % workers.n]->inbox, &m->mail);
}

static void tick_server(struct server *s, double elapsed_s)
{
	uint64_t queries = server_sum(s, offsetof(struct server_counters, queries));
	uint64_t drops = server_sum(s, offsetof(struct server_counters, drops));

	s->seen.query_rate = (double)(queries - s->seen.queries) / elapsed_s;
	s->seen.drop_rate = (double)(drops - s->seen.drops) / elapsed_s;
	s->seen.queries = queries;
	s->seen.drops = drops;
}

/* On the worker. */
static void run_tees(struct mail *mail, void *owner)
{
	tees_follow(owner);
	free(mail);
}

/* Copies of queries go to one server less: workers close their sockets to it, then it is freed. */
static void let_go_of_tees(void)
{
	if (!tees_collect())
		return;
	for (unsigned i = 0; i < workers.n; i++) {
		struct mail *m = mem_zalloc(1, sizeof(*m));

		m->run = run_tees;
		mailbox_post(&workers.list[i]->inbox, m);
	}
}

void workers_tick(void)
{
	const struct pools *p = rcu_get(tables_live)->pools;
	uint64_t now_us = clock_mono_us();

	if (now_us > workers.ticked_us)
		for (unsigned i = 0; i < p->n_rows; i++)
			tick_server(p->rows[i].server, (double)(now_us - workers.ticked_us) / 1e6);
	workers.ticked_us = now_us;
	if (workers.wake_due)
		workers_wake();
	let_go_of_tees();
	neighbours_read();
	for (unsigned i = 0; i < workers.n; i++)
		drain_log(workers.list[i]);
	log_sinks_drain();
}

unsigned workers_count(void)
{
	return workers.n;
}

void workers_stop(void)
{
	stop_threads(workers.n);
	free_all();
	tees_collect();
}
