#include "core/query_extra.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/mem.h"

/* An item: its head, its name, its value; a removed one keeps its place and has no kind. */
struct head {
	uint16_t name_len, value_len;
	uint8_t kind;
};
#define KIND_GONE 0xff

/* Two of these hold what most configurations with tags ask for; an item lies in one block. */
#define BLOCK_LEN 2048

struct query_extra {
	struct query_extra *next;
	uint16_t used;
	uint8_t data[BLOCK_LEN - sizeof(void *) - 8];
};
static_assert(sizeof(struct query_extra) == BLOCK_LEN, "a block has padding");
static_assert(sizeof(((struct query_extra *)0)->data) >= EXTRA_ITEM_MAX + sizeof(struct head),
	      "the longest item does not fit in a block");

struct extra_pool {
	struct query_extra *base, *free;
	unsigned used, max; /* blocks ever used, and that there are */
};

struct extra_pool *extra_pool_new(unsigned max)
{
	struct extra_pool *p = mem_zalloc(1, sizeof(*p));

	p->max = max;
	p->base = mmap(NULL, (size_t)max * BLOCK_LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->base == MAP_FAILED) {
		free(p);
		return NULL;
	}
	return p;
}

void extra_pool_free(struct extra_pool *p)
{
	if (p == NULL)
		return;
	munmap(p->base, (size_t)p->max * BLOCK_LEN);
	free(p);
}

static struct query_extra *block_take(struct extra_pool *p)
{
	struct query_extra *b = p->free;

	if (b != NULL)
		p->free = b->next;
	else if (p->used < p->max)
		b = &p->base[p->used++];
	else
		return NULL;
	b->next = NULL;
	b->used = 0;
	return b;
}

void extra_clear(struct extra_pool *p, struct query *q)
{
	while (q->extra != NULL) {
		struct query_extra *b = q->extra;

		q->extra = b->next;
		b->next = p->free;
		p->free = b;
	}
}

static size_t item_len(const struct head *h)
{
	return sizeof(*h) + h->name_len + h->value_len;
}

static size_t room_in(const struct query_extra *b)
{
	return sizeof(b->data) - b->used;
}

/* The last block of q when it has that much room, else a new one behind it. */
static struct query_extra *block_with_room(struct extra_pool *p, struct query *q, size_t len)
{
	struct query_extra **at = &q->extra;

	while (*at != NULL && (*at)->next != NULL)
		at = &(*at)->next;
	if (*at != NULL && room_in(*at) >= len)
		return *at;
	if (*at != NULL)
		at = &(*at)->next;
	*at = block_take(p);
	return *at;
}

bool extra_add(struct extra_pool *p, struct query *q, const struct extra_item *item)
{
	struct head h = {(uint16_t)item->name_len, (uint16_t)item->value_len, (uint8_t)item->kind};
	struct query_extra *b;
	uint8_t *to;

	if (item->name_len + item->value_len > EXTRA_ITEM_MAX)
		return false;
	query_mark(q);
	b = block_with_room(p, q, item_len(&h));
	if (b == NULL)
		return false;
	to = b->data + b->used;
	memcpy(to, &h, sizeof(h));
	if (h.name_len > 0)
		memcpy(to + sizeof(h), item->name, h.name_len);
	if (h.value_len > 0)
		memcpy(to + sizeof(h) + h.name_len, item->value, h.value_len);
	b->used = (uint16_t)(b->used + item_len(&h));
	return true;
}

/* Where the item at this place of all blocks together is; NULL at the end. */
static uint8_t *place(const struct query *q, size_t at, struct head *h)
{
	struct query_extra *b = q->extra;

	for (; b != NULL && at >= b->used; b = b->next)
		at -= b->used;
	if (b == NULL)
		return NULL;
	memcpy(h, b->data + at, sizeof(*h));
	return b->data + at;
}

bool extra_next(const struct query *q, enum extra_kind kind, size_t *at, struct extra_item *out)
{
	const uint8_t *p;
	struct head h;

	if (!q->ruled)
		return false;
	while ((p = place(q, *at, &h)) != NULL) {
		*at += item_len(&h);
		if (h.kind != (uint8_t)kind)
			continue;
		*out = (struct extra_item){
			.kind = kind,
			.name = p + sizeof(h),
			.name_len = h.name_len,
			.value = p + sizeof(h) + h.name_len,
			.value_len = h.value_len,
		};
		return true;
	}
	return false;
}

static bool is_called(const struct extra_item *item, const void *name, size_t name_len)
{
	return name_len == 0 ||
	       (item->name_len == name_len && memcmp(item->name, name, name_len) == 0);
}

bool extra_find(const struct query *q, enum extra_kind kind, const void *name, size_t name_len,
		struct extra_item *out)
{
	size_t at = 0;

	while (extra_next(q, kind, &at, out))
		if (is_called(out, name, name_len))
			return true;
	return false;
}

void extra_remove(struct query *q, enum extra_kind kind, const void *name, size_t name_len)
{
	struct extra_item item;
	size_t at = 0;

	while (extra_next(q, kind, &at, &item))
		if (is_called(&item, name, name_len))
			((uint8_t *)item.name - sizeof(struct head))[offsetof(struct head, kind)] =
				KIND_GONE;
}

bool tag_set(struct extra_pool *p, struct query *q, const char *name, size_t name_len,
	     const char *value, size_t value_len)
{
	struct extra_item item = {EXTRA_TAG, (const uint8_t *)name, (const uint8_t *)value,
				  name_len, value_len};

	if (name_len + value_len > EXTRA_ITEM_MAX)
		return false;
	if (name_len > 0)
		extra_remove(q, EXTRA_TAG, name, name_len);
	return extra_add(p, q, &item);
}

const char *tag_get(const struct query *q, const char *name, size_t name_len, size_t *value_len)
{
	struct extra_item item;

	if (name_len == 0 || !extra_find(q, EXTRA_TAG, name, name_len, &item))
		return NULL;
	*value_len = item.value_len;
	return (const char *)item.value;
}

bool error_set(struct extra_pool *p, struct query *q, uint16_t code, const char *text, size_t len,
	       bool clear)
{
	uint8_t value[EXTRA_ITEM_MAX];
	struct extra_item item = {EXTRA_ERROR, NULL, value, 0, 2 + len};

	if (len > ERROR_TEXT_MAX)
		return false;
	put_u16(value, code);
	if (len > 0)
		memcpy(value + 2, text, len);
	query_mark(q);
	if (clear)
		extra_remove(q, EXTRA_ERROR, NULL, 0);
	q->clear_errors |= clear;
	return extra_add(p, q, &item);
}

bool error_next(const struct query *q, size_t *at, uint16_t *code, const char **text, size_t *len)
{
	struct extra_item item;

	if (!extra_next(q, EXTRA_ERROR, at, &item))
		return false;
	*code = get_u16(item.value);
	*text = (const char *)item.value + 2;
	*len = item.value_len - 2;
	return true;
}
