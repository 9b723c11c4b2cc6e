/* Answers counted in the tree of names: for each name, and for all that is below it. Control
 * thread; no Lua. */
#ifndef CONSOLE_STAT_TREE_H
#define CONSOLE_STAT_TREE_H

#include "core/dns/wire.h"

struct stat_counts {
	uint64_t queries; /* whatever became of them */
	uint64_t noerrors, nxdomains, servfails;
	uint64_t drops; /* never answered */
	uint64_t bytes; /* of answers */
	uint64_t hits;  /* answered without a server */
};

struct stat_tree;
struct traffic_record;

struct stat_tree *stat_tree_new(void);    /* gives */
void stat_tree_free(struct stat_tree *t); /* harmless on NULL */

/* Counts an answer under its name, whatever its letter case. */
void stat_tree_add(struct stat_tree *t, const struct traffic_record *answer);

/* Adds the answers of all rings that are at most age_us old; age_us 0: all of them. Control thread. */
void stat_tree_fill(struct stat_tree *t, uint64_t now_us, uint64_t age_us);

/* A node as a visitor sees it: lent until it returns. */
struct stat_node {
	uint8_t name[DNS_NAME_MAX]; /* in the letter case that came first */
	uint8_t name_len;
	unsigned labels;                      /* without the root */
	unsigned n_children;                  /* names one label longer */
	const struct stat_counts *self, *all; /* all: with all below, and itself */
};

/*
 * Visits each name, those below it before itself, in the order of their labels; the root last. A
 * visitor may leave by longjmp. Nothing is added afterwards.
 */
void stat_tree_visit(struct stat_tree *t, void (*visit)(void *ctx, const struct stat_node *node),
		     void *ctx);

#endif
