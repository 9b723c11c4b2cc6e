/* The hashes of the house: which one to take is a question of who chooses the input. */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include "core/base.h"

/* Draws the process's secrets. Once, before the first hash; tests may give a fixed seed (0: random). */
void hash_init(uint64_t seed);

/* XXH3 under the process's secret: cache keys, names. 7 ns up to 80 octets. */
uint64_t hash_bytes(const void *data, size_t len);

/* SipHash under a secret key: tables whose keys a client picks (addresses, rate limits). */
uint64_t hash_keyed(const void *data, size_t len);

/*
 * Bob Jenkins's public-domain lookup2 (1996): a = b = 0x9e3779b9, c = seed, little-endian blocks of
 * 12. The reference fixes it for whashed and chashed, so that a fleet maps names alike.
 */
uint32_t hash_lookup2(const void *data, size_t len, uint32_t seed);

/* The same over the lower-cased octets (ASCII only). */
uint32_t hash_lookup2_lower(const void *data, size_t len, uint32_t seed);

#endif
