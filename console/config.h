/* The operator's part of the tables: console, callbacks' names, logging, server id. Control thread
 * only. */
#ifndef CONSOLE_CONFIG_H
#define CONSOLE_CONFIG_H

#include "core/addr.h"
#include "core/netmask.h"
#include "core/tables.h"

#define CONSOLE_KEY_LEN 32

struct console_config {
	struct part part;
	bool has_address;
	struct addr address; /* controlSocket */
	bool has_key;
	uint8_t key[CONSOLE_KEY_LEN];
	struct netmask_table *acl; /* values ACL_DENY, ACL_ALLOW */
	bool log_connections, bind_fatal;
	uint32_t max_connections; /* 0: no limit */
	uint32_t max_message;     /* octets of a message in either direction */
	char server_id[256];      /* setServerID; "": the host's name */
};

void console_config_register(void);

/* Called on the control thread when a transaction has changed this part; NULL: nobody cares. */
extern void (*console_config_on_commit)(const struct console_config *config);

#endif
