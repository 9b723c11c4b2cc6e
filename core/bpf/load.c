/* Maps opened or made, programs loaded, pinned and attached. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "core/bpf/internal.h"
#include "core/bpf/program.h"
#include "core/log.h"
#include "core/mem.h"

static const struct kind {
	const char *name; /* in filter.bpf.c */
	uint32_t type, key_size;
} kinds[KFILTER_MAPS] = {
	[KFILTER_V4] = {"kf_v4", BPF_MAP_TYPE_HASH, 4},
	[KFILTER_V6] = {"kf_v6", BPF_MAP_TYPE_HASH, 16},
	[KFILTER_CIDR4] = {"kf_cidr4", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct kfilter_cidr4)},
	[KFILTER_CIDR6] = {"kf_cidr6", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct kfilter_cidr6)},
	[KFILTER_NAMES] = {"kf_names", BPF_MAP_TYPE_HASH, sizeof(struct kfilter_name)},
};

/* Other hash maps do as well for who made them; the trie is the trie. */
static bool is_fitting_type(const struct kind *kind, uint32_t type)
{
	return type == kind->type ||
	       (kind->type == BPF_MAP_TYPE_HASH && type == BPF_MAP_TYPE_LRU_HASH);
}

bool kfilter_is_built(void)
{
	return true;
}

static bool has_capability(cap_value_t capability)
{
	cap_t now = cap_get_proc();
	cap_flag_value_t has = CAP_CLEAR;

	if (now == NULL)
		return false;
	cap_get_flag(now, capability, CAP_EFFECTIVE, &has);
	cap_free(now);
	return has == CAP_SET;
}

static int refuse(struct err *err, int rc, const char *why)
{
	err_set(err, "%s", why);
	return rc;
}

/* Asked first: a service manager may end a process for a system call that it is not to make. */
static int check_capabilities(const struct kfilter *f, struct err *err)
{
	if (has_capability(CAP_SYS_ADMIN))
		return f->n_interfaces == 0 || has_capability(CAP_NET_ADMIN)
			       ? 0
			       : refuse(err, -EPERM,
					"XDP on interfaces needs the capability "
					"CAP_NET_ADMIN");
	if (!has_capability(CAP_BPF))
		return refuse(err, -EPERM,
			      "it needs the capability CAP_BPF at the start (for interfaces "
			      "CAP_NET_ADMIN and CAP_PERFMON, too)");
	if (f->n_interfaces > 0 && !(has_capability(CAP_NET_ADMIN) && has_capability(CAP_PERFMON)))
		return refuse(err, -EPERM,
			      "XDP on interfaces needs the capabilities CAP_NET_ADMIN and "
			      "CAP_PERFMON");
	return 0;
}

static int check_interfaces(const struct kfilter *f, struct err *err)
{
	for (unsigned i = 0; i < f->n_interfaces; i++)
		if (if_nametoindex(f->interface[i]) == 0)
			return err_set(err, "interfaces: there is no interface '%s'",
				       f->interface[i]);
	return 0;
}

/* Whether what was found at a path is a map of this kind; then how many entries it takes. */
static int check_map(int fd, unsigned which, const char *path, uint32_t *max, struct err *err)
{
	const struct kind *kind = &kinds[which];
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	/* a pinned program is no map, and has other information */
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.id == 0)
		return err_set(err, "%s: what is pinned at '%s' is no map",
			       kfilter_path_option[which], path);
	if (!is_fitting_type(kind, info.type) || info.key_size != kind->key_size ||
	    info.value_size != sizeof(struct kfilter_value))
		return err_set(err,
			       "%s: the map at '%s' is of type %u with keys of %u and values of %u "
			       "octets; type %u with %u and %zu would be right",
			       kfilter_path_option[which], path, info.type, info.key_size,
			       info.value_size, kind->type, kind->key_size,
			       sizeof(struct kfilter_value));
	*max = info.max_entries;
	return 0;
}

/* A descriptor; -1: nothing is there yet; or below that another negative errno with err set. */
static int open_pinned(unsigned which, const char *path, uint32_t *max, struct err *err)
{
	int fd = bpf_obj_get(path), rc;

	if (fd == -ENOENT && access(path, F_OK) < 0)
		return -1;
	if (fd == -EACCES || fd == -EPERM) {
		/* said of any file that is no map, too */
		err_set(err,
			"%s: no map can be opened at '%s': %s; it must be one on a bpf file "
			"system, which we may read and write",
			kfilter_path_option[which], path, strerror(-fd));
		return -EINVAL;
	}
	if (fd < 0)
		return err_set(err, "%s: '%s': %s", kfilter_path_option[which], path,
			       strerror(-fd));
	rc = check_map(fd, which, path, max, err);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int open_external(struct kfilter *f, const struct kfilter_options *o, struct err *err)
{
	for (unsigned i = 0; i < KFILTER_MAPS; i++) {
		const char *path = o->map[i].pinned;

		if (path == NULL)
			continue;
		f->map_fd[i] = open_pinned(i, path, &f->max[i], err);
		if (f->map_fd[i] == -1)
			return err_set(err, "%s: there is no map at '%s'", kfilter_path_option[i],
				       path);
		if (f->map_fd[i] < 0)
			return f->map_fd[i];
	}
	return 0;
}

/* One that is pinned already goes on being used; else a new one is pinned when all is in force. */
static int prepare_map(struct kfilter *f, unsigned which, const char *path, struct err *err)
{
	struct bpf_map *map = bpf_object__find_map_by_name(f->object, kinds[which].name);
	int fd = path ? open_pinned(which, path, &f->max[which], err) : -1, rc;

	if (fd < -1)
		return fd;
	if (fd >= 0) {
		rc = bpf_map__reuse_fd(map, fd);
		close(fd);
		return rc < 0 ? err_set(err, "%s: the map at '%s' can't be used: %s",
					kfilter_path_option[which], path, strerror(-rc))
			      : 0;
	}
	if (path && f->max[which] == 0)
		return err_set(err,
			       "%s: there is no map at '%s' yet, and %s does not say how large",
			       kfilter_path_option[which], path, kfilter_max_option[which]);
	if (path)
		f->pin[which] = mem_strdup(path);
	/* the programs want all of them to be there; nothing is put into one of a kind that is off
	 */
	bpf_map__set_max_entries(map, f->max[which] ? f->max[which] : 1);
	return 0;
}

/* What the programs leave out. */
static int tell_uses(struct kfilter *f)
{
	struct bpf_map *map = bpf_object__find_map_by_name(f->object, ".rodata.uses");
	uint8_t uses[KFILTER_MAPS];

	for (unsigned i = 0; i < KFILTER_MAPS; i++)
		uses[i] = f->max[i] > 0;
	return bpf_map__set_initial_value(map, uses, sizeof(uses));
}

static int find_fd(struct kfilter *f, const char *program)
{
	return bpf_program__fd(bpf_object__find_program_by_name(f->object, program));
}

static int find_map_fd(struct kfilter *f, const char *map)
{
	return bpf_map__fd(bpf_object__find_map_by_name(f->object, map));
}

/* The last line that the library wrote while it loaded. */
static char last_line[256];

static int keep_line(enum libbpf_print_level level, const char *format, va_list args)
	PRINTF_LIKE(2, 0);

static int keep_line(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level != LIBBPF_DEBUG && vsnprintf(last_line, sizeof(last_line), format, args) > 0)
		last_line[strcspn(last_line, "\n")] = '\0';
	return 0;
}

static int load_programs(struct kfilter *f, const struct kfilter_options *o, struct err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "dnsdist");
	size_t len;
	const void *object = kfilter_object(&len);
	int rc;

	f->object = bpf_object__open_mem(object, len, &opts);
	if (f->object == NULL) {
		rc = -errno;
		err_set(err, "the programs can't be read: %s", strerror(-rc));
		return rc;
	}
	for (unsigned i = 0; i < KFILTER_MAPS; i++) {
		rc = prepare_map(f, i, o->map[i].pinned, err);
		if (rc < 0)
			return rc;
	}
	rc = tell_uses(f);
	assert(rc == 0);
	bpf_program__set_autoload(bpf_object__find_program_by_name(f->object, "kf_xdp"),
				  f->n_interfaces > 0);
	rc = bpf_object__load(f->object);
	if (rc < 0) {
		err_set(err, "the kernel does not take it: %s (%s)", strerror(-rc), last_line);
		return rc == -EINVAL ? -EOPNOTSUPP : rc;
	}
	for (unsigned i = 0; i < KFILTER_MAPS; i++)
		f->map_fd[i] = f->max[i] > 0 ? find_map_fd(f, kinds[i].name) : -1;
	f->endpoints_fd = find_map_fd(f, "kf_endpoints");
	f->totals_fd = find_map_fd(f, "kf_totals");
	f->udp_fd = find_fd(f, "kf_udp");
	f->tcp_fd = find_fd(f, "kf_tcp");
	f->xdp_fd = f->n_interfaces > 0 ? find_fd(f, "kf_xdp") : -1;
	return 0;
}

int kfilter_load(struct kfilter *f, const struct kfilter_options *o, struct err *err)
{
	int rc = check_interfaces(f, err);

	if (rc == 0)
		rc = check_capabilities(f, err);
	if (rc < 0)
		return rc;
	libbpf_set_print(keep_line);
	return f->external ? open_external(f, o, err) : load_programs(f, o, err);
}

/* Descriptors of an object go with it, links when they are closed. */
void kfilter_unload(struct kfilter *f)
{
	for (unsigned i = 0; i < f->n_interfaces; i++)
		if (f->link_fd[i] >= 0)
			close(f->link_fd[i]);
	for (unsigned i = 0; f->external && i < KFILTER_MAPS; i++)
		if (f->map_fd[i] >= 0)
			close(f->map_fd[i]);
	bpf_object__close(f->object);
}

static int pin(struct kfilter *f, unsigned which, struct err *err)
{
	int rc = bpf_obj_pin(f->map_fd[which], f->pin[which]);

	if (rc < 0)
		err_set(err,
			"%s: can't pin a map at '%s': %s; its folder must be there, on a bpf file system",
			kfilter_path_option[which], f->pin[which], strerror(-rc));
	return rc;
}

/* A link, and no attachment without one: it ends with the process, however that ends. */
static int attach(struct kfilter *f, unsigned which, struct err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int index = (int)if_nametoindex(f->interface[which]), fd = -EOPNOTSUPP;

	if (!f->generic_only)
		fd = bpf_link_create(f->xdp_fd, index, BPF_XDP, &opts);
	if (fd < 0 && fd != -EBUSY && fd != -EEXIST) {
		if (!f->generic_only)
			log_notice(
				"kernel filter",
				"interface %s: its driver takes no XDP program (%s): the kernel's generic mode is used",
				f->interface[which], strerror(-fd));
		opts.flags = XDP_FLAGS_SKB_MODE;
		fd = bpf_link_create(f->xdp_fd, index, BPF_XDP, &opts);
	}
	if (fd < 0) {
		err_set(err, "interface %s: the XDP program can't be attached: %s",
			f->interface[which],
			fd == -EBUSY || fd == -EEXIST ? "another one is there" : strerror(-fd));
		return fd;
	}
	f->link_fd[which] = fd;
	return 0;
}

int kfilter_begin(struct kfilter *f, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < KFILTER_MAPS && rc == 0; i++)
		if (f->live && f->pin[i] != NULL)
			rc = pin(f, i, err);
	for (unsigned i = 0; i < f->n_interfaces && rc == 0; i++)
		if (f->live && f->link_fd[i] < 0)
			rc = attach(f, i, err);
	return rc;
}
