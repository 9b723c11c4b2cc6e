#include "console/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#define RETAINED_MAX 64

static cap_value_t retained[RETAINED_MAX];
static int n_retained;

int privileges_retain(const char *capability, struct err *err)
{
	cap_value_t value;

	if (cap_from_name(capability, &value) < 0)
		return err_set(err, "'%s' is no capability; capabilities(7) lists them",
			       capability);
	for (int i = 0; i < n_retained; i++)
		if (retained[i] == value)
			return 0;
	if (n_retained == RETAINED_MAX)
		return err_set(err, "more than %d capabilities to retain", RETAINED_MAX);
	retained[n_retained++] = value;
	return 0;
}

static bool is_number(const char *text, unsigned long *out)
{
	char *end;

	*out = strtoul(text, &end, 10);
	return *text != '\0' && *end == '\0';
}

static int find_user(const char *text, uid_t *uid, struct err *err)
{
	const struct passwd *pw = getpwnam(text);
	unsigned long n;

	if (pw)
		*uid = pw->pw_uid;
	else if (is_number(text, &n))
		*uid = (uid_t)n;
	else
		return err_set(err, "--uid: there is no user '%s'", text);
	return 0;
}

static int find_group(const char *text, gid_t *gid, struct err *err)
{
	const struct group *gr = getgrnam(text);
	unsigned long n;

	if (gr)
		*gid = gr->gr_gid;
	else if (is_number(text, &n))
		*gid = (gid_t)n;
	else
		return err_set(err, "--gid: there is no group '%s'", text);
	return 0;
}

/* From the permitted ones only: without root there may be none to keep. */
static int keep_capabilities(struct err *err)
{
	cap_t now = cap_get_proc(), next = cap_init();
	int rc = 0;

	for (int i = 0; i < n_retained && rc == 0; i++) {
		cap_flag_value_t has = CAP_CLEAR;

		cap_get_flag(now, retained[i], CAP_PERMITTED, &has);
		if (has == CAP_CLEAR)
			continue;
		if (cap_set_flag(next, CAP_PERMITTED, 1, &retained[i], CAP_SET) < 0 ||
		    cap_set_flag(next, CAP_EFFECTIVE, 1, &retained[i], CAP_SET) < 0)
			rc = -errno;
	}
	if (rc == 0 && cap_set_proc(next) < 0)
		rc = -errno;
	cap_free(now);
	cap_free(next);
	if (rc < 0)
		err_set(err, "can't give up capabilities: %s", strerror(-rc));
	return rc;
}

int privileges_drop(const char *user, const char *group, struct err *err)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	int rc;

	if (user == NULL && group == NULL && n_retained == 0)
		return 0;
	if (user && (rc = find_user(user, &uid, err)) < 0)
		return rc;
	if (group && (rc = find_group(group, &gid, err)) < 0)
		return rc;
	if ((uid != getuid() || gid != getgid()) && getenv("NOTIFY_SOCKET"))
		return err_set(
			err,
			"--uid and --gid do not go together with systemd: set User= and Group= in the unit");
	if (group && gid != getgid() && (setgroups(0, NULL) < 0 || setgid(gid) < 0)) {
		rc = -errno;
		err_set(err, "can't change to group '%s': %s", group, strerror(-rc));
		return rc;
	}
	if (user && uid != getuid()) {
		prctl(PR_SET_KEEPCAPS, n_retained > 0, 0, 0, 0);
		if ((group == NULL && geteuid() == 0 && setgroups(0, NULL) < 0) ||
		    setuid(uid) < 0) {
			rc = -errno;
			err_set(err, "can't change to user '%s': %s", user, strerror(-rc));
			return rc;
		}
	}
	return n_retained > 0 ? keep_capabilities(err) : 0;
}
