#include "core/stats.h"

#include <string.h>

#include "core/clock.h"
#include "core/procstat.h"
#include "core/stats_latency.h"

/* Every worker, the control thread, and room for the helpers of a bench or a test. */
#define BLOCKS_MAX (WORKERS_MAX + 8)

/* Two rows are provided today (dyn-block-nmg-size, security-status); each has a name in stats.def.
 */
#define PROVIDERS_MAX 16

static struct worker_stats control;
static struct worker_stats retired; /* what unregistered blocks had counted */
static struct worker_stats *blocks[BLOCKS_MAX] = {&control, &retired};
static unsigned block_count = 2;
static uint64_t start_us; /* 0 until somebody counts */

static struct provider {
	const char *name;
	uint64_t (*read)(void);
} providers[PROVIDERS_MAX];
static unsigned provider_count;

static struct moving {
	uint64_t count, sum_us; /* as of the last tick */
	double avg_us[LATENCY_WINDOWS];
} moving[LATENCY_COUNT];

enum computed {
#define STAT_COUNTER(id, name, unit, help)
#define STAT_COMPUTED(id, name, kind, unit, help) COMPUTED_##id,
#include "core/stats.def"
#undef STAT_COUNTER
#undef STAT_COMPUTED
	COMPUTED_COUNT
};
static_assert(COMPUTED_LATENCY_SLOW - COMPUTED_LATENCY0_1 == LATENCY_BUCKETS - 1,
	      "one row a bucket");
static_assert(COMPUTED_LATENCY_DOH3_AVG1000000 - COMPUTED_LATENCY_AVG100 ==
		      LATENCY_COUNT * LATENCY_WINDOWS - 1,
	      "one row an average, transports in the order of enum latency_kind");

static const struct row {
	const char *name, *unit, *help;
	enum stat_kind kind;
	bool is_counter;
	int id; /* enum stat_id or enum computed */
} rows[] = {
#define STAT_COUNTER(id, name, unit, help) {name, unit, help, STAT_KIND_COUNTER, true, STAT_##id},
#define STAT_COMPUTED(id, name, kind, unit, help) \
	{name, unit, help, STAT_KIND_##kind, false, COMPUTED_##id},
#include "core/stats.def"
#undef STAT_COUNTER
#undef STAT_COMPUTED
};

void stats_register(struct worker_stats *s)
{
	assert(block_count < BLOCKS_MAX);
	if (start_us == 0)
		start_us = clock_mono_us();
	blocks[block_count++] = s;
}

static void move_counts(_Atomic uint64_t *to, const _Atomic uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		counter_add(&to[i], counter_get(&from[i]));
}

void stats_unregister(struct worker_stats *s)
{
	unsigned i = 0;

	while (i < block_count && blocks[i] != s)
		i++;
	if (i == block_count)
		return;
	blocks[i] = blocks[--block_count];
	move_counts(retired.counter, s->counter, ARRAY_LEN(s->counter));
	move_counts(retired.latency_bucket, s->latency_bucket, ARRAY_LEN(s->latency_bucket));
	move_counts(retired.latency_sum_us, s->latency_sum_us, ARRAY_LEN(s->latency_sum_us));
	move_counts(retired.latency_count, s->latency_count, ARRAY_LEN(s->latency_count));
}

struct worker_stats *stats_control(void)
{
	return &control;
}

void stat_latency(struct worker_stats *s, enum latency_kind kind, uint64_t us)
{
	if (kind == LATENCY_UDP)
		counter_inc(&s->latency_bucket[latency_bucket(us)]);
	counter_add(&s->latency_sum_us[kind], us);
	counter_inc(&s->latency_count[kind]);
}

/* Sum over all blocks of the counter at this offset. */
static uint64_t sum_at(size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < block_count; i++)
		sum += counter_get((const _Atomic uint64_t *)((const char *)blocks[i] + offset));
	return sum;
}

#define SUM_OF(field) sum_at(offsetof(struct worker_stats, field))

uint64_t stats_sum(enum stat_id id)
{
	return SUM_OF(counter[id]);
}

void stats_tick(void)
{
	if (start_us == 0)
		start_us = clock_mono_us();
	for (unsigned kind = 0; kind < LATENCY_COUNT; kind++) {
		struct moving *m = &moving[kind];
		uint64_t count = SUM_OF(latency_count[kind]), sum_us = SUM_OF(latency_sum_us[kind]);
		uint64_t n = count - m->count;

		if (n == 0)
			continue;
		for (unsigned w = 0; w < LATENCY_WINDOWS; w++)
			m->avg_us[w] = latency_average(m->avg_us[w], latency_windows[w], n,
						       (double)(sum_us - m->sum_us) / (double)n);
		m->count = count;
		m->sum_us = sum_us;
	}
}

static void (*before_reading)(void);

void stats_before_reading(void (*f)(void))
{
	before_reading = f;
}

void stats_provide(const char *name, uint64_t (*read)(void))
{
	unsigned i = 0;

	while (i < provider_count && strcmp(providers[i].name, name) != 0)
		i++;
	assert(i < PROVIDERS_MAX);
	providers[i] = (struct provider){name, read};
	if (i == provider_count)
		provider_count++;
}

/* 0 without a provider: there is no such room in this program, so there is none of what it counts.
 */
static uint64_t provided(const char *name)
{
	for (unsigned i = 0; i < provider_count; i++)
		if (strcmp(providers[i].name, name) == 0)
			return providers[i].read();
	return 0;
}

/* Where a reading of /proc has the value of a row. */
#define AT(field) offsetof(struct procstat, field)
static const size_t proc_values[COMPUTED_COUNT] = {
	[COMPUTED_REAL_MEMORY_USAGE] = AT(resident),
	[COMPUTED_SPECIAL_MEMORY_USAGE] = AT(resident_unfiled),
	[COMPUTED_UDP_IN_ERRORS] = AT(udp_in_errors),
	[COMPUTED_UDP_NOPORT_ERRORS] = AT(udp_noport_errors),
	[COMPUTED_UDP_RECVBUF_ERRORS] = AT(udp_recvbuf_errors),
	[COMPUTED_UDP_SNDBUF_ERRORS] = AT(udp_sndbuf_errors),
	[COMPUTED_UDP_IN_CSUM_ERRORS] = AT(udp_in_csum_errors),
	[COMPUTED_UDP6_IN_ERRORS] = AT(udp6_in_errors),
	[COMPUTED_UDP6_RECVBUF_ERRORS] = AT(udp6_recvbuf_errors),
	[COMPUTED_UDP6_SNDBUF_ERRORS] = AT(udp6_sndbuf_errors),
	[COMPUTED_UDP6_NOPORT_ERRORS] = AT(udp6_noport_errors),
	[COMPUTED_UDP6_IN_CSUM_ERRORS] = AT(udp6_in_csum_errors),
	[COMPUTED_TCP_LISTEN_OVERFLOWS] = AT(tcp_listen_overflows),
	[COMPUTED_CPU_IOWAIT] = AT(cpu_iowait),
	[COMPUTED_CPU_STEAL] = AT(cpu_steal),
	[COMPUTED_CPU_SYS_MSEC] = AT(cpu_sys_ms),
	[COMPUTED_CPU_USER_MSEC] = AT(cpu_user_ms),
	[COMPUTED_FD_USAGE] = AT(fds),
};
#undef AT

static uint64_t compute(enum computed id, const char *name, const struct procstat *p)
{
	if (id >= COMPUTED_LATENCY0_1 && id <= COMPUTED_LATENCY_SLOW)
		return SUM_OF(latency_bucket[id - COMPUTED_LATENCY0_1]);
	switch (id) {
	case COMPUTED_UPTIME:
		return (clock_mono_us() - start_us) / 1000000;
	case COMPUTED_LATENCY_SUM:
		return SUM_OF(latency_sum_us[LATENCY_UDP]) / 1000;
	case COMPUTED_LATENCY_COUNT:
		return SUM_OF(latency_count[LATENCY_UDP]);
	case COMPUTED_DYN_BLOCK_NMG_SIZE:
	case COMPUTED_SECURITY_STATUS:
	case COMPUTED_QUERY_COUNT_LOST:
		return provided(name);
	default:
		return *(const uint64_t *)((const char *)p + proc_values[id]);
	}
}

static struct stat_value value_of(const struct row *row, const struct procstat *p)
{
	struct stat_value v = {
		.name = row->name, .unit = row->unit, .help = row->help, .kind = row->kind};
	int average = row->id - COMPUTED_LATENCY_AVG100;

	if (row->is_counter) {
		v.u = stats_sum((enum stat_id)row->id);
	} else if (average >= 0 && average < LATENCY_COUNT * LATENCY_WINDOWS) {
		v.is_double = true;
		v.d = moving[average / LATENCY_WINDOWS].avg_us[average % LATENCY_WINDOWS];
	} else {
		v.u = compute((enum computed)row->id, row->name, p);
	}
	return v;
}

unsigned stats_read(struct stat_value *out, unsigned max)
{
	unsigned n = max < ARRAY_LEN(rows) ? max : ARRAY_LEN(rows);
	struct procstat p;

	procstat_read(&p);
	stats_tick();
	if (before_reading)
		before_reading();
	for (unsigned i = 0; i < n; i++)
		out[i] = value_of(&rows[i], &p);
	return n;
}
