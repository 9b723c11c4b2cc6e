/* dnsdist-console: the console's client, and nothing else. */
#include <stdio.h>

#include "console/run_client.h"
#include "console/setup.h"

static int run(const struct options *o)
{
	if (o->help) {
		print_version("dnsdist-console");
		putchar('\n');
		options_usage(PROGRAM_CONSOLE, stdout);
		return 0;
	}
	if (o->version) {
		print_version("dnsdist-console");
		return 0;
	}
	return setup_process(o) < 0 ? 1 : run_client(o);
}

int main(int argc, char **argv)
{
	struct err err = {""};
	struct options o;
	int status;

	if (options_parse(PROGRAM_CONSOLE, argc, argv, &o, &err) < 0) {
		fprintf(stderr, "dnsdist-console: %s\n", err.text);
		options_usage(PROGRAM_CONSOLE, stdout);
		return 1;
	}
	status = run(&o);
	options_fini(&o);
	return status;
}
