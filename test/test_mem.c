#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"

static void zero_octets_is_still_memory(void **state)
{
	void *blocks[] = {mem_alloc(0), mem_zalloc(0, 8), mem_realloc(NULL, 0, 8), mem_lines(0)};

	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		assert_non_null(blocks[i]);
		free(blocks[i]);
	}
}

static void lines_are_aligned_whole_and_zero(void **state)
{
	static const size_t lengths[] = {1, 63, 64, 65, 1000};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		size_t whole = (lengths[i] + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
		uint8_t *p = mem_lines(lengths[i]);
		uint8_t sum = 0;

		for (size_t j = 0; j < whole; j++)
			sum |= p[j];
		assert_int_equal((uintptr_t)p % CACHE_LINE, 0);
		assert_int_equal(sum, 0);
		free(p);
	}
}

static void realloc_keeps_and_strdup_copies(void **state)
{
	char *s = mem_strdup("abc");

	s = mem_realloc(s, 1000, 1);
	assert_string_equal(s, "abc");
	free(s);
}

static void too_much(int i)
{
	volatile size_t huge = SIZE_MAX / 2;
	void *volatile p;

	switch (i) {
	case 0:
		p = mem_zalloc(huge, 4);
		break;
	case 1:
		p = mem_realloc(NULL, huge, 4);
		break;
	default:
		p = mem_lines(SIZE_MAX);
		break;
	}
	(void)p;
}

static void overflow_ends_the_process(void **state)
{
	for (int i = 0; i < 3; i++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			signal(SIGABRT, SIG_DFL);
			fclose(stderr);
			too_much(i);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg("case %d: status %d", i, status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_octets_is_still_memory),
		cmocka_unit_test(lines_are_aligned_whole_and_zero),
		cmocka_unit_test(realloc_keeps_and_strdup_copies),
		cmocka_unit_test(overflow_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
