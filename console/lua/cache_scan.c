#include "console/lua/cache_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/netmask.h"

struct dump {
	FILE *file;
	bool raw;
	uint32_t now_s;
	int64_t real_s; /* at now_s */
};

static void dump_raw(FILE *file, const uint8_t *answer, size_t len)
{
	size_t size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
	char *text = mem_alloc(size);

	fprintf(file, ", base64response %s",
		sodium_bin2base64(text, size, answer, len, sodium_base64_VARIANT_ORIGINAL));
	free(text);
}

static const char *class_text(uint16_t class, char text[static 16])
{
	static const char *const names[] = {[1] = "IN", [3] = "CH", [4] = "HS"};

	if (class < ARRAY_LEN(names) && names[class])
		return names[class];
	snprintf(text, 16, "CLASS%u", class);
	return text;
}

static const char *subnet_text(const struct ecs *ecs, char text[static NETMASK_TEXT_MAX])
{
	struct netmask nm = {.bits = ecs->source_bits};

	if (!ecs->present || (ecs->family != 1 && ecs->family != 2))
		return "empty";
	if (ecs->family == 1) {
		nm.base.v4.sin_family = AF_INET;
		memcpy(&nm.base.v4.sin_addr, ecs->addr, 4);
	} else {
		nm.base.v6.sin6_family = AF_INET6;
		memcpy(&nm.base.v6.sin6_addr, ecs->addr, 16);
	}
	return netmask_text(&nm, text);
}

static bool dump_entry(void *ctx, const struct cache_entry_view *e)
{
	struct dump *d = ctx;
	char name[DNS_NAME_TEXT_MAX], type[16], class[16], subnet[NETMASK_TEXT_MAX];

	fprintf(d->file,
		"%s %ld %s %s ; ecs %s, rcode %u, key %llu, length %zu, received over UDP %d, "
		"added %lld, dnssecOK %d, raw query flags %u",
		name_text(e->answer + DNS_HEADER_LEN, e->question.name_len, name),
		(long)e->expires_s - (long)d->now_s, class_text(e->question.qclass, class),
		type_text(e->question.qtype, type), subnet_text(&e->subnet, subnet),
		msg_flags(e->answer) & DNS_RCODE_MASK, (unsigned long long)e->hash, e->len,
		e->over_udp, (long long)(d->real_s - ((int64_t)d->now_s - e->added_s)),
		e->dnssec_ok, (unsigned)e->query_flags);
	if (d->raw)
		dump_raw(d->file, e->answer, e->len);
	fputc('\n', d->file);
	return !ferror(d->file);
}

long lua_cache_dump(struct cache *c, const char *path, bool raw)
{
	struct dump d = {.raw = raw,
			 .now_s = (uint32_t)(clock_mono_us() / 1000000),
			 .real_s = clock_real_s()};
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	long n;

	if (fd < 0)
		return -errno;
	d.file = fdopen(fd, "w");
	if (d.file == NULL) {
		close(fd);
		return -ENOMEM;
	}
	fprintf(d.file, "; dnsdist's packet cache dump follows\n;\n");
	n = (long)cache_visit(c, dump_entry, &d);
	if (fclose(d.file) != 0)
		return -errno;
	return n;
}

/* Address records of one answer. */
static void visit_addresses(const struct cache_entry_view *e, void *ctx,
			    void (*visit)(void *ctx, const struct cache_entry_view *e,
					  const struct addr *a))
{
	struct wire_rd r = {.pos = e->answer + e->question.end, .end = e->answer + e->len};
	unsigned n = msg_ancount(e->answer);

	while (n-- > 0 && !r.bad) {
		uint16_t type, len;
		const uint8_t *data;

		rd_name_compressed(&r, e->answer, NULL);
		type = rd_u16(&r);
		rd_skip(&r, 6); /* class, TTL */
		len = rd_u16(&r);
		data = rd_skip(&r, len);
		if (data && type == TYPE_A && len == 4) {
			struct addr a = {.v4 = {.sin_family = AF_INET}};

			memcpy(&a.v4.sin_addr, data, 4);
			visit(ctx, e, &a);
		} else if (data && type == TYPE_AAAA && len == 16) {
			struct addr a = {.v6 = {.sin6_family = AF_INET6}};

			memcpy(&a.v6.sin6_addr, data, 16);
			visit(ctx, e, &a);
		}
	}
}

/*
 * What was found. Lua must not run while a shard's lock is held (an error would jump over its
 * release), so it is collected first.
 */
struct found {
	const struct addr *addr; /* wanted, or NULL */
	const uint8_t *name;     /* wanted, or NULL */
	size_t name_len;
	struct addr *addrs;
	struct {
		uint8_t wire[DNS_NAME_MAX];
		size_t len;
	} * names;
	size_t n;
};

static void keep_name(void *ctx, const struct cache_entry_view *e, const struct addr *a)
{
	struct found *f = ctx;
	const uint8_t *name = e->answer + DNS_HEADER_LEN;
	size_t len = e->question.name_len;

	if (!addr_equal(a, f->addr))
		return;
	for (size_t i = 0; i < f->n; i++)
		if (f->names[i].len == len && name_equal(f->names[i].wire, name, len))
			return;
	f->names = mem_realloc(f->names, f->n + 1, sizeof(*f->names));
	memcpy(f->names[f->n].wire, name, len);
	f->names[f->n++].len = len;
}

static void keep_addr(void *ctx, const struct cache_entry_view *e, const struct addr *a)
{
	struct found *f = ctx;

	for (size_t i = 0; i < f->n; i++)
		if (addr_equal(&f->addrs[i], a))
			return;
	f->addrs = mem_realloc(f->addrs, f->n + 1, sizeof(*f->addrs));
	f->addrs[f->n++] = *a;
}

static bool scan(void *ctx, const struct cache_entry_view *e)
{
	struct found *f = ctx;

	if (f->addr)
		visit_addresses(e, f, keep_name);
	else if (e->question.name_len == f->name_len &&
		 name_equal(e->answer + DNS_HEADER_LEN, f->name, f->name_len))
		visit_addresses(e, f, keep_addr);
	return true;
}

void lua_cache_push_names(lua_State *L, struct cache *c, const struct addr *addr)
{
	struct found f = {.addr = addr};

	cache_visit(c, scan, &f);
	lua_createtable(L, (int)f.n, 0);
	for (size_t i = 0; i < f.n; i++) {
		lua_push_name(L, f.names[i].wire, f.names[i].len);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	free(f.names);
}

void lua_cache_push_addresses(lua_State *L, struct cache *c, const uint8_t *name, size_t len)
{
	struct found f = {.name = name, .name_len = len};

	cache_visit(c, scan, &f);
	lua_createtable(L, (int)f.n, 0);
	for (size_t i = 0; i < f.n; i++) {
		lua_push_address(L, &f.addrs[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	free(f.addrs);
}
