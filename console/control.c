#include "console/control.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct {
	int epoll_fd;
	struct control_source signals, timer;
	void (*tick)(void);
	bool end;
} loop = {.epoll_fd = -1};

static void signals_ready(struct control_source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop.end = true;
}

/*
 * One shot, set anew after the work: a period is a second plus the work, as the reference has it,
 * and a maintenance() that takes long is not called twice in a row to catch up.
 */
static void timer_set(void)
{
	const struct itimerspec one_second = {.it_value = {.tv_sec = 1}};

	timerfd_settime(loop.timer.fd, 0, &one_second, NULL);
}

static void timer_ready(struct control_source *s, uint32_t events)
{
	uint64_t n;

	if (read(s->fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	if (loop.tick)
		loop.tick();
	timer_set();
}

int control_init(void)
{
	sigset_t set;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	loop.end = false;
	loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop.signals = (struct control_source){signals_ready,
					       signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
	loop.timer = (struct control_source){
		timer_ready, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
	if (loop.epoll_fd < 0 || loop.signals.fd < 0 || loop.timer.fd < 0)
		return -errno;
	rc = control_watch(&loop.signals, EPOLLIN);
	if (rc == 0)
		rc = control_watch(&loop.timer, EPOLLIN);
	if (rc == 0)
		timer_set();
	return rc;
}

void control_fini(void)
{
	close(loop.timer.fd);
	close(loop.signals.fd);
	close(loop.epoll_fd);
	loop.epoll_fd = -1;
	loop.tick = NULL;
}

int control_watch(struct control_source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0 ? -errno : 0;
}

void control_rewatch(struct control_source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	epoll_ctl(loop.epoll_fd, EPOLL_CTL_MOD, s->fd, &ev);
}

void control_unwatch(struct control_source *s)
{
	epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
}

void control_on_tick(void (*tick)(void))
{
	loop.tick = tick;
}

/* One event a turn: a source may free another one, whose event would then point nowhere. */
static void turn(void)
{
	struct epoll_event ev;
	struct control_source *s;

	if (epoll_wait(loop.epoll_fd, &ev, 1, -1) != 1)
		return;
	s = ev.data.ptr;
	s->ready(s, ev.events);
}

void control_run(void)
{
	while (!loop.end)
		turn();
}

void control_end(void)
{
	loop.end = true;
}

bool control_run_until(bool (*done)(void))
{
	while (!loop.end && !done())
		turn();
	return !loop.end;
}
