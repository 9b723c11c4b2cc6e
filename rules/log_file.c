#include "rules/log_file.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "rules/log_sink.h"

struct log_file {
	struct log_file_options o; /* path is ours */
	FILE *out;                 /* NULL: not open */
	bool failed;               /* the last write, and it was said */
	bool is_dirty;             /* on the list of those to be flushed */
	struct log_file *next_dirty;
};

static struct log_file *dirty;

/* 0 or an errno: whether log_file_begin would probably succeed. */
static int check_path(const char *path)
{
	struct stat st;
	char *copy;
	int rc;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return EISDIR;
		return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? errno : 0;
	}
	if (errno != ENOENT)
		return errno;
	copy = mem_strdup(path);
	rc = faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) < 0 ? errno : 0;
	free(copy);
	return rc;
}

struct log_file *log_file_new(const struct log_file_options *o, struct err *err)
{
	struct log_file *f;
	int rc = o->path[0] != '\0' ? check_path(o->path) : 0;

	if (rc != 0) {
		err_set(err, "can't write to '%s': %s", o->path, strerror(rc));
		return NULL;
	}
	f = mem_zalloc(1, sizeof(*f));
	f->o = *o;
	f->o.path = mem_strdup(o->path);
	return f;
}

/* A pipe that nobody reads must not hold up the process: neither opening it nor writing to it. */
static FILE *open_file(const struct log_file_options *o)
{
	int fd = open(o->path,
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
			      (o->append ? 0 : O_TRUNC),
		      0666);
	FILE *out;

	if (fd < 0)
		return NULL;
	out = fdopen(fd, "a");
	if (out == NULL)
		close(fd);
	return out;
}

void log_file_begin(struct log_file *f)
{
	if (f->o.path[0] == '\0' || f->out != NULL)
		return;
	f->out = open_file(&f->o);
	if (f->out == NULL && !f->failed)
		log_error("rules", "can't write to '%s': %s", f->o.path, strerror(errno));
	f->failed = f->out == NULL;
}

int log_file_reload(struct log_file *f, struct err *err)
{
	FILE *out;

	if (f->o.path[0] == '\0')
		return 0;
	log_sinks_drain();
	out = open_file(&f->o);
	if (out == NULL)
		return err_set(err, "can't write to '%s': %s", f->o.path, strerror(errno));
	if (f->out != NULL)
		fclose(f->out);
	f->out = out;
	f->failed = false;
	return 0;
}

void log_file_free(struct log_file *f)
{
	log_sinks_drain();
	if (f->out != NULL)
		fclose(f->out);
	free((void *)f->o.path);
	free(f);
}

bool log_file_wants(const struct log_file *f, bool verbose)
{
	return f->o.path[0] != '\0' || !f->o.verbose_only || verbose;
}

const char *log_file_path(const struct log_file *f)
{
	return f->o.path;
}

/* The root where there was no question. */
static size_t entry_name(const struct log_entry *e, const uint8_t **name)
{
	*name = e->name_len != 0 ? e->name : (const uint8_t *)"";
	return e->name_len != 0 ? e->name_len : 1;
}

static void write_record(FILE *out, const struct log_entry *e, bool timestamps, int64_t real_us)
{
	uint64_t s = (uint64_t)(real_us / 1000000);
	uint32_t ns = (uint32_t)(real_us % 1000000 * 1000);
	uint16_t family = e->client.sa.sa_family, id = htons(e->id);
	const uint8_t *name, *addr;
	size_t name_len = entry_name(e, &name), addr_octets;

	addr = addr_bytes(&e->client, &addr_octets);
	if (timestamps) {
		fwrite(&s, sizeof(s), 1, out);
		fwrite(&ns, sizeof(ns), 1, out);
	}
	fwrite(&id, sizeof(id), 1, out);
	fwrite(name, name_len, 1, out);
	fwrite(&e->qtype, sizeof(e->qtype), 1, out);
	fwrite(&family, sizeof(family), 1, out);
	fwrite(addr, addr_octets, 1, out);
	fwrite(&e->client.v4.sin_port, sizeof(e->client.v4.sin_port), 1, out);
}

/* "Packet from 192.0.2.1:1053 for www.example. A with id 1". */
static const char *line_of(const struct log_file *f, const struct log_entry *e,
			   char line[static DNS_NAME_TEXT_MAX + 256])
{
	char client[ADDR_TEXT_MAX], name[DNS_NAME_TEXT_MAX], type[16], rcode[24];
	const uint8_t *wire;
	size_t len = entry_name(e, &wire), size = DNS_NAME_TEXT_MAX + 256;

	addr_text_port(&e->client, client);
	name_text(wire, len, name);
	if (f->o.answers)
		snprintf(line, size, "Answer to %s for %s %s (%s) with id %u", client, name,
			 type_text(e->qtype, type), rcode_text(e->rcode, rcode), e->id);
	else
		snprintf(line, size, "Packet from %s for %s %s with id %u", client, name,
			 type_text(e->qtype, type), e->id);
	return line;
}

static void make_dirty(struct log_file *f)
{
	if (f->is_dirty)
		return;
	f->is_dirty = true;
	f->next_dirty = dirty;
	dirty = f;
}

void log_file_write(struct log_file *f, const struct log_entry *e, int64_t offset_us)
{
	int64_t real_us = (int64_t)e->when_us + offset_us;
	char line[DNS_NAME_TEXT_MAX + 256];

	if (f->o.path[0] == '\0') {
		log_line(f->o.verbose_only ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "rules", "%s",
			 line_of(f, e, line));
		return;
	}
	log_file_begin(f);
	if (f->out == NULL)
		return;
	make_dirty(f);
	if (f->o.binary) {
		write_record(f->out, e, f->o.timestamps, real_us);
		return;
	}
	if (f->o.timestamps)
		fprintf(f->out, "[%lld.%09d] ", (long long)(real_us / 1000000),
			(int)(real_us % 1000000 * 1000));
	fprintf(f->out, "%s\n", line_of(f, e, line));
}

/* A full disk is told about once, until it is no more. */
static void flush(struct log_file *f)
{
	bool bad = (!f->o.buffered && fflush(f->out) != 0) || ferror(f->out);

	if (bad && !f->failed)
		log_error("rules", "can't write to '%s': %s", f->o.path, strerror(errno));
	f->failed = bad;
	clearerr(f->out);
}

void log_files_flush(void)
{
	while (dirty != NULL) {
		struct log_file *f = dirty;

		dirty = f->next_dirty;
		f->is_dirty = false;
		flush(f);
	}
}
