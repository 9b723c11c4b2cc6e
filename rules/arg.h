/*
 * Arguments of selectors and actions: a list of rows says what each is, whoever calls (Lua today,
 * YAML later) checks and converts, and constructors get them ready. All of it on the control
 * thread.
 */
#ifndef RULES_ARG_H
#define RULES_ARG_H

#include "core/addr.h"
#include "core/dns/name.h"
#include "core/netmask.h"

struct selector;
struct action;
struct suffix_table;
struct svc;
struct timed_set;

enum arg_kind {
	ARG_END,
	ARG_BOOL,
	ARG_INT,       /* from least to most */
	ARG_NUMBER,    /* from least to most */
	ARG_TEXT,      /* any octets */
	ARG_TEXTS,     /* one, or a list of at least one */
	ARG_NAME,      /* a DNSName or its text */
	ARG_NAMES,     /* a name, a list of names, or a SuffixMatchNode */
	ARG_NAME_SET,  /* a DNSNameSet */
	ARG_NETMASK,   /* a netmask or an address */
	ARG_NETMASKS,  /* a netmask, a list of them, or a NetmaskGroup */
	ARG_ADDRESS,   /* an address; least is the port it has when it comes without */
	ARG_ADDRESSES, /* one, or a list of at least one */
	ARG_TYPE,      /* a record type: its number or name */
	ARG_TYPES,     /* one, or a list of them */
	ARG_RCODE,     /* from least to most */
	ARG_SELECTOR,  /* a rule, or what stands for one: names, netmasks */
	ARG_SELECTORS, /* a list of rules; may be empty */
	ARG_ACTION,    /* an action of the same chains as the one that is made */
	ARG_TIMED_SET, /* a set of addresses with times */
	ARG_SVCS,      /* SVCRecordParameters, one or a list of at least one */
};

enum arg_flags {
	ARG_OPTIONAL = 1, /* may be left out: constructors see given = false */
	ARG_OPTION = 2, /* not in the list but a key of the table of options behind it; optional */
};

/* A row of an argument list; ended by ARG_END. */
struct arg_spec {
	const char *name;
	enum arg_kind kind;
	unsigned flags;
	double least, most;
	const char *help; /* of an option: one line, lower case; else NULL */
};

#define ARGS_MAX 20

/* An argument as a constructor gets it. All pointers are lent until the constructor returns. */
struct arg {
	bool given;
	union {
		bool boolean;
		int64_t integer; /* also ARG_TYPE, ARG_RCODE */
		double number;
		struct {
			const char *text; /* NUL behind it */
			size_t len;
		};
		struct {
			const uint8_t *name; /* wire format, case kept */
			size_t name_len;
		};
		struct netmask netmask;
		struct addr addr;
		struct selector *selector;
		struct action *action;
		struct {
			struct suffix_table *names; /* take a reference to keep it */
			bool is_list;               /* given as names, not as an object */
		};
		struct netmask_table *netmasks; /* take a reference to keep it */
		struct timed_set *timed_set;    /* take a reference to keep it */
		struct {
			const struct arg *list; /* of the singular kind */
			size_t n;
		};
		const struct svc *svc; /* in the list of ARG_SVCS */
	};
};

#endif
