/*
 * How long Lua may hold the control thread. Code that never ends would keep the operator out for
 * good: no console, no maintenance(), no end of a block by hand. So what runs from outside (a
 * command, maintenance(), a callback) fails when it takes longer than setLuaTimeLimit says, with
 * all it called.
 *
 * A hook that counts instructions would slow all Lua down, since the interpreter looks at each one
 * then. A timer costs nothing until it fires; its handler does the one thing that Lua allows there,
 * it sets a hook. A coroutine can't be found from there, so coroutines alone count.
 */
#include "console/lua/state.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/settings.h"

#define COROUTINE_STEPS 10000 /* instructions between two looks: some 50 us */

static struct {
	timer_t timer;
	bool made;
	volatile uint64_t fires_us; /* 0: the timer is not set */
	volatile uint64_t until_us; /* of the run; 0: no limit */
	unsigned limit_s;
} limit;

/* when_us is after now_us. */
static void fire_at(uint64_t when_us, uint64_t now_us)
{
	uint64_t us = when_us - now_us;
	const struct itimerspec in = {
		.it_value = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000}};

	limit.fires_us = when_us;
	timer_settime(limit.timer, 0, &in, NULL);
}

/* The timer is not moved with each run, which would be two system calls for it: what it was set
 * for has often ended by now, and another one runs. */
static void on_time(int signal_number)
{
	int saved = errno;
	uint64_t until_us = limit.until_us, now_us = clock_mono_us();

	limit.fires_us = 0;
	if (until_us > now_us) {
		fire_at(until_us, now_us);
	} else if (until_us > 0) { /* else nothing runs */
		host.late = 1;
		lua_host_stop_soon();
	}
	errno = saved;
}

static bool make_timer(void)
{
	struct sigaction act = {.sa_handler = on_time, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};

	/* of this thread: what Lua says may be done in a handler is true only there */
	event._sigev_un._tid = gettid();
	if (!limit.made)
		limit.made = sigaction(SIGRTMIN, &act, NULL) == 0 &&
			     timer_create(CLOCK_MONOTONIC, &event, &limit.timer) == 0;
	return limit.made;
}

void lua_limit_begin(void)
{
	uint64_t now_us, until_us;

	host.was_late = false;
	if (!host.runtime)
		return; /* the configuration file takes as long as it takes */
	limit.limit_s = rcu_get(tables_live)->settings->lua_limit_s;
	if (limit.limit_s == 0 || !make_timer())
		return;
	now_us = clock_mono_us();
	until_us = now_us + limit.limit_s * UINT64_C(1000000);
	limit.until_us = until_us;
	if (limit.fires_us == 0 || limit.fires_us > until_us)
		fire_at(until_us, now_us);
}

void lua_limit_end(void)
{
	limit.until_us = 0;
	if (!host.late)
		return;
	host.late = 0;
	host.was_late = true;
	if (!host.interrupted)
		lua_host_resume();
}

void lua_limit_stop(void)
{
	if (limit.made)
		timer_delete(limit.timer);
	limit.made = false;
	limit.fires_us = limit.until_us = 0;
}

unsigned lua_limit_seconds(void)
{
	return limit.limit_s;
}

static void look(lua_State *co, lua_Debug *where)
{
	if (host.late || host.interrupted)
		lua_host_stop_in(co);
}

/* A coroutine takes its hook over from whoever makes it. */
static int make_coroutine(lua_State *L)
{
	bool none = lua_gethook(L) == NULL;

	if (none)
		lua_sethook(L, look, LUA_MASKCOUNT, COROUTINE_STEPS);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	if (none && lua_gethook(L) == look)
		lua_sethook(L, NULL, 0, 0);
	return 1;
}

void lua_limit_register(lua_State *L)
{
	static const char *const makers[] = {"create", "wrap"};

	lua_getglobal(L, "coroutine");
	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		lua_getfield(L, -1, makers[i]);
		lua_pushcclosure(L, make_coroutine, 1);
		lua_setfield(L, -2, makers[i]);
	}
	lua_pop(L, 1);
}
