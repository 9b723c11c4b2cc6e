#include "core/log_format.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"Error", LOG_ERR},      [LOG_LEVEL_WARNING] = {"Warning", LOG_WARNING},
	[LOG_LEVEL_NOTICE] = {"Notice", LOG_NOTICE}, [LOG_LEVEL_INFO] = {"Info", LOG_INFO},
	[LOG_LEVEL_DEBUG] = {"Debug", LOG_DEBUG},
};

int log_priority(enum log_level level)
{
	return levels[level].priority;
}

/* A line under way. Its room is LOG_LINE_MAX, which everything fits into; len counts. */
struct out {
	char *text;
	size_t len;
};

static void put(struct out *o, const char *s)
{
	size_t room = LOG_LINE_MAX - o->len, n = strlen(s);

	if (n > room)
		n = room;
	memcpy(o->text + o->len, s, n);
	o->len += n;
}

static void put_char(struct out *o, char c)
{
	if (o->len < LOG_LINE_MAX)
		o->text[o->len++] = c;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* For people and for the journal, whose fields end at a newline. */
static void put_plain(struct out *o, const char *s)
{
	for (; *s; s++)
		put_char(o, is_control(*s) ? '?' : *s);
}

/* Inside double quotes. JSON (RFC 8259 7) takes these escapes, and so do readers of key="value". */
static void put_quoted(struct out *o, const char *s)
{
	char escape[8];

	put_char(o, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\') {
			put_char(o, '\\');
			put_char(o, *s);
		} else if (is_control(*s)) {
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned char)*s);
			put(o, escape);
		} else {
			put_char(o, *s);
		}
	}
	put_char(o, '"');
}

static const char *stamp(char text[static 40], int64_t when_ms, bool iso8601)
{
	time_t s = when_ms / 1000;
	int ms = (int)(when_ms % 1000);
	struct tm tm;
	size_t n;

	if (!iso8601) {
		snprintf(text, 40, "%lld.%03d", (long long)s, ms);
		return text;
	}
	localtime_r(&s, &tm);
	n = strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(text + n, 40 - n, ".%03d", ms);
	strftime(text + n, 40 - n, "%z", &tm);
	return text;
}

/* The pairs of a structured line, in the order of the reference. */
static void put_pairs(struct out *o, const struct log_config *config, const struct log_record *r,
		      const char *between, const char *equals, bool quote_keys)
{
	char ts[40];
	const char *const pairs[][2] = {
		{"msg", r->text},
		{"subsystem", r->subsystem},
		{"level", "0"},
		{"prio", levels[r->level].name},
		{"ts", stamp(ts, r->when_ms, config->iso8601)},
		{"instance", config->instance},
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (!pairs[i][1])
			continue;
		if (i > 0)
			put(o, between);
		if (quote_keys)
			put_quoted(o, pairs[i][0]);
		else
			put(o, pairs[i][0]);
		put(o, equals);
		put_quoted(o, pairs[i][1]);
	}
}

static void put_timestamp(struct out *o, int64_t when_ms)
{
	time_t s = when_ms / 1000;
	struct tm tm;
	char text[32];

	localtime_r(&s, &tm);
	strftime(text, sizeof(text), "%b %d %H:%M:%S ", &tm);
	put(o, text);
}

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL: FIELD=value lines in one datagram */
static void put_journal(struct out *o, const struct log_config *config, const struct log_record *r)
{
	char priority[16];

	put(o, "MESSAGE=");
	put_plain(o, r->text);
	snprintf(priority, sizeof(priority), "\nPRIORITY=%d", log_priority(r->level));
	put(o, priority);
	put(o, "\nSYSLOG_IDENTIFIER=dnsdist\nSUBSYSTEM=");
	put_plain(o, r->subsystem);
	if (config->instance) {
		put(o, "\nINSTANCE=");
		put_plain(o, config->instance);
	}
}

size_t log_format_line(char out[static LOG_LINE_MAX], const struct log_config *config,
		       const struct log_record *r)
{
	struct out o = {out, 0};

	switch (config->format) {
	case LOG_FORMAT_PLAIN:
		if (config->timestamps)
			put_timestamp(&o, r->when_ms);
		put_plain(&o, r->text);
		break;
	case LOG_FORMAT_STRUCTURED:
		put_pairs(&o, config, r, " ", "=", false);
		break;
	case LOG_FORMAT_JSON:
		put_char(&o, '{');
		put_pairs(&o, config, r, ",", ":", true);
		put_char(&o, '}');
		break;
	case LOG_FORMAT_JOURNAL:
		put_journal(&o, config, r);
		break;
	}
	if (o.len == LOG_LINE_MAX) /* cut: only an absurd instance name can do that */
		o.len--;
	put_char(&o, '\n');
	return o.len;
}
