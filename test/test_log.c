/* Log lines: their formats, what is verbose, where they go, the queue of a worker. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/log_format.h"

static const struct {
	const char *label;
	struct log_config config;
	enum log_level level;
	const char *text, *want;
} formats[] = {
	{"plain",
	 {.format = LOG_FORMAT_PLAIN},
	 LOG_LEVEL_INFO,
	 "all is \"well\"",
	 "all is \"well\"\n"},
	{"plain has one line a call",
	 {.format = LOG_FORMAT_PLAIN},
	 LOG_LEVEL_INFO,
	 "a\nb\x1b[31m",
	 "a?b?[31m\n"},
	{"plain with the time",
	 {.format = LOG_FORMAT_PLAIN, .timestamps = true},
	 LOG_LEVEL_INFO,
	 "x",
	 "Nov 14 22:13:20 x\n"},
	{"structured",
	 {.format = LOG_FORMAT_STRUCTURED},
	 LOG_LEVEL_INFO,
	 "Configuration OK",
	 "msg=\"Configuration OK\" subsystem=\"setup\" level=\"0\" prio=\"Info\" ts=\"1700000000.042\"\n"},
	{"structured is escaped",
	 {.format = LOG_FORMAT_STRUCTURED},
	 LOG_LEVEL_ERROR,
	 "a\"b\\c\n",
	 "msg=\"a\\\"b\\\\c\\u000a\" subsystem=\"setup\" level=\"0\" prio=\"Error\" ts=\"1700000000.042\"\n"},
	{"structured with ISO time and instance",
	 {.format = LOG_FORMAT_STRUCTURED, .iso8601 = true, .instance = "lb1"},
	 LOG_LEVEL_WARNING,
	 "x",
	 "msg=\"x\" subsystem=\"setup\" level=\"0\" prio=\"Warning\" ts=\"2023-11-14T22:13:20.042+0000\""
	 " instance=\"lb1\"\n"},
	{"JSON",
	 {.format = LOG_FORMAT_JSON},
	 LOG_LEVEL_NOTICE,
	 "a\"b\t",
	 "{\"msg\":\"a\\\"b\\u0009\",\"subsystem\":\"setup\",\"level\":\"0\",\"prio\":\"Notice\","
	 "\"ts\":\"1700000000.042\"}\n"},
	{"journal",
	 {.format = LOG_FORMAT_JOURNAL},
	 LOG_LEVEL_DEBUG,
	 "a\nPRIORITY=0",
	 "MESSAGE=a?PRIORITY=0\nPRIORITY=7\nSYSLOG_IDENTIFIER=dnsdist\nSUBSYSTEM=setup\n"},
};

static void line_has_its_format(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct log_record r = {formats[i].level, "setup", formats[i].text, 1700000000042};
		char out[LOG_LINE_MAX + 1];

		out[log_format_line(out, &formats[i].config, &r)] = '\0';
		if (strcmp(out, formats[i].want) != 0)
			fail_msg("%s: %s", formats[i].label, out);
	}
}

static void longest_text_fits_every_format(void **state)
{
	static char text[LOG_TEXT_MAX], out[LOG_LINE_MAX];

	(void)state;
	memset(text, '\1', sizeof(text) - 1);
	for (unsigned f = LOG_FORMAT_PLAIN; f <= LOG_FORMAT_JOURNAL; f++) {
		struct log_config config = {.format = f};
		struct log_record r = {LOG_LEVEL_INFO, "setup", text, 0};
		size_t len = log_format_line(out, &config, &r);

		assert_in_range(len, sizeof(text), LOG_LINE_MAX - 1);
		assert_int_equal(out[len - 1], '\n');
	}
}

/* What was written to standard output, of which `to` says where it goes meanwhile. */
static char captured[65536];
static char capture_path[] = "/tmp/test_log_XXXXXX";
static int saved_stdout;

static void capture_begin(void)
{
	int fd = open(capture_path, O_RDWR | O_TRUNC);

	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
}

static const char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, captured, sizeof(captured) - 1);

	close(fd);
	captured[n > 0 ? n : 0] = '\0';
	return captured;
}

static const char *capture_end(void)
{
	dup2(saved_stdout, STDOUT_FILENO);
	close(saved_stdout);
	return read_file(capture_path);
}

static void debug_lines_need_verbose(void **state)
{
	struct log_config config = {.format = LOG_FORMAT_PLAIN};

	(void)state;
	capture_begin();
	log_configure(&config);
	log_debug("test", "unseen %d", 1);
	log_set_verbose(true);
	log_debug("test", "seen %d", 2);
	log_info("test", "info");
	config.verbose = false;
	log_configure(&config);
	log_debug("test", "unseen again");
	assert_string_equal(capture_end(), "seen 2\ninfo\n");
}

static void verbose_lines_go_to_their_file(void **state)
{
	char path[] = "/tmp/test_log_verbose_XXXXXX";
	struct log_config config = {
		.format = LOG_FORMAT_PLAIN, .verbose = true, .verbose_path = path};

	(void)state;
	close(mkstemp(path));
	capture_begin();
	log_configure(&config);
	log_debug("test", "talk");
	log_info("test", "info");
	config.verbose_path = "/nonexistent/dir/file";
	log_configure(&config);
	log_debug("test", "more talk");
	config = (struct log_config){.format = LOG_FORMAT_PLAIN};
	log_configure(&config);
	assert_string_equal(
		capture_end(),
		"info\n"
		"verbose log /nonexistent/dir/file can't be opened: No such file or directory; "
		"verbose lines go where all others go\n"
		"more talk\n");
	assert_string_equal(read_file(path), "talk\n");
	unlink(path);
}

static void queue_keeps_order_and_counts_what_it_refuses(void **state)
{
	struct log_config config = {.format = LOG_FORMAT_STRUCTURED};
	struct log_queue *q = log_queue_new();
	uint64_t refused, refused_then;
	const char *text, *at;
	unsigned lines = 0;

	(void)state;
	capture_begin();
	clock_fake(1, 1700000000);
	log_configure(&config);
	log_queue_attach(q);
	for (unsigned i = 0; i < 1000; i++)
		log_info("test", "line %u", i);
	clock_fake_advance(5000000); /* a line has the time at which it happened */
	refused = log_queue_flush(q);
	refused_then = log_queue_flush(q);
	log_info("test", "after");
	log_queue_flush(q);
	log_queue_attach(NULL);
	clock_fake_end();
	log_queue_free(q);
	text = capture_end();
	config = (struct log_config){.format = LOG_FORMAT_PLAIN};
	log_configure(&config);
	for (at = text; (at = strstr(at, "msg=\"line ")) != NULL; at++)
		if ((unsigned)atoi(at + 10) != lines++)
			fail_msg("out of order: %.20s", at);
	assert_int_equal(lines + refused, 1000);
	assert_true(lines > 50);
	assert_int_equal(refused_then, 0);
	assert_non_null(strstr(
		text,
		"msg=\"line 0\" subsystem=\"test\" level=\"0\" prio=\"Info\" ts=\"1700000000.000\""));
	assert_non_null(strstr(text, "msg=\"after\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_has_its_format),
		cmocka_unit_test(longest_text_fits_every_format),
		cmocka_unit_test(debug_lines_need_verbose),
		cmocka_unit_test(verbose_lines_go_to_their_file),
		cmocka_unit_test(queue_keeps_order_and_counts_what_it_refuses),
	};
	int rc;

	setenv("TZ", "UTC", 1);
	close(mkstemp(capture_path));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(capture_path);
	return rc;
}
