/* Queries and answers that rules log: what workers leave, and what the control thread writes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "rules/log_sink.h"
#include "test/action_fixture.h"

static struct scene scene;
static struct log_sink *sink;
static unsigned n_wakes;
static char dir[64], path[96], args[256];

static void wake(void)
{
	n_wakes++;
}

static int start(void **state)
{
	strcpy(dir, "/tmp/log-actions-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/queries", dir);
	clock_fake(5000000, 1700000000);
	scene_start(&scene);
	sink = log_sink_new(wake);
	return sink == NULL;
}

static int end(void **state)
{
	log_sink_free(sink);
	scene_end(&scene);
	clock_fake_end();
	unlink(path);
	return rmdir(dir);
}

static int no_file(void **state)
{
	unlink(path);
	return 0;
}

/* What is in a file. Lent until the next. */
static const char *content_of(const char *name, size_t *len)
{
	static char text[65536];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	*len = n < 0 ? 0 : (size_t)n;
	text[*len] = '\0';
	return n < 0 ? "no file" : text;
}

static const char *content(void)
{
	size_t len;

	return content_of(path, &len);
}

/* An action on the file, with more arguments. */
static struct action *log_to(const char *name, const char *more)
{
	struct err err = {""};
	struct action *a;

	snprintf(args, sizeof(args), "filename=%s%s", path, more);
	a = action_of(name, args, &err);
	if (a == NULL)
		fail_msg("%s(%s): %s", name, args, err.text);
	return a;
}

static void run_on(struct action *a, const struct message *m)
{
	struct rule_run *run = scene_set(&scene, m);

	run->log = sink;
	run->now_us = clock_mono_us();
	assert_int_equal(action_run(a, run), VERDICT_NEXT);
	assert_true(is_untouched(&scene));
}

static const struct message query, v6 = {.client = "2001:db8::1", .qtype = 65280, .name = "."},
				   answer = {.flags = DNS_QR | RCODE_NXDOMAIN},
				   refused = {.flags = DNS_QR | RCODE_REFUSED, .no_question = true};

static void lines_are_written(void **state)
{
	struct action *a = log_to("LogAction", "; binary=false");
	struct action *r;
	char *text = action_text(a);

	assert_int_equal(strncmp(text, "log to /tmp/", 12), 0);
	free(text);
	run_on(a, &query);
	assert_string_equal(content(), "no file");
	log_sinks_drain();
	run_on(a, &v6);
	log_sinks_drain();
	assert_string_equal(content(),
			    "Packet from 192.0.2.1:1053 for www.example.com. A with id 4660\n"
			    "Packet from [2001:db8::1]:1053 for . TYPE65280 with id 4660\n");
	action_unref(a);
	unlink(path);
	r = log_to("LogResponseAction", "; includeTimestamp=true");
	clock_fake_advance(1500000);
	run_on(r, &answer);
	clock_fake_advance(250);
	run_on(r, &refused);
	clock_fake_advance(7000000);
	log_sinks_drain();
	assert_string_equal(
		content(), "[1700000001.500000000] Answer to 192.0.2.1:1053 for www.example.com. A "
			   "(Non-Existent domain) with id 4660\n"
			   "[1700000001.500250000] Answer to 192.0.2.1:1053 for www.example.com. A "
			   "(Query Refused) with id 4660\n");
	action_unref(r);
}

static void records_are_written(void **state)
{
	struct action *a = log_to("LogAction", "; includeTimestamp=true");
	static const char name[] = "\3www\7example\3com";
	int64_t now_us = clock_real_us();
	uint64_t s = (uint64_t)(now_us / 1000000);
	uint32_t ns = (uint32_t)(now_us % 1000000 * 1000);
	uint16_t qtype = TYPE_A, family = AF_INET;
	uint8_t want[64];
	const char *got;
	size_t len;

	run_on(a, &query);
	action_unref(a); /* what is under way is written when it ends */
	got = content_of(path, &len);
	memcpy(want, &s, 8);
	memcpy(want + 8, &ns, 4);
	memcpy(want + 12, "\x12\x34", 2);
	memcpy(want + 14, name, sizeof(name));
	memcpy(want + 14 + sizeof(name), &qtype, 2);
	memcpy(want + 16 + sizeof(name), &family, 2);
	memcpy(want + 18 + sizeof(name), "\xc0\0\2\1\x04\x1d", 6);
	assert_int_equal(len, 24 + sizeof(name));
	assert_memory_equal(got, want, len);

	a = log_to("LogAction", "; binary=true");
	run_on(a, &v6);
	action_unref(a);
	content_of(path, &len);
	assert_int_equal(len, 2 + 1 + 2 + 2 + 16 + 2);
}

static void put_text(const char *text)
{
	FILE *f = fopen(path, "we");

	fputs(text, f);
	fclose(f);
}

static void files_are_kept_or_thrown_away(void **state)
{
	struct action *a;

	put_text("before\n");
	a = log_to("LogAction", "; binary=false; append=true");
	a->type->begin(a->state);
	assert_string_equal(content(), "before\n");
	run_on(a, &query);
	log_sinks_drain();
	assert_int_equal(strncmp(content(), "before\nPacket", 13), 0);
	action_unref(a);

	put_text("before\n");
	a = log_to("LogAction", "; binary=false");
	assert_string_equal(content(), "before\n"); /* a rule with it may never come to be */
	a->type->begin(a->state);
	assert_string_equal(content(), "");
	put_text("others\n");
	a->type->begin(a->state);
	assert_string_equal(content(), "others\n");
	action_unref(a);
}

static void a_file_that_was_moved_is_opened_anew(void **state)
{
	struct action *a = log_to("LogAction", "; binary=false; append=true");
	char moved[sizeof(path) + 8];
	struct err err = {""};
	size_t len;

	snprintf(moved, sizeof(moved), "%s.1", path);
	run_on(a, &query);
	log_sinks_drain();
	assert_int_equal(rename(path, moved), 0);
	run_on(a, &v6); /* belongs to the old one */
	assert_int_equal(a->type->reload(a->state, &err), 0);
	run_on(a, &query);
	log_sinks_drain();
	assert_non_null(strstr(content_of(moved, &len), "TYPE65280"));
	assert_string_equal(content(),
			    "Packet from 192.0.2.1:1053 for www.example.com. A with id 4660\n");
	unlink(moved);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(a->type->reload(a->state, &err), -EINVAL);
	assert_non_null(strstr(err.text, "directory"));
	rmdir(path);
	action_unref(a);
}

static void buffered_means_later(void **state)
{
	struct action *a = log_to("LogAction", "; binary=false; buffered=true");

	run_on(a, &query);
	log_sinks_drain();
	assert_string_equal(content(), "");
	action_unref(a);
	assert_int_equal(strncmp(content(), "Packet", 6), 0);
}

static const struct {
	const char *label, *path, *error;
} bad[] = {
	{"no such folder", "/no/such/folder/queries", "'/no/such/folder/queries': No such file"},
	{"a folder", "/tmp", "'/tmp': Is a directory"},
	{"not below a folder", "/dev/null/queries", "Not a directory"},
};

static void what_can_not_be_written_to_is_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = {""};

		snprintf(args, sizeof(args), "filename=%s", bad[i].path);
		if (action_of("LogAction", args, &err) != NULL ||
		    strstr(err.text, bad[i].error) == NULL)
			fail_msg("%s: %s", bad[i].label, err.text);
	}
}

/* A pipe without a reader would make the process wait. */
static void a_pipe_that_nobody_reads_is_an_error(void **state)
{
	struct action *a;
	struct err err = {""};

	assert_int_equal(mkfifo(path, 0600), 0);
	a = log_to("LogAction", "");
	assert_int_equal(a->type->reload(a->state, &err), -EINVAL);
	action_unref(a);
}

static void what_does_not_fit_is_lost(void **state)
{
	struct action *a = log_to("LogAction", "; binary=false");
	size_t len;

	n_wakes = 0;
	for (unsigned i = 0; i < 2047; i++)
		run_on(a, &query);
	assert_int_equal(n_wakes, 0);
	for (unsigned i = 0; i < 2049 + 100; i++)
		run_on(a, &query);
	assert_int_equal(n_wakes, 1);
	action_unref(a);
	content_of(path, &len);
	assert_int_equal(len, 65535); /* the reader's bound */
	{
		struct stat st;

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 4096 * 63);
	}
}

/* Workers' entries come out as they happened, whoever left them. */
static void workers_take_turns(void **state)
{
	static const struct message from[] = {
		{.client = "192.0.2.10"}, {.client = "192.0.2.11"}, {.client = "192.0.2.12"},
		{.client = "192.0.2.13"}, {.client = "192.0.2.14"},
	};
	struct log_sink *sinks[] = {sink, log_sink_new(wake), log_sink_new(wake)};
	static const unsigned order[] = {2, 0, 1, 1, 0};
	struct action *a = log_to("LogAction", "; binary=false");
	const char *at;

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		sink = sinks[order[i]];
		clock_fake_advance(10);
		run_on(a, &from[i]);
	}
	sink = sinks[0];
	log_sinks_drain();
	at = content();
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		at = strstr(at, from[i].client);
		if (at == NULL)
			fail_msg("%s is not in its place: %s", from[i].client, content());
	}
	log_sink_free(sinks[1]);
	log_sink_free(sinks[2]);
	action_unref(a);
}

/* What the process writes to its standard output while f runs. */
static const char *output_of(void (*f)(struct action *a), struct action *a)
{
	int saved = dup(STDOUT_FILENO);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len;

	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	f(a);
	log_sinks_drain();
	dup2(saved, STDOUT_FILENO);
	close(fd);
	close(saved);
	return content_of(path, &len);
}

static void log_query(struct action *a)
{
	run_on(a, &query);
}

static void without_a_name_it_goes_to_the_log(void **state)
{
	static const char line[] =
		"Packet from 192.0.2.1:1053 for www.example.com. A with id 4660\n";
	struct action *verbose = action_of("LogAction", NULL, NULL);
	struct action *always = action_of("LogAction", "verboseOnly=false", NULL);
	char *text = action_text(verbose);
	struct log_config quiet = {.format = LOG_FORMAT_PLAIN}, loud = quiet;

	assert_string_equal(text, "log");
	free(text);
	loud.verbose = true;
	log_configure(&quiet);
	assert_string_equal(output_of(log_query, verbose), "");
	assert_string_equal(output_of(log_query, always), line);
	log_configure(&loud);
	scene.settings->verbose = true;
	assert_string_equal(output_of(log_query, verbose), line);
	scene.settings->verbose = false;
	log_configure(&quiet);
	action_unref(verbose);
	action_unref(always);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(lines_are_written, no_file),
		cmocka_unit_test_teardown(records_are_written, no_file),
		cmocka_unit_test_teardown(files_are_kept_or_thrown_away, no_file),
		cmocka_unit_test_teardown(a_file_that_was_moved_is_opened_anew, no_file),
		cmocka_unit_test_teardown(buffered_means_later, no_file),
		cmocka_unit_test_teardown(what_can_not_be_written_to_is_refused, no_file),
		cmocka_unit_test_teardown(a_pipe_that_nobody_reads_is_an_error, no_file),
		cmocka_unit_test_teardown(what_does_not_fit_is_lost, no_file),
		cmocka_unit_test_teardown(workers_take_turns, no_file),
		cmocka_unit_test_teardown(without_a_name_it_goes_to_the_log, no_file),
	};

	return cmocka_run_group_tests(tests, start, end);
}
