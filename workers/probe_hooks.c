/*
 * What of a health check is the control thread's: Lua functions, and the news. A mail goes there
 * and comes back with its answer; the worker goes on meanwhile. The server is counted among its
 * users until then, and the check's number tells a late answer from one that is waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "workers/probe.h"

struct hook_mail {
	struct mail mail;
	struct server *server;
	unsigned worker, run;
	bool ok;
	struct check_question question;
	size_t len; /* of the answer; 0: it is the question that is asked for */
	uint8_t answer[];
};

static struct probe *still_waiting(struct worker *w, const struct hook_mail *m)
{
	unsigned slot = m->server->slot;
	struct upstream *up = slot < w->n_upstreams ? w->upstreams[slot] : NULL;
	struct probe *p = up != NULL && up->server == m->server ? up->probe : NULL;

	return p != NULL && p->run == m->run ? p : NULL;
}

static void question_is_back(struct worker *w, struct probe *p, const struct hook_mail *m)
{
	if (p->state != PROBE_ASKING)
		return;
	if (!m->ok) {
		probe_ended(w, p, PROBE_INVALID, "checkFunction failed");
		return;
	}
	p->asked = m->question;
	probe_exchange(w, p);
}

static void verdict_is_back(struct worker *w, struct probe *p, const struct hook_mail *m)
{
	if (p->state == PROBE_VALIDATING)
		probe_ended(w, p, m->ok ? PROBE_GOOD : PROBE_INVALID,
			    m->ok ? NULL : "refused by the validator");
}

/* On the worker again. */
static void run_back(struct mail *mail, void *owner)
{
	struct hook_mail *m = container_of(mail, struct hook_mail, mail);
	struct worker *w = owner;
	struct probe *p = still_waiting(w, m);

	if (p != NULL && m->len == 0)
		question_is_back(w, p, m);
	else if (p != NULL)
		verdict_is_back(w, p, m);
	atomic_fetch_sub_explicit(&m->server->users, 1, memory_order_release);
	free(m);
}

/* On the control thread. */
static void run_hook(struct mail *mail, void *owner)
{
	struct hook_mail *m = container_of(mail, struct hook_mail, mail);
	const struct workers_hooks *hooks = owner;

	if (m->len == 0)
		m->ok = hooks->check_function == NULL ||
			hooks->check_function(m->server, &m->question);
	else
		m->ok = hooks->check_validator == NULL ||
			hooks->check_validator(m->server, m->answer, m->len);
	m->mail.run = run_back;
	mailbox_post(workers_inbox(m->worker), &m->mail);
}

static struct hook_mail *mail_new(struct worker *w, const struct probe *p, size_t len)
{
	struct hook_mail *m = mem_zalloc(1, sizeof(*m) + len);

	m->mail.run = run_hook;
	m->server = p->up->server;
	m->worker = w->id;
	m->run = p->run;
	m->len = len;
	atomic_fetch_add_explicit(&m->server->users, 1, memory_order_relaxed);
	return m;
}

void probe_ask_function(struct worker *w, struct probe *p)
{
	struct hook_mail *m = mail_new(w, p, 0);

	m->question = p->asked;
	p->state = PROBE_ASKING;
	worker_tell_control(&m->mail);
}

void probe_ask_validator(struct worker *w, struct probe *p, const uint8_t *answer, size_t len)
{
	struct hook_mail *m = mail_new(w, p, len);

	memcpy(m->answer, answer, len);
	p->state = PROBE_VALIDATING;
	worker_tell_control(&m->mail);
}

struct change_mail {
	struct mail mail;
	struct server *server;
	bool up, first;
};

static void run_change(struct mail *mail, void *owner)
{
	struct change_mail *m = container_of(mail, struct change_mail, mail);
	const struct workers_hooks *hooks = owner;

	if (hooks->server_changed != NULL)
		hooks->server_changed(m->server, m->up, m->first);
	atomic_fetch_sub_explicit(&m->server->users, 1, memory_order_release);
	free(m);
}

void probe_tell_change(struct server *s, bool up, bool first)
{
	struct change_mail *m = mem_zalloc(1, sizeof(*m));

	*m = (struct change_mail){.mail.run = run_change, .server = s, .up = up, .first = first};
	atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
	worker_tell_control(&m->mail);
}
