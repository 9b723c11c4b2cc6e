/* What the small programs of tools/ share: options of the form --name value, pinning, addresses. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"

static inline void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* The value of --name, or fallback. Options may stand in any order. */
static inline const char *cli_text(int argc, char **argv, const char *name, const char *fallback)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
			return argv[i + 1];
	return fallback;
}

static inline double cli_number(int argc, char **argv, const char *name, double fallback)
{
	const char *text = cli_text(argc, argv, name, NULL);
	char *end;
	double value;

	if (text == NULL)
		return fallback;
	value = strtod(text, &end);
	if (*text == '\0' || *end != '\0')
		die(name, "not a number");
	return value;
}

static inline bool cli_flag(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
			return true;
	return false;
}

static inline struct addr cli_addr(int argc, char **argv, const char *name, const char *fallback)
{
	struct err err = {""};
	struct addr a;

	if (addr_parse(cli_text(argc, argv, name, fallback), 53, &a, &err) < 0)
		die(name, err.text);
	return a;
}

/* To one core; a negative one leaves the program where it is. */
static inline void pin_to(int core)
{
	cpu_set_t set;

	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("--core", "there is no such core");
}

#endif
