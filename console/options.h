/* The command line: one row an option, from which parsing, --help and dnsdist(1) are made. */
#ifndef CONSOLE_OPTIONS_H
#define CONSOLE_OPTIONS_H

#include <stdio.h>

#include "core/err.h"

enum program { PROGRAM_DAEMON, PROGRAM_CONSOLE };

/* A growing list of strings lent by argv. */
struct words {
	const char **list;
	unsigned n;
};

struct options {
	const char *config;      /* -C; NULL: the default file */
	const char *command;     /* -e; NULL: none */
	const char *key;         /* -k, base64; NULL: none */
	struct words acl;        /* -a */
	struct words local;      /* -l */
	struct words positional; /* servers of the daemon, the address of the client */
	const char *uid, *gid;
	bool client, check_config, help, version, supervised, disable_syslog, log_timestamps,
		verbose, strict;
	bool structured;                /* --structured-logging, true unless said otherwise */
	const char *structured_backend; /* default, json, systemd-journal */
};

struct option_row {
	const char *name;  /* long form */
	char letter;       /* 0: none */
	const char *value; /* what stands for its argument in texts; NULL: takes none */
	bool in_console;   /* dnsdist-console has it too */
	const char *help;  /* one sentence or two, for --help and the manual */
};

extern const struct option_row option_rows[];
extern const unsigned option_row_count;

/*
 * Reads argv. 0, or -EINVAL with err set: an unknown option, a missing value. Strings are lent by
 * argv; options_fini frees the lists.
 */
int options_parse(enum program program, int argc, char **argv, struct options *o, struct err *err);
void options_fini(struct options *o);

/* What --help prints. */
void options_usage(enum program program, FILE *out);

#endif
