/*
 * A file that queries and answers are logged to (LogAction), or the log of the process where it has
 * no name. Written by the control thread alone; workers leave entries in their queues, see
 * rules/log_sink.h.
 */
#ifndef RULES_LOG_FILE_H
#define RULES_LOG_FILE_H

#include "core/addr.h"
#include "core/dns/name.h"

struct log_entry {
	struct log_file *to;
	uint64_t when_us; /* monotonic */
	struct addr client;
	uint16_t id, qtype;
	uint8_t rcode, name_len;
	uint8_t name[DNS_NAME_MAX];
};

struct log_file_options {
	const char *path;  /* "": the log of the process */
	bool answers;      /* what is logged */
	bool binary;       /* records in place of lines; not of answers */
	bool append;       /* to what is there; else that is thrown away */
	bool buffered;     /* written when there is enough of it; else each time somebody looks */
	bool verbose_only; /* of the log of the process: only in verbose mode */
	bool timestamps;
};

/*
 * Opens nothing, but finds out whether it could: NULL with err naming the file and what is wrong.
 * Copies. Gives.
 */
struct log_file *log_file_new(const struct log_file_options *o, struct err *err);

/* Writes what is still in queues of workers, who can't have it any more. */
void log_file_free(struct log_file *f);

/* Opens it, if it is not open: now there is a rule that writes to it. Errors are logged. */
void log_file_begin(struct log_file *f);

/* Closes it and opens it anew by its name. On failure it stays as it is; -EINVAL with err set. */
int log_file_reload(struct log_file *f, struct err *err);

/* One entry; offset_us is added to its time to make it microseconds since 1970. */
void log_file_write(struct log_file *f, const struct log_entry *e, int64_t offset_us);

/* What log_file_write has left in memory goes out, where that is wanted. */
void log_files_flush(void);

/* Whether workers need not bother. Any thread. */
bool log_file_wants(const struct log_file *f, bool verbose);

const char *log_file_path(const struct log_file *f); /* "": the log of the process */

#endif
