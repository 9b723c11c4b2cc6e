#include "console/stat_tree.h"

#include <stdlib.h>
#include <string.h>

#include "core/dns/name.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/share.h"
#include "rules/traffic.h"

#define LABELS_MAX  ((DNS_NAME_MAX - 1) / 2)
#define NODES_FIRST 256

struct node {
	size_t label;                             /* where in labels: its length, then its octets */
	uint32_t parent, n_children, first_child; /* first_child: in order */
	struct stat_counts self, all;
};

/* Node 0 is the root. A parent's number is smaller than its children's. */
struct stat_tree {
	struct node *nodes;
	uint32_t n, cap;
	uint8_t *labels;
	size_t labels_len, labels_cap;
	uint32_t *places; /* number of a node; 0: free. Open addressing, at most half full */
	uint32_t mask;
	uint32_t *order; /* all but the root, by parent and label; made by the visit */
};

static uint32_t new_node(struct stat_tree *t, uint32_t parent, const uint8_t *label)
{
	size_t size = 1u + label[0];

	if (t->n == t->cap) {
		t->cap = 2 * t->cap + NODES_FIRST;
		t->nodes = mem_realloc(t->nodes, t->cap, sizeof(*t->nodes));
	}
	if (t->labels_len + size > t->labels_cap) {
		t->labels_cap = 2 * (t->labels_cap + size);
		t->labels = mem_realloc(t->labels, t->labels_cap, 1);
	}
	memcpy(t->labels + t->labels_len, label, size);
	t->nodes[t->n] = (struct node){.label = t->labels_len, .parent = parent};
	t->labels_len += size;
	return t->n++;
}

struct stat_tree *stat_tree_new(void)
{
	struct stat_tree *t = mem_zalloc(1, sizeof(*t));

	t->mask = 2 * NODES_FIRST - 1;
	t->places = mem_zalloc(t->mask + 1u, sizeof(*t->places));
	new_node(t, 0, (const uint8_t *)"");
	return t;
}

void stat_tree_free(struct stat_tree *t)
{
	if (t == NULL)
		return;
	free(t->nodes);
	free(t->labels);
	free(t->places);
	free(t->order);
	free(t);
}

static const uint8_t *label_of(const struct stat_tree *t, uint32_t node)
{
	return t->labels + t->nodes[node].label;
}

/* A label starts with its length, which lower case leaves alone. */
static bool same_label(const uint8_t *a, const uint8_t *b)
{
	return a[0] == b[0] && name_equal(a, b, 1u + a[0]);
}

static uint32_t hash_of(uint32_t parent, const uint8_t *label)
{
	uint8_t key[sizeof(parent) + DNS_LABEL_MAX + 1];

	memcpy(key, &parent, sizeof(parent));
	name_lower(key + sizeof(parent), label, 1u + label[0]);
	return (uint32_t)hash_keyed(key, sizeof(parent) + 1u + label[0]);
}

static uint32_t *place_of(const struct stat_tree *t, uint32_t parent, const uint8_t *label)
{
	uint32_t at = hash_of(parent, label) & t->mask;

	for (; t->places[at] != 0; at = (at + 1) & t->mask) {
		uint32_t node = t->places[at];

		if (t->nodes[node].parent == parent && same_label(label_of(t, node), label))
			break;
	}
	return &t->places[at];
}

static void grow_places(struct stat_tree *t)
{
	t->mask = 2 * t->mask + 1;
	free(t->places);
	t->places = mem_zalloc(t->mask + 1u, sizeof(*t->places));
	for (uint32_t i = 1; i < t->n; i++)
		*place_of(t, t->nodes[i].parent, label_of(t, i)) = i;
}

static uint32_t child(struct stat_tree *t, uint32_t parent, const uint8_t *label)
{
	uint32_t *place = place_of(t, parent, label), node = *place;

	if (node != 0)
		return node;
	node = *place = new_node(t, parent, label);
	t->nodes[parent].n_children++;
	if (2 * t->n > t->mask)
		grow_places(t);
	return node;
}

static void count(struct stat_counts *c, const struct traffic_record *r)
{
	unsigned rcode = r->flags & DNS_RCODE_MASK;

	c->queries++;
	c->bytes += r->size;
	c->hits += r->server.sa.sa_family == AF_UNSPEC;
	if (r->latency_us == TRAFFIC_TIMEOUT)
		c->drops++;
	else if (rcode == RCODE_NOERROR)
		c->noerrors++;
	else if (rcode == RCODE_NXDOMAIN)
		c->nxdomains++;
	else if (rcode == RCODE_SERVFAIL)
		c->servfails++;
}

void stat_tree_add(struct stat_tree *t, const struct traffic_record *r)
{
	const uint8_t *labels[LABELS_MAX];
	uint32_t node = 0;
	unsigned n = 0;

	for (size_t at = 0; at < r->name_len && r->name[at] != 0; at += 1u + r->name[at])
		labels[n++] = r->name + at;
	while (n > 0)
		node = child(t, node, labels[--n]);
	count(&t->nodes[node].self, r);
}

struct filling {
	struct stat_tree *tree;
	uint64_t since_us;
};

static void add_recent(void *ctx, const struct traffic_record *r)
{
	const struct filling *f = ctx;

	if (r->when_us >= f->since_us)
		stat_tree_add(f->tree, r);
}

void stat_tree_fill(struct stat_tree *t, uint64_t now_us, uint64_t age_us)
{
	struct filling f = {t, age_us > 0 && age_us < now_us ? now_us - age_us : 0};

	traffic_visit(TRAFFIC_ANSWERS, add_recent, &f);
}

static void add_counts(struct stat_counts *to, const struct stat_counts *from)
{
	to->queries += from->queries;
	to->noerrors += from->noerrors;
	to->nxdomains += from->nxdomains;
	to->servfails += from->servfails;
	to->drops += from->drops;
	to->bytes += from->bytes;
	to->hits += from->hits;
}

static void sum_up(struct stat_tree *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->nodes[i].all = t->nodes[i].self;
	for (uint32_t i = t->n - 1; i > 0; i--)
		add_counts(&t->nodes[t->nodes[i].parent].all, &t->nodes[i].all);
}

static int compare_labels(const uint8_t *a, const uint8_t *b)
{
	uint8_t x[DNS_LABEL_MAX], y[DNS_LABEL_MAX];
	int rc;

	name_lower(x, a + 1, a[0]);
	name_lower(y, b + 1, b[0]);
	rc = memcmp(x, y, a[0] < b[0] ? a[0] : b[0]);
	return rc != 0 ? rc : a[0] - b[0];
}

static int compare(const void *a, const void *b, void *tree)
{
	const struct stat_tree *t = tree;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (t->nodes[x].parent != t->nodes[y].parent)
		return t->nodes[x].parent < t->nodes[y].parent ? -1 : 1;
	return compare_labels(label_of(t, x), label_of(t, y));
}

static void sort(struct stat_tree *t)
{
	free(t->order);
	t->order = mem_alloc(t->n * sizeof(*t->order));
	for (uint32_t i = 1; i < t->n; i++)
		t->order[i - 1] = i;
	qsort_r(t->order, t->n - 1, sizeof(*t->order), compare, t);
	for (uint32_t i = t->n - 1; i > 0; i--)
		t->nodes[t->nodes[t->order[i - 1]].parent].first_child = i - 1;
}

/* Labels from the node to the root are its name. */
static void show(const struct stat_tree *t, uint32_t node, struct stat_node *out)
{
	const struct node *n = &t->nodes[node];
	size_t len = 0;

	*out = (struct stat_node){.n_children = n->n_children, .self = &n->self, .all = &n->all};
	for (; node != 0; node = t->nodes[node].parent, out->labels++) {
		const uint8_t *label = label_of(t, node);

		memcpy(out->name + len, label, 1u + label[0]);
		len += 1u + label[0];
	}
	out->name_len = (uint8_t)(len + 1);
}

void stat_tree_visit(struct stat_tree *t, void (*visit)(void *ctx, const struct stat_node *node),
		     void *ctx)
{
	struct {
		uint32_t node, seen; /* children */
	} path[LABELS_MAX + 1] = {{0, 0}};
	struct stat_node shown;
	int depth = 0;

	sum_up(t);
	sort(t);
	while (depth >= 0) {
		const struct node *n = &t->nodes[path[depth].node];

		if (path[depth].seen < n->n_children) {
			uint32_t next = t->order[n->first_child + path[depth].seen++];

			path[++depth].node = next;
			path[depth].seen = 0;
			continue;
		}
		share_core();
		show(t, path[depth--].node, &shown);
		visit(ctx, &shown);
	}
}
