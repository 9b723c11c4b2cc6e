#include "rules/select_texts.h"

#include "rules/acl.h"

static struct selector *of_netmasks(const struct arg *list, size_t n, struct err *err)
{
	struct netmask_table *t = netmask_table_new();
	struct selector *s = NULL;

	for (size_t i = 0; i < n; i++)
		acl_add(t, list[i].text, NULL); /* what is no netmask may be a name */
	if (netmask_table_len(t) != 0)
		s = selector_of_netmasks(t, err);
	netmask_table_unref(t);
	return s;
}

static int add_name(struct suffix_table *t, const struct arg *text, struct err *err)
{
	uint8_t name[DNS_NAME_MAX];
	int len = name_parse(text->text, name, err);

	if (len < 0) {
		err_prefix(err, "neither a netmask nor a name");
		return len;
	}
	if (suffix_table_add(t, name, (size_t)len, 0) < 0)
		return err_set(err, "the names are too many: they take more than 4 GiB");
	return 0;
}

static struct selector *of_names(const struct arg *list, size_t n, struct err *err)
{
	struct suffix_table *t = suffix_table_new();
	struct selector *s = NULL;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_name(t, &list[i], err);
	if (rc == 0)
		s = selector_of_suffixes(t, err);
	suffix_table_unref(t);
	return s;
}

struct selector *selector_of_texts(const struct arg *list, size_t n, struct err *err)
{
	struct selector *s;

	if (n == 0) {
		err_set(err, "the list is empty: it must have a name or a netmask at least");
		return NULL;
	}
	s = of_netmasks(list, n, err);
	return s != NULL ? s : of_names(list, n, err);
}

const char *selector_ignored_text(const struct arg *list, size_t n)
{
	struct netmask_table *t = netmask_table_new();
	const char *other = NULL;
	bool has_netmask = false;

	for (size_t i = 0; i < n; i++) {
		if (acl_add(t, list[i].text, NULL) == 0)
			has_netmask = true;
		else if (other == NULL)
			other = list[i].text;
	}
	netmask_table_unref(t);
	return has_netmask ? other : NULL;
}
