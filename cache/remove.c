/* Removing what nobody asked to be evicted: the housekeeping of workers, and what an operator
 * orders. */
#include "cache/internal.h"

/* Buckets handled under one hold of a lock: an insert that finds it taken is not kept, or waits. */
#define BUCKETS_AT_ONCE 64

/*
 * Calls fn for the buckets of a shard, with the lock held, until budget is used up. fn removes at
 * most budget entries and returns how many.
 */
typedef size_t bucket_fn(struct cache *c, struct shard *sh, struct bucket *b, size_t budget,
			 const void *ctx);

static size_t each_bucket_from(struct cache *c, struct shard *sh, uint32_t *from, size_t budget,
			       bucket_fn *fn, const void *ctx)
{
	size_t removed = 0;
	uint32_t i = *from;

	while (i < sh->n_buckets && removed < budget) {
		uint32_t left = sh->n_buckets - i;
		uint32_t end = i + (left < BUCKETS_AT_ONCE ? left : BUCKETS_AT_ONCE);

		pthread_mutex_lock(&sh->lock);
		for (; i < end && removed < budget; i++)
			removed +=
				fn(c, sh, &c->buckets[sh->first_bucket + i], budget - removed, ctx);
		pthread_mutex_unlock(&sh->lock);
	}
	*from = i;
	return removed;
}

static size_t each_bucket(struct cache *c, struct shard *sh, size_t budget, bucket_fn *fn,
			  const void *ctx)
{
	uint32_t from = 0;

	return each_bucket_from(c, sh, &from, budget, fn, ctx);
}

static size_t remove_expired(struct cache *c, struct shard *sh, struct bucket *b, size_t budget,
			     const void *ctx)
{
	const uint32_t *now_s = ctx;

	return bucket_is_due(b, *now_s) ? bucket_expire(c, sh, b, *now_s, budget) : 0;
}

static size_t purge_expired(struct cache *c, struct shard *sh, struct bucket *b, size_t budget,
			    const void *ctx)
{
	return bucket_expire(c, sh, b, *(const uint32_t *)ctx, budget);
}

static size_t remove_any(struct cache *c, struct shard *sh, struct bucket *b, size_t budget,
			 const void *ctx)
{
	size_t removed = 0;

	for (unsigned s = 0; s < BUCKET_WAYS && removed < budget; s++) {
		if (load_relaxed(&b->at[s]) != 0) {
			slot_clear(c, sh, b, s, LEVEL_OLD);
			removed++;
		}
	}
	return removed;
}

struct name_match {
	const uint8_t *name;
	size_t len;
	uint16_t qtype;
	bool under;
};

static bool name_matches(const _Atomic uint64_t *w, const struct name_match *m)
{
	uint8_t question[DNS_NAME_MAX + 4];
	uint32_t name_len = info_name_len(load_relaxed(&w[1]));

	if (name_len < m->len)
		return false;
	entry_octets(w, ENTRY_ANSWER + DNS_HEADER_LEN, question, name_len + 4);
	if (m->qtype != TYPE_ANY && m->qtype != get_u16(question + name_len))
		return false;
	if (m->under)
		return name_is_under(question, name_len, m->name, m->len);
	return name_len == m->len && name_equal(question, m->name, m->len);
}

static size_t remove_named(struct cache *c, struct shard *sh, struct bucket *b, size_t budget,
			   const void *ctx)
{
	size_t removed = 0;

	for (unsigned s = 0; s < BUCKET_WAYS && removed < budget; s++) {
		uint32_t at = load_relaxed(&b->at[s]);

		if (at != 0 && name_matches(&c->words[at], ctx)) {
			slot_clear(c, sh, b, s, LEVEL_OLD);
			removed++;
		}
	}
	return removed;
}

static size_t above(const struct cache *c, size_t keep)
{
	size_t n = cache_size(c);

	return n > keep ? n - keep : 0;
}

static size_t clean_shard(struct cache *c, struct cache_worker *w, struct shard *sh, uint32_t now_s,
			  size_t keep, size_t max)
{
	size_t budget = above(c, keep), removed;

	if (budget > max)
		budget = max;
	removed = each_bucket_from(c, sh, &w->clean_bucket, budget, remove_expired, &now_s);
	/* the last bucket may hold more */
	w->clean_bucket = removed == max ? w->clean_bucket - 1 : 0;
	return removed;
}

size_t cache_clean(struct cache *c, unsigned worker, unsigned n_workers, uint32_t now_s,
		   size_t keep, size_t max)
{
	struct cache_worker *w = worker_block(c, worker);
	size_t removed = 0;
	uint32_t i;

	while ((i = worker + w->clean_round * n_workers) < c->n_shards) {
		removed += clean_shard(c, w, &c->shards[i], now_s, keep, max - removed);
		if (removed == max)
			return removed;
		w->clean_round++;
	}
	w->clean_round = 0;
	/* all workers together clean once */
	if (worker == 0)
		counter_inc(&w->cleanups);
	return removed;
}

/* Shards are filled by a hash, so to empty one after the other is as good as any choice. */
size_t cache_expunge(struct cache *c, size_t keep)
{
	size_t removed = 0;

	for (uint32_t i = 0; i < c->n_shards; i++)
		removed += each_bucket(c, &c->shards[i], above(c, keep), remove_any, NULL);
	return removed;
}

size_t cache_purge_expired(struct cache *c, size_t keep, uint32_t now_s)
{
	size_t removed = 0;

	for (uint32_t i = 0; i < c->n_shards; i++)
		removed += each_bucket(c, &c->shards[i], above(c, keep), purge_expired, &now_s);
	return removed;
}

size_t cache_expunge_name(struct cache *c, const uint8_t *name, size_t len, uint16_t qtype,
			  bool under)
{
	const struct name_match m = {name, len, qtype, under};
	size_t removed = 0;

	for (uint32_t i = 0; i < c->n_shards; i++)
		removed += each_bucket(c, &c->shards[i], SIZE_MAX, remove_named, &m);
	return removed;
}
