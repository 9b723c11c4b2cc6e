/* The options of a cache: defaults, and the form in which the rest of the room may rely on them. */
#include <stdlib.h>

#include "cache/internal.h"

void cache_options_default(struct cache_options *o, uint32_t max_entries)
{
	*o = (struct cache_options){
		.max_entries = max_entries,
		.max_ttl_s = 86400,
		.temp_failure_ttl_s = 60,
		.stale_ttl_s = 60,
		.max_negative_ttl_s = 3600,
		.shards = 20,
		.max_entry_octets = 4096,
		.deferrable_insert_lock = true,
		.skip_options = {EDNS_COOKIE, EDNS_PADDING},
		.n_skip_options = 2,
	};
}

static void skip_remove(struct cache_options *o, uint16_t code)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < o->n_skip_options; i++) {
		if (o->skip_options[i] != code)
			o->skip_options[kept++] = o->skip_options[i];
	}
	o->n_skip_options = kept;
}

/* Cookies are skipped unless they are to be hashed; a subnet that separates entries is not skipped.
 */
static int check_skipped(struct cache_options *o, struct err *err)
{
	skip_remove(o, EDNS_COOKIE);
	if (!o->cookie_hashing) {
		if (o->n_skip_options == ARRAY_LEN(o->skip_options))
			return err_set(err, "skipOptions: %zu options beside COOKIE at most",
				       ARRAY_LEN(o->skip_options) - 1);
		o->skip_options[o->n_skip_options++] = EDNS_COOKIE;
	}
	if (o->parse_ecs)
		skip_remove(o, EDNS_ECS);
	return 0;
}

static int compare_u16(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Ranks that no payload in use has are dropped without a word, as the reference does. */
static void check_ranks(struct cache_options *o)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < o->n_payload_ranks; i++) {
		if (o->payload_ranks[i] >= 512 && o->payload_ranks[i] <= o->max_entry_octets)
			o->payload_ranks[kept++] = o->payload_ranks[i];
	}
	o->n_payload_ranks = kept;
	qsort(o->payload_ranks, kept, sizeof(o->payload_ranks[0]), compare_u16);
}

int options_check(struct cache_options *o, struct err *err)
{
	if (o->max_entries == 0)
		return err_set(
			err, "a packet cache needs room for at least one entry, got maxEntries 0");
	if (o->max_entry_octets < DNS_HEADER_LEN)
		return err_set(err,
			       "maximumEntrySize: %u is shorter than a DNS header, at least %d",
			       o->max_entry_octets, DNS_HEADER_LEN);
	if (o->max_entry_octets > DNS_MESSAGE_MAX)
		o->max_entry_octets = DNS_MESSAGE_MAX;
	check_ranks(o);
	return check_skipped(o, err);
}
