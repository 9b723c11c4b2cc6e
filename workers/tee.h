/* A worker's sockets to servers that get copies of queries. Owner only, all of it. */
#ifndef WORKERS_TEE_H
#define WORKERS_TEE_H

struct worker;
struct tee;
struct rule_run;

/*
 * Sends a copy of the run's query; queries that came over streams are only counted. Never waits:
 * what the socket does not take is lost, and counted.
 */
void tee_query(struct worker *w, struct tee *tee, const struct rule_run *run);

/* Closes the sockets of those that are gone. */
void tees_follow(struct worker *w);

/* The thread ends: closes all. */
void tees_fini(struct worker *w);

#endif
