#include "console/grepq.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/netmask.h"
#include "rules/traffic.h"

enum wanted { WANTED_CLIENT, WANTED_SLOWER, WANTED_NAME };

struct condition {
	enum wanted wanted;
	struct netmask client;
	double slower_us;
	size_t name_len;
	uint8_t name[DNS_NAME_MAX]; /* lower case */
};

/* What was found: entries as they came, cut behind their names. */
struct heap {
	uint8_t *octets;
	size_t len, cap;
};

struct found {
	uint64_t when_us;
	size_t at; /* in the heap: which came first, too */
};

struct list {
	struct found *found;
	size_t n, cap;
};

struct grepq {
	struct condition *conditions;
	unsigned n;
	uint64_t limit;
	struct heap heap;
	struct list list[TRAFFIC_KINDS];
};

struct grepq *grepq_new(void)
{
	return mem_zalloc(1, sizeof(struct grepq));
}

void grepq_free(struct grepq *g)
{
	if (g == NULL)
		return;
	for (unsigned i = 0; i < TRAFFIC_KINDS; i++)
		free(g->list[i].found);
	free(g->heap.octets);
	free(g->conditions);
	free(g);
}

void grepq_limit(struct grepq *g, uint64_t limit)
{
	g->limit = limit;
}

/* "12ms", "1.5ms": digits, at most one point. */
static bool parse_slower(const char *text, double *us)
{
	size_t digits = strspn(text, "0123456789"), more = 0;

	if (digits == 0)
		return false;
	if (text[digits] == '.')
		more = 1 + strspn(text + digits + 1, "0123456789");
	if (strcmp(text + digits + more, "ms") != 0)
		return false;
	*us = 1000 * strtod(text, NULL);
	return true;
}

static bool parse_condition(const char *text, struct condition *c)
{
	int len;

	c->wanted = WANTED_CLIENT;
	if (netmask_parse(text, &c->client, NULL) == 0)
		return true;
	c->wanted = WANTED_SLOWER;
	if (parse_slower(text, &c->slower_us))
		return true;
	c->wanted = WANTED_NAME;
	len = name_parse(text, c->name, NULL);
	if (len < 0)
		return false;
	c->name_len = (size_t)len;
	name_lower(c->name, c->name, c->name_len);
	return true;
}

int grepq_add(struct grepq *g, const char *selector, struct err *err)
{
	struct condition c = {0};

	if (!parse_condition(selector, &c))
		return err_set(err, "Could not parse '%.300s' as domain name or netmask", selector);
	g->conditions = mem_realloc(g->conditions, g->n + 1, sizeof(c));
	g->conditions[g->n++] = c;
	return 0;
}

static bool holds(const struct condition *c, const struct traffic_record *r)
{
	uint8_t name[DNS_NAME_MAX] = {0};

	switch (c->wanted) {
	case WANTED_CLIENT:
		return netmask_has(&c->client, &r->client);
	case WANTED_SLOWER:
		return r->kind == TRAFFIC_ANSWERS && r->latency_us > c->slower_us;
	case WANTED_NAME:
		name_lower(name, r->name, r->name_len);
		return name_is_under(name, r->name_len > 0 ? r->name_len : 1, c->name, c->name_len);
	}
	return false;
}

static size_t size_of(const struct traffic_record *r)
{
	return (offsetof(struct traffic_record, name) + r->name_len + 7) & ~(size_t)7;
}

static size_t keep(struct heap *h, const struct traffic_record *r)
{
	size_t size = size_of(r), at = h->len;

	if (at + size > h->cap) {
		h->cap = 2 * (h->cap + sizeof(*r));
		h->octets = mem_realloc(h->octets, h->cap, 1);
	}
	memcpy(h->octets + at, r, size);
	h->len = at + size;
	return at;
}

static void look_at(void *ctx, const struct traffic_record *r)
{
	struct grepq *g = ctx;
	struct list *l = &g->list[r->kind];

	for (unsigned i = 0; i < g->n; i++)
		if (!holds(&g->conditions[i], r))
			return;
	if (l->n == l->cap) {
		l->cap = 2 * l->cap + 64;
		l->found = mem_realloc(l->found, l->cap, sizeof(*l->found));
	}
	l->found[l->n++] = (struct found){r->when_us, keep(&g->heap, r)};
}

/* By time, and what a batch has noted at one time as it came. */
static int compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->when_us != y->when_us)
		return x->when_us < y->when_us ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Leaves the last of them, in order. */
static void sort_and_cut(struct list *l, uint64_t limit)
{
	if (l->n > 0)
		qsort(l->found, l->n, sizeof(*l->found), compare);
	if (limit == 0 || l->n <= limit)
		return;
	memmove(l->found, l->found + (l->n - limit), limit * sizeof(*l->found));
	l->n = limit;
}

static const struct traffic_record *record_of(const struct grepq *g, const struct found *f)
{
	return (const struct traffic_record *)(g->heap.octets + f->at);
}

const char *proto_text(unsigned proto)
{
	static const char *const texts[PROTO_COUNT] = {
		[PROTO_UDP] = "DoUDP",
		[PROTO_TCP] = "DoTCP",
		[PROTO_DOT] = "DoT",
		[PROTO_DOH] = "DoH",
	};

	return proto < PROTO_COUNT ? texts[proto] : "?";
}

static void put_latency(FILE *out, const struct traffic_record *r)
{
	if (r->kind == TRAFFIC_QUERIES)
		fprintf(out, "%-6s ", "");
	else if (r->latency_us == TRAFFIC_TIMEOUT)
		fprintf(out, "%-6s ", "T.O");
	else
		fprintf(out, "%-6.1f ", r->latency_us / 1000.0);
}

static void put_opcode(FILE *out, unsigned opcode)
{
	static const char *const names[] = {
		[1] = "IQuery", [2] = "Status", [4] = "Notify", [5] = "Update"};

	if (opcode == 0)
		fprintf(out, "Question\n");
	else if (opcode < ARRAY_LEN(names) && names[opcode] != NULL)
		fprintf(out, "Question (%s)\n", names[opcode]);
	else
		fprintf(out, "Question (%u)\n", opcode);
}

static void put_outcome(FILE *out, const struct traffic_record *r)
{
	unsigned rcode = r->flags & DNS_RCODE_MASK;
	char text[24];

	if (r->kind == TRAFFIC_QUERIES)
		put_opcode(out, (r->flags & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT);
	else if (rcode == RCODE_NOERROR)
		fprintf(out, "%s. %u answers\n", rcode_text(rcode, text), r->answers);
	else
		fprintf(out, "%s\n", rcode_text(rcode, text));
}

static const char *server_text(const struct traffic_record *r, char text[static ADDR_TEXT_MAX])
{
	if (r->kind == TRAFFIC_QUERIES)
		return "";
	return r->server.sa.sa_family == AF_UNSPEC ? "Cache" : addr_text_port(&r->server, text);
}

static void put_record(FILE *out, const struct traffic_record *r, uint64_t now_us)
{
	double age_s = ((double)now_us - (double)r->when_us) / 1e6;
	char client[ADDR_TEXT_MAX], server[ADDR_TEXT_MAX];
	char name[DNS_NAME_TEXT_MAX], type[16];

	fprintf(out, "%-7.1f %-47s %-12s %-12s %-5u %-25s %-5s ", -age_s,
		addr_text_port(&r->client, client), proto_text(r->proto), server_text(r, server),
		r->id, name_text(r->name, r->name_len, name), type_text(r->qtype, type));
	put_latency(out, r);
	fprintf(out, "%-2s %-2s %-2s ", r->flags & DNS_TC ? "TC" : "",
		r->flags & DNS_RD ? "RD" : "", r->flags & DNS_AA ? "AA" : "");
	put_outcome(out, r);
}

/* Of the same time, queries go first. */
static void put_both(const struct grepq *g, uint64_t now_us, FILE *out)
{
	const struct list *queries = &g->list[TRAFFIC_QUERIES],
			  *answers = &g->list[TRAFFIC_ANSWERS];
	size_t q = 0, a = 0;

	while (q < queries->n || a < answers->n) {
		bool is_query =
			a == answers->n ||
			(q < queries->n && queries->found[q].when_us <= answers->found[a].when_us);
		const struct found *f = is_query ? &queries->found[q++] : &answers->found[a++];

		put_record(out, record_of(g, f), now_us);
	}
}

void grepq_run(struct grepq *g, uint64_t now_us, FILE *out)
{
	for (enum traffic_kind kind = 0; kind < TRAFFIC_KINDS; kind++) {
		traffic_visit(kind, look_at, g);
		sort_and_cut(&g->list[kind], g->limit);
	}
	fprintf(out, "%-7s %-47s %-12s %-12s %-5s %-25s %-5s %-6s %-2s %-2s %-2s %s\n", "Time",
		"Client", "Protocol", "Server", "ID", "Name", "Type", "Lat.", "TC", "RD", "AA",
		"Rcode");
	put_both(g, now_us, out);
}
