/* An operator is told when queries are refused for their number, and what it came to. */
#include <inttypes.h>

#include "core/log.h"
#include "core/stats.h"
#include "rules/overload.h"

/* Ticks in a row without any: it was not only out of breath. */
#define OVER_S 5

static struct {
	uint64_t seen;     /* as of the last tick */
	uint64_t at_begin; /* of what was told last */
	uint64_t begin_us; /* 0: nothing was */
	unsigned calm_s;
} news;

void overload_tick(uint64_t now_us)
{
	uint64_t all = stats_sum(STAT_OVERLOAD_DROPS), more = all - news.seen;

	if (more > 0 && news.begin_us == 0) {
		log_warning(
			"overload",
			"queries come faster than they are taken in: those of networks that ask "
			"much more than usual are dropped, %" PRIu64 " in the last second",
			more);
		news.begin_us = now_us;
		news.at_begin = news.seen;
	}
	news.calm_s = more > 0 ? 0 : news.calm_s + 1;
	if (news.begin_us != 0 && news.calm_s == OVER_S) {
		log_notice("overload",
			   "all queries are taken in again: %" PRIu64 " were dropped in %" PRIu64
			   " s",
			   all - news.at_begin, (now_us - news.begin_us) / 1000000 - OVER_S + 1);
		news.begin_us = 0;
	}
	news.seen = all;
}
