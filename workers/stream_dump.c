/*
 * What the streams of all workers are doing, for the log. Only a worker may look at its
 * connections: it is asked by mail, writes them down, and mails the text back to the control
 * thread, which logs it. A worker's own queue of lines would be too short for this.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "workers/server_conn.h"
#include "workers/stream_client.h"
#include "workers/workers.h"

struct dump {
	struct mail mail;
	char *text; /* lines, each ended by a newline */
	size_t len;
};

static double seconds_since(const struct worker *w, uint64_t us)
{
	return (double)(w->now_us - us) / 1e6;
}

static const char *client_doing(const struct client *c)
{
	if (c->lingering)
		return "waiting for its end";
	if (c->blocked)
		return "blocked writing";
	if (c->closing)
		return "closing";
	return c->in_flight > 0 ? "waiting for a server" : "reading";
}

static unsigned dump_clients(const struct worker *w, FILE *f)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	unsigned n = 0;

	for (const struct client *c = w->streams->clients; c != NULL; c = c->next, n++)
		fprintf(f,
			"worker %u: client %s on %s%s: open for %.1f s, %u queries, %u in flight, "
			"%zu octets read and %zu to write kept, %s%s\n",
			w->id, addr_text_port(&c->addr, from),
			addr_text_port(&c->frontend->addr, to), c->stream.tls ? " over TLS" : "",
			seconds_since(w, c->opened_us), c->queries, c->in_flight,
			c->stream.kept_len, c->stream.out_len, client_doing(c),
			c->restricted ? ", restricted" : "");
	return n;
}

static const char *server_doing(const struct server_conn *c)
{
	if (c->stream.phase == STREAM_CONNECTING)
		return "connecting";
	if (c->stream.phase == STREAM_HANDSHAKE)
		return "in its TLS handshake";
	if (c->blocked)
		return "blocked writing";
	if (c->paused)
		return "paused for a slow client";
	return c->in_flight > 0 ? "waiting for answers" : "idle";
}

static unsigned dump_list(const struct worker *w, const struct conn_list *list, FILE *f)
{
	char to[ADDR_TEXT_MAX];

	for (const struct server_conn *c = list->first; c != NULL; c = c->next)
		fprintf(f,
			"worker %u: server %s%s: open for %.1f s, %u queries, %u of %u in flight, "
			"%zu octets read and %zu to write kept, %s%s\n",
			w->id, addr_text_port(&c->up->server->fixed.addr, to),
			c->stream.tls ? " over TLS" : "", seconds_since(w, c->opened_us),
			c->queries, c->in_flight, c->max_in_flight, c->stream.kept_len,
			c->stream.out_len, server_doing(c), c->retired ? ", retired" : "");
	return list->n;
}

static unsigned dump_servers(const struct worker *w, FILE *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_upstreams; i++) {
		const struct upstream *up = w->upstreams[i];

		if (up == NULL || up->stream == NULL)
			continue;
		n += dump_list(w, &up->stream->busy, f);
		n += dump_list(w, &up->stream->full, f);
		n += dump_list(w, &up->stream->idle, f);
	}
	return n;
}

static void write_lines(const struct worker *w, FILE *f)
{
	unsigned clients = 0, servers = 0;

	if (w->streams != NULL) {
		clients = dump_clients(w, f);
		servers = dump_servers(w, f);
	}
	fprintf(f, "worker %u: %u connections of clients, %u to servers\n", w->id, clients,
		servers);
}

/* On the control thread. */
static void log_dump(struct mail *mail, void *owner)
{
	struct dump *d = container_of(mail, struct dump, mail);
	char *next;

	for (char *line = d->text; line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		log_info("tcp", "%s", line);
	}
	free(d->text);
	free(d);
}

/* On the worker. */
static void write_dump(struct mail *mail, void *owner)
{
	struct dump *d = container_of(mail, struct dump, mail);
	FILE *f = open_memstream(&d->text, &d->len);

	if (f != NULL) {
		write_lines(owner, f);
		fclose(f);
	}
	d->mail.run = log_dump;
	worker_tell_control(&d->mail);
}

void workers_dump_streams(void)
{
	for (unsigned i = 0; i < workers_count(); i++) {
		struct dump *d = mem_zalloc(1, sizeof(*d));

		d->mail.run = write_dump;
		mailbox_post(workers_inbox(i), &d->mail);
	}
}
