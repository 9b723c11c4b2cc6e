/*
 * A million blocks have few reasons: what a block does and why is kept once, and blocks point to
 * it. What nobody points to any more is freed after a grace period, unless somebody came back to
 * it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "rules/dynblocks_table.h"

struct node {
	struct node *next;       /* of the same bucket */
	struct node *next_limbo; /* of those that nobody pointed to at some time */
	uint64_t hash;
	size_t refs;
	bool in_limbo;
	size_t size;
	struct dynblock_cause cause;
};

static struct {
	struct node **bucket;
	size_t buckets, n; /* a power of two */
	struct node *limbo;
	size_t memory;
} causes;

static struct node *node_of(const struct dynblock_cause *c)
{
	return (struct node *)((char *)(uintptr_t)c - offsetof(struct node, cause));
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static uint64_t hash_of(const struct dynblock_cause *c, size_t text_len)
{
	uint64_t h = hash_bytes(c->text, text_len);

	return (h ^ c->action ^ (uint64_t)c->warning << 8 ^ (uint64_t)c->quiet << 9) *
	       UINT64_C(0x9e3779b97f4a7c15);
}

static struct node *node_new(const struct dynblock_new *new)
{
	const char *reason = or_empty(new->reason);
	const char *name = or_empty(new->tag_name), *value = or_empty(new->tag_value);
	size_t r = strlen(reason), n = strlen(name), v = strlen(value);
	size_t size = sizeof(struct node) + r + n + v + 3;
	struct node *node = mem_zalloc(1, size);
	struct dynblock_cause *c = &node->cause;

	c->action = new->action;
	c->warning = new->warning;
	c->quiet = new->quiet;
	c->reason_len = (uint32_t)r;
	c->tag_name_len = (uint32_t)n;
	c->tag_value_len = (uint32_t)v;
	memcpy(c->text, reason, r + 1);
	memcpy(c->text + r + 1, name, n + 1);
	memcpy(c->text + r + n + 2, value, v + 1);
	node->size = size;
	node->hash = hash_of(c, r + n + v + 3);
	return node;
}

static bool is_same(const struct node *a, const struct node *b)
{
	const struct dynblock_cause *x = &a->cause, *y = &b->cause;

	return a->hash == b->hash && a->size == b->size && x->action == y->action &&
	       x->warning == y->warning && x->quiet == y->quiet && x->reason_len == y->reason_len &&
	       x->tag_name_len == y->tag_name_len &&
	       memcmp(x->text, y->text, a->size - sizeof(struct node)) == 0;
}

static struct node **bucket_of(uint64_t hash)
{
	return &causes.bucket[hash >> 32 & (causes.buckets - 1)];
}

static void grow(void)
{
	struct node **old = causes.bucket;
	size_t n = causes.buckets;

	causes.buckets = n ? n * 2 : 16;
	causes.bucket = mem_zalloc(causes.buckets, sizeof(*causes.bucket));
	for (size_t i = 0; i < n; i++) {
		for (struct node *c = old[i], *next; c; c = next) {
			struct node **to = bucket_of(c->hash);

			next = c->next;
			c->next = *to;
			*to = c;
		}
	}
	free(old);
}

const struct dynblock_cause *cause_get(const struct dynblock_new *new)
{
	struct node *node = node_new(new), **bucket;

	if (causes.n >= causes.buckets)
		grow();
	bucket = bucket_of(node->hash);
	for (struct node *c = *bucket; c; c = c->next) {
		if (!is_same(c, node))
			continue;
		free(node);
		return cause_ref(&c->cause);
	}
	node->next = *bucket;
	*bucket = node;
	node->refs = 1;
	causes.n++;
	causes.memory += node->size;
	return &node->cause;
}

const struct dynblock_cause *cause_ref(const struct dynblock_cause *c)
{
	node_of(c)->refs++;
	return c;
}

void cause_unref(const struct dynblock_cause *c)
{
	struct node *node = node_of(c);

	if (--node->refs > 0 || node->in_limbo)
		return;
	node->in_limbo = true;
	node->next_limbo = causes.limbo;
	causes.limbo = node;
}

static void free_node(struct node *node)
{
	struct node **at = bucket_of(node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	causes.n--;
	causes.memory -= node->size;
	free(node);
}

bool causes_unsettled(void)
{
	return causes.limbo != NULL;
}

void causes_settle(void)
{
	while (causes.limbo != NULL) {
		struct node *node = causes.limbo;

		causes.limbo = node->next_limbo;
		node->in_limbo = false;
		if (node->refs == 0)
			free_node(node);
	}
	if (causes.n == 0) {
		free(causes.bucket);
		causes.bucket = NULL;
		causes.buckets = 0;
	}
}

size_t causes_memory(void)
{
	return causes.memory + causes.buckets * sizeof(*causes.bucket);
}
