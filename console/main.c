/* dnsdist: the daemon, and with -c or -e the console's client. */
#include <stdio.h>

#include "console/daemon.h"
#include "console/run_client.h"
#include "console/setup.h"

static int run(const struct options *o)
{
	if (o->help) {
		print_version("dnsdist");
		putchar('\n');
		options_usage(PROGRAM_DAEMON, stdout);
		return 0;
	}
	if (o->version) {
		print_version("dnsdist");
		return 0;
	}
	if (setup_process(o) < 0)
		return 1;
	if (o->check_config)
		return daemon_check(o);
	return o->client ? run_client(o) : daemon_run(o);
}

int main(int argc, char **argv)
{
	struct err err = {""};
	struct options o;
	int status;

	if (options_parse(PROGRAM_DAEMON, argc, argv, &o, &err) < 0) {
		fprintf(stderr, "dnsdist: %s\n", err.text);
		options_usage(PROGRAM_DAEMON, stdout);
		return 1;
	}
	status = run(&o);
	options_fini(&o);
	return status;
}
