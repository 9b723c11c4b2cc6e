#include "console/run_client.h"

#include <stdio.h>
#include <string.h>

#include "console/client.h"
#include "console/crypto.h"
#include "console/setup.h"
#include "core/bpf/kfilter.h"
#include "core/tls/tls.h"

/* makeKey() is what one types before there is any key, so no daemon is needed for it. */
static bool is_make_key(const char *command)
{
	char bare[16];
	size_t n = 0;

	for (; *command && n < sizeof(bare) - 1; command++)
		if (*command != ' ' && *command != ';')
			bare[n++] = *command;
	bare[n] = '\0';
	return *command == '\0' && strcmp(bare, "makeKey()") == 0;
}

static int converse(const struct options *o)
{
	struct client_target target;
	struct err err = {""};
	int rc = setup_client_target(o, &target, &err);

	if (rc == -ENOKEY && o->command && is_make_key(o->command)) {
		char line[CONSOLE_KEY_LINE_MAX];

		fputs(console_make_key(line), stdout);
		return 0;
	}
	if (rc < 0) {
		fprintf(stderr, "%s\n", err.text);
		return rc == -ENOKEY ? 0 : 1;
	}
	return o->command ? client_execute(&target, o->command) : client_interactive(&target);
}

int run_client(const struct options *o)
{
	struct err err = {""};
	int status = 1;

	if (setup_configuration(o, LUA_CLIENT, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	else
		status = converse(o);
	setup_end();
	return status;
}

void print_version(const char *program)
{
	printf("%s %s (%s)\n", program, DNSDIST_VERSION, lua_host_version());
	printf("Enabled features: dns-over-tls(" TLS_PROVIDERS
	       ")%s libedit libsodium recvmmsg/sendmmsg systemd\n",
	       kfilter_is_built() ? " ebpf" : "");
}
