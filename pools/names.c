#include "pools/names.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"

/* Control thread only, and never given back: what an operator has named once, he names again. */
static char **names;
static unsigned n_names;

/* By hash, open addressing: a number and 1; 0 is free. Never more than half full. */
static unsigned *slots;
static unsigned n_slots; /* a power of two */

static unsigned *slot_of(const char *name)
{
	unsigned i = hash_lookup2(name, strlen(name), 0) & (n_slots - 1);

	while (slots[i] != 0 && strcmp(names[slots[i] - 1], name) != 0)
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

static void grow(void)
{
	n_slots = n_slots != 0 ? 2 * n_slots : 16;
	free(slots);
	slots = mem_zalloc(n_slots, sizeof(*slots));
	names = mem_realloc(names, n_slots / 2, sizeof(char *));
	for (unsigned i = 0; i < n_names; i++)
		*slot_of(names[i]) = i + 1;
}

unsigned pool_name_id(const char *name)
{
	unsigned *slot;

	if (n_names == n_slots / 2)
		grow();
	slot = slot_of(name);
	if (*slot == 0) {
		names[n_names++] = mem_strdup(name);
		*slot = n_names;
	}
	return *slot - 1;
}

const char *pool_name_of(unsigned id)
{
	assert(id < n_names);
	return names[id];
}
