#include "console/control.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

/*
 * The end is within five seconds of the signal, whatever this thread does then: code that can be
 * told to stop is told at once and again after the first time, for what began since; a call that
 * can't (a pattern that backtracks for ever) ends with the process after both.
 */
#define END_AGAIN_MS 1500
#define END_LAST_MS  2000

static struct {
	int epoll_fd;
	struct control_source signals, timer, beats;
	void (*tick)(void), (*beat)(void);
	unsigned beat_ms; /* 0: none */
	bool end;
} loop = {.epoll_fd = -1};

/* For the handlers. */
static struct {
	volatile sig_atomic_t begun, told_again;
	int fd; /* wakes the loop */
	void (*_Atomic interrupt)(void);
} ending;

static void in_ms(unsigned ms)
{
	const struct itimerval t = {.it_value = {ms / 1000, ms % 1000 * 1000}};

	setitimer(ITIMER_REAL, &t, NULL);
}

static void interrupt(void)
{
	void (*f)(void) = ending.interrupt;

	if (f)
		f();
}

static void on_end_signal(int signal_number)
{
	static const uint64_t one = 1;
	int saved = errno;

	if (!ending.begun) {
		ending.begun = 1;
		in_ms(END_AGAIN_MS);
		interrupt();
		if (write(ending.fd, &one, sizeof(one)) < 0)
			_exit(1); /* impossible: the counter can't be full */
	}
	errno = saved;
}

static void on_late(int signal_number)
{
	static const char text[] = "dnsdist: did not end in time, leaving at once\n";
	int saved = errno;

	if (ending.told_again) {
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		_exit(0);
	}
	ending.told_again = 1;
	in_ms(END_LAST_MS);
	interrupt();
	errno = saved;
}

static int catch_signals(void)
{
	struct sigaction end = {.sa_handler = on_end_signal, .sa_flags = SA_RESTART};
	struct sigaction late = {.sa_handler = on_late, .sa_flags = SA_RESTART};

	signal(SIGPIPE, SIG_IGN);
	ending.begun = ending.told_again = 0;
	ending.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ending.fd < 0 || sigaction(SIGALRM, &late, NULL) < 0 ||
	    sigaction(SIGTERM, &end, NULL) < 0 || sigaction(SIGINT, &end, NULL) < 0)
		return -errno;
	return 0;
}

static void signals_ready(struct control_source *s, uint32_t events)
{
	uint64_t n;

	if (read(s->fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
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

static void beats_ready(struct control_source *s, uint32_t events)
{
	uint64_t n;

	if (read(s->fd, &n, sizeof(n)) == (ssize_t)sizeof(n) && loop.beat)
		loop.beat();
}

int control_init(void)
{
	int rc = catch_signals();

	if (rc < 0)
		return rc;
	loop.end = false;
	loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop.signals = (struct control_source){signals_ready, ending.fd};
	loop.timer = (struct control_source){
		timer_ready, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
	loop.beats = (struct control_source){
		beats_ready, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
	if (loop.epoll_fd < 0 || loop.timer.fd < 0 || loop.beats.fd < 0)
		return -errno;
	rc = control_watch(&loop.signals, EPOLLIN);
	if (rc == 0)
		rc = control_watch(&loop.timer, EPOLLIN);
	if (rc == 0)
		rc = control_watch(&loop.beats, EPOLLIN);
	if (rc == 0)
		timer_set();
	return rc;
}

/* From here on a signal changes nothing, and what follows is quick. */
void control_fini(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	in_ms(0);
	close(loop.timer.fd);
	close(loop.beats.fd);
	close(loop.signals.fd);
	close(loop.epoll_fd);
	loop.epoll_fd = -1;
	loop.tick = loop.beat = NULL;
	loop.beat_ms = 0;
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

void control_on_signal(void (*f)(void))
{
	ending.interrupt = f;
}

bool control_is_ending(void)
{
	return ending.begun;
}

void control_on_tick(void (*tick)(void))
{
	loop.tick = tick;
}

void control_on_beat(void (*beat)(void), unsigned every_ms)
{
	const struct timespec every = {every_ms / 1000, every_ms % 1000 * 1000000L};
	const struct itimerspec timer = {.it_value = every, .it_interval = every};

	loop.beat = beat;
	if (every_ms == loop.beat_ms)
		return;
	loop.beat_ms = every_ms;
	timerfd_settime(loop.beats.fd, 0, &timer, NULL);
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
