/* Access control: the longest match decides; lists, removals and files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"
#include "rules/acl.h"

static bool allows(const struct netmask_table *t, const char *client)
{
	struct addr a;

	if (addr_parse(client, 0, &a, NULL) < 0)
		fail_msg("%s is no address", client);
	return acl_allows(t, &a);
}

static const struct {
	const char *label, *entries[4], *client;
	bool want;
} cases[] = {
	{"an empty list refuses", {NULL}, "127.0.0.1", false},
	{"inside", {"10.0.0.0/8"}, "10.1.2.3", true},
	{"outside", {"10.0.0.0/8"}, "11.1.2.3", false},
	{"denied inside", {"10.0.0.0/8", "!10.1.0.0/16"}, "10.1.2.3", false},
	{"the order does not matter", {"!10.1.0.0/16", "10.0.0.0/8"}, "10.1.2.3", false},
	{"allowed inside the denied", {"10.0.0.0/8", "!10.1.0.0/16", "10.1.2.3"}, "10.1.2.3", true},
	{"the later of two equal ones holds", {"10.0.0.0/8", "!10.0.0.0/8"}, "10.1.2.3", false},
	{"everybody", {"0.0.0.0/0"}, "203.0.113.1", true},
	{"everybody of the other family", {"0.0.0.0/0"}, "2001:db8::1", false},
	{"IPv6", {"2001:db8::/32", "!2001:db8:1::/48"}, "2001:db8:2::1", true},
	{"IPv4 on an IPv6 socket", {"192.0.2.0/24"}, "::ffff:192.0.2.1", true},
};

static void longest_match_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netmask_table *t = netmask_table_new();
		bool got;

		for (unsigned j = 0; j < 4 && cases[i].entries[j]; j++)
			acl_add(t, cases[i].entries[j], NULL);
		got = allows(t, cases[i].client);
		netmask_table_unref(t);
		if (got != cases[i].want)
			fail_msg("%s: %s", cases[i].label, got ? "allowed" : "refused");
	}
}

static void defaults_are_the_private_ranges(void **state)
{
	static const char *const in[] = {"127.0.0.1",   "10.255.0.1",  "100.64.0.1",
					 "169.254.9.9", "192.168.1.1", "172.31.255.255",
					 "::1",         "fdff::1",     "fe80::1"};
	static const char *const out[] = {"8.8.8.8", "100.128.0.1", "172.32.0.1", "2001:db8::1",
					  "::2"};
	struct netmask_table *t = netmask_table_new();

	(void)state;
	acl_add_defaults(t);
	assert_int_equal(netmask_table_len(t), 9);
	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		if (!allows(t, in[i]))
			fail_msg("%s is refused", in[i]);
	for (size_t i = 0; i < ARRAY_LEN(out); i++)
		if (allows(t, out[i]))
			fail_msg("%s is allowed", out[i]);
	netmask_table_unref(t);
}

static void only_an_exact_entry_is_removed(void **state)
{
	struct netmask_table *t = netmask_table_new();
	struct err err;

	(void)state;
	acl_add(t, "10.0.0.0/8", &err);
	acl_add(t, "!192.0.2.0/24", &err);
	assert_int_equal(acl_remove(t, "10.0.0.0/9", &err), 0);
	assert_int_equal(acl_remove(t, "10.0.0.0", &err), 0);
	assert_int_equal(acl_remove(t, "nonsense", &err), -EINVAL);
	assert_non_null(strstr(err.text, "nonsense"));
	assert_int_equal(netmask_table_len(t), 2);
	assert_int_equal(acl_remove(t, "10.0.0.0/8", &err), 1);
	assert_int_equal(acl_remove(t, "!192.0.2.0/24", &err), 1);
	assert_int_equal(netmask_table_len(t), 0);
	netmask_table_unref(t);
}

static const struct {
	const char *label, *text;
	int want_rc;
	size_t want_len;
	const char *want_error; /* part of it */
} files[] = {
	{"plain", "192.0.2.0/24\n2001:db8::/32\n", 0, 3, ""},
	{"comments, blanks, no last newline, CR", "# all\n\n  192.0.2.0/24 # us\r\n\t\n!192.0.2.1",
	 0, 3, ""},
	{"nothing", "", 0, 1, ""},
	{"a bad line changes nothing", "192.0.2.0/24\nwhat\n", -EINVAL, 1, ":2: 'what'"},
};

static void file_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[] = "/tmp/test_acl_XXXXXX";
		int fd = mkstemp(path);
		struct netmask_table *t = netmask_table_new();
		struct err err = {""};
		int rc, wrote = dprintf(fd, "%s", files[i].text);
		size_t len;

		close(fd);
		acl_add(t, "10.0.0.0/8", &err);
		rc = acl_add_file(t, path, &err);
		len = netmask_table_len(t);
		unlink(path);
		netmask_table_unref(t);
		if (wrote < 0 || rc != files[i].want_rc || len != files[i].want_len ||
		    !strstr(err.text, files[i].want_error))
			fail_msg("%s: %d, %zu netmasks, '%s'", files[i].label, rc, len, err.text);
	}
}

static void missing_file_is_named(void **state)
{
	struct netmask_table *t = netmask_table_new();
	struct err err = {""};

	(void)state;
	assert_int_equal(acl_add_file(t, "/nonexistent/acl", &err), -EINVAL);
	assert_non_null(strstr(err.text, "/nonexistent/acl: No such file"));
	assert_int_equal(acl_add_file(t, "/", &err), -EINVAL);
	netmask_table_unref(t);
}

static void a_draft_does_not_touch_what_it_was_copied_from(void **state)
{
	const struct part_ops *ops = tables_owner(PART_ACL);
	struct part *live = ops->create(), *draft;
	struct err err;

	(void)state;
	acl_add(container_of(live, struct acl, part)->table, "10.0.0.0/8", &err);
	draft = ops->clone(live);
	acl_add(container_of(draft, struct acl, part)->table, "11.0.0.0/8", &err);
	assert_int_equal(ops->seal(draft, NULL, &err), 0);
	assert_int_equal(draft->refs, 0);
	assert_false(allows(container_of(live, struct acl, part)->table, "11.1.1.1"));
	ops->free(live);
	assert_true(allows(container_of(draft, struct acl, part)->table, "10.1.1.1"));
	assert_true(allows(container_of(draft, struct acl, part)->table, "11.1.1.1"));
	ops->free(draft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_match_decides),
		cmocka_unit_test(defaults_are_the_private_ranges),
		cmocka_unit_test(only_an_exact_entry_is_removed),
		cmocka_unit_test(file_is_read_whole_or_not_at_all),
		cmocka_unit_test(missing_file_is_named),
		cmocka_unit_test(a_draft_does_not_touch_what_it_was_copied_from),
	};

	hash_init(1);
	acl_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
