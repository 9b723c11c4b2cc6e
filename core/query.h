/*
 * One query on its way: all per-query state. Lives in its worker's slab with its packet behind it
 * and never changes worker. Laid out by who reads it: the first line is all that a cache hit needs.
 */
#ifndef CORE_QUERY_H
#define CORE_QUERY_H

#include "core/addr.h"
#include "core/dns/message.h"
#include "core/tables.h"
#include "core/timers.h"

/* How a client or a server is spoken to. The order is the one of the reference's protocol texts. */
enum proto { PROTO_UDP, PROTO_TCP, PROTO_DOT, PROTO_DOH, PROTO_COUNT };

/* Where in its life a query is; workers/pipeline.c has one function for each. */
enum stage {
	STAGE_PARSE,   /* header, question, EDNS */
	STAGE_RULES,   /* what is to be done with it */
	STAGE_POOL,    /* which servers, which cache; ECS */
	STAGE_LOOKUP,  /* packet cache */
	STAGE_MISS,    /* rules for what the cache did not have */
	STAGE_SERVER,  /* the policy picks */
	STAGE_FORWARD, /* send; then it is parked until an answer, an error or a timeout */
	STAGE_ANSWER,  /* the server's answer: rules, edits, cache insert */
	STAGE_HIT,     /* rules for answers from the cache */
	STAGE_SELF,    /* rules for answers of our own */
	STAGE_RESPOND, /* out through the transport it came from; parked when a rule wants it held */
	STAGE_END,
};

/* What a stage says to the driver. */
enum step {
	STEP_NEXT, /* go on with q->stage, which the stage has set */
	STEP_PARK, /* somebody will resume it */
	STEP_DONE, /* answered or dropped: q is gone */
};

/* A query's packet may grow by an ECS option (4 + 4 + 16) with an OPT around it (11), and by what rules add. */
#define QUERY_HEADROOM 128
#define QUERY_UDP_MAX 1500 /* octets; a longer datagram is not a query we take */

struct worker;
struct query;
struct frontend;
struct server;
struct pool;
struct upstream;
struct cache;
struct query_extra;

/* The two doors a transport has for answers. */
struct transport {
	enum proto proto;
	/* Sends q->answer (q->answer_len octets) to the client, and lets go of q. */
	void (*respond)(struct worker *w, struct query *q);
	/* No answer: silence over UDP, a closed connection over streams; lets go of q. */
	void (*drop)(struct worker *w, struct query *q);
};

struct query {
	/* what a hit reads and writes */
	alignas(CACHE_LINE) uint8_t *packet; /* the message as it stands; cap octets of room */
	const struct transport *transport;
	const struct frontend *frontend;
	const struct pool *pool;
	void *conn;     /* the client's stream connection; over UDP the listener's socket */
	uint16_t len, cap;
	struct question question;
	uint16_t id;    /* the client's */
	uint16_t flags; /* the client's, host order: RD and CD are restored in the answer */
	uint8_t stage;  /* enum stage */
	uint8_t client_proto;      /* enum proto */
	bool cache_asked : 1;      /* the cache was asked and had nothing: insert the answer */
	bool self_made : 1;        /* the answer is our own */
	bool is_xfr : 1;           /* AXFR or IXFR */
	bool zero_scope_asked : 1; /* an answer of ECS scope 0 is stored without the subnet */
	bool over_stream : 1;      /* went to the server over TCP or TLS */
	bool answer_stays : 1;     /* answer lies still until udp_flush, not only until respond returns */
	bool more_coming : 1;      /* this answer is one of several (XFR): the query stays in flight */
	bool near_only : 1;        /* nothing after the first two lines was written; who does, clears this */
	bool server_first : 1;     /* the server was chosen before the cache was asked */
	bool ruled : 1;            /* rules asked for something: what stands in the last line, and extra */
	bool skip_cache : 1;       /* neither look-up nor insertion */
	bool no_pool : 1;          /* a rule sent it to a pool that does not exist */
	bool has_trailing : 1;     /* it came with octets after its end, or malformed after the question */
	bool opt_ours : 1;         /* a rule added the OPT: taken out of the answer */
	uint16_t udp_payload; /* what the client can take over UDP: 512 or what its OPT says */
	uint8_t ecs_added;    /* enum ecs_added */
	uint8_t retries;      /* attempts on streams to servers */

	/* what an answer needs */
	alignas(CACHE_LINE) uint8_t *answer; /* lent until respond returns */
	uint32_t answer_len;
	uint16_t upstream_id; /* the ID it has with the server */
	struct addr client;
	struct opt opt;       /* the packet's: the client's, or ours with ecs_added ECS_ADDED_OPT */
	uint8_t key_slot;     /* which of the worker's scratch keys is its own until the look-up */
	uint8_t failure;      /* enum failure, when the transport's drop is called for one */
	struct pin *pin;      /* the generation it began with, once in flight */

	/* in flight */
	alignas(CACHE_LINE) struct addr local; /* the address that was asked; family 0: not known */
	int ifindex;      /* interface of local, for link-local answers */
	uint64_t start_us;
	uint64_t sent_us;
	struct upstream *upstream; /* the worker's side of the server */
	struct server *server;
	struct timer timer;
	struct query *next, *prev; /* queue or list of whoever it waits for */
	void *upconn;              /* the server's stream connection, or UDP socket, it was written to */

	/* what rules asked for; all zero unless ruled is set, which query_mark does */
	alignas(CACHE_LINE) struct query_extra *extra; /* see core/query_extra.h */
	uint32_t delay_ms;           /* of the answer, over UDP */
	uint32_t temp_failure_ttl_s; /* in place of the cache's own, with has_temp_failure_ttl */
	uint32_t max_ttl_s;          /* of what the client gets, with has_max_ttl */
	bool has_temp_failure_ttl : 1;
	bool has_max_ttl : 1;
	bool no_ecs : 1;           /* no subnet is added */
	bool has_ecs_override : 1; /* ecs_override stands for the setting */
	bool ecs_override : 1;
	bool has_ecs_bits : 1; /* ecs_bits stands for the setting */
	bool clear_errors : 1; /* extended errors that its answer came with go */
	uint8_t ecs_bits;
	uint8_t ecs_addr_len; /* octets of an address sent in place of the client's; 0: none */
	uint8_t ecs_addr[16];
	uint8_t *held; /* its answer while it is delayed, when that is longer than its packet's room */
};
static_assert(sizeof(struct query) == 5 * CACHE_LINE, "a query has grown by a line");

/* Before anything in the last line is written. */
static inline void query_mark(struct query *q)
{
	q->near_only = false;
	q->ruled = true;
}

/* Whether the client speaks EDNS: an OPT in the packet may be ours. */
static inline bool query_has_edns(const struct query *q)
{
	return q->opt.at != 0 && !q->opt_ours && q->ecs_added != ECS_ADDED_OPT;
}

#endif
