#include "rules/acl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* "!" + netmask. */
static int parse(const char *text, struct netmask *nm, uint32_t *verdict, struct err *err)
{
	*verdict = text[0] == '!' ? ACL_DENY : ACL_ALLOW;
	return netmask_parse(text + (text[0] == '!'), nm, err);
}

int acl_add(struct netmask_table *t, const char *text, struct err *err)
{
	struct netmask nm;
	uint32_t verdict;
	int rc = parse(text, &nm, &verdict, err);

	if (rc == 0)
		netmask_table_add(t, &nm, verdict);
	return rc;
}

int acl_remove(struct netmask_table *t, const char *text, struct err *err)
{
	struct netmask nm;
	uint32_t verdict;
	int rc = parse(text, &nm, &verdict, err);

	return rc < 0 ? rc : netmask_table_remove(t, &nm);
}

/* Cuts the comment and the blanks around what is left. */
static char *trim(char *line)
{
	size_t len = strcspn(line, "#\r\n");

	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	line[len] = '\0';
	return line + strspn(line, " \t");
}

/* The lines of f into t; a line that is none ends it. */
static int read_lines(struct netmask_table *t, FILE *f, const char *path, struct err *err)
{
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	for (unsigned n = 1; rc == 0 && getline(&line, &cap, f) >= 0; n++) {
		const char *text = trim(line);

		if (*text)
			rc = acl_add(t, text, err);
		if (rc < 0)
			err_prefix(err, "%s:%u", path, n);
	}
	if (rc == 0 && ferror(f))
		rc = err_set(err, "%s: %s", path, strerror(errno));
	free(line);
	return rc;
}

int acl_add_file(struct netmask_table *t, const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	struct netmask_table *read;
	int rc;

	if (!f)
		return err_set(err, "%s: %s", path, strerror(errno));
	read = netmask_table_new(); /* apart, so that a bad last line leaves t as it was */
	rc = read_lines(read, f, path, err);
	fclose(f);
	for (size_t i = 0; rc == 0 && i < netmask_table_len(read); i++) {
		uint32_t verdict;
		const struct netmask *nm = netmask_table_at(read, i, &verdict);

		netmask_table_add(t, nm, verdict);
	}
	netmask_table_unref(read);
	return rc;
}

void acl_add_defaults(struct netmask_table *t)
{
	static const char *const ranges[] = {"127.0.0.0/8",    "10.0.0.0/8",     "100.64.0.0/10",
					     "169.254.0.0/16", "192.168.0.0/16", "172.16.0.0/12",
					     "::1/128",        "fc00::/7",       "fe80::/10"};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct netmask nm;
		int rc = netmask_parse(ranges[i], &nm, NULL);

		assert(rc == 0);
		(void)rc;
		netmask_table_add(t, &nm, ACL_ALLOW);
	}
}

static const struct part_ops ops;

static struct part *create(void)
{
	struct acl *acl = mem_zalloc(1, sizeof(*acl));

	acl->part.ops = &ops;
	acl->table = netmask_table_new();
	return &acl->part;
}

static struct part *clone(const struct part *p)
{
	const struct acl *old = container_of(p, struct acl, part);
	struct acl *acl = mem_zalloc(1, sizeof(*acl));

	acl->part.ops = old->part.ops;
	acl->table = netmask_table_clone(old->table);
	return &acl->part;
}

/* The table is complete at every step; there is nothing to compile. */
static int seal(struct part *p, const struct tables *draft, struct err *err)
{
	return 0;
}

static void release(struct part *p)
{
	struct acl *acl = container_of(p, struct acl, part);

	netmask_table_unref(acl->table);
	free(acl);
}

static const struct part_ops ops = {
	.name = "acl",
	.create = create,
	.clone = clone,
	.seal = seal,
	.free = release,
};

void acl_register(void)
{
	tables_register(PART_ACL, &ops);
}
