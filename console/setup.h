/* From a command line and a file to the first published tables. */
#ifndef CONSOLE_SETUP_H
#define CONSOLE_SETUP_H

#include "console/client.h"
#include "console/lua/host.h"
#include "console/options.h"

/* Libraries, hashes, logging: once, before anything else in main. 0, or a negative errno after
 * saying why. */
int setup_process(const struct options *o);

/*
 * Registers the rooms' parts, runs the configuration file in this role with what the command line
 * says before and after it, and publishes, or with --check-config only checks. 0, or a
 * negative errno with err set. setup_end must follow either way.
 */
int setup_configuration(const struct options *o, enum lua_role role, struct err *err);
void setup_end(void);

/* What --check-config says about a right configuration. */
void setup_say_ok(const struct options *o);

/*
 * Address and key for a client: from the command line, else from the configuration. 0, or a
 * negative errno with err set; -ENOKEY when all there is lacks a key.
 */
int setup_client_target(const struct options *o, struct client_target *target, struct err *err);

#endif
