#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/mailbox.h"
#include "core/mem.h"

#define POSTERS 3
#define MAILS   2000

struct letter {
	struct mail mail;
	unsigned from, n;
};

struct reader {
	struct mailbox *mb;
	unsigned next[POSTERS]; /* number expected of each poster */
	unsigned received, out_of_order;
};

static void read_letter(struct mail *mail, void *owner)
{
	struct letter *l = container_of(mail, struct letter, mail);
	struct reader *r = owner;

	r->out_of_order += l->n != r->next[l->from];
	r->next[l->from] = l->n + 1;
	r->received++;
	free(l);
}

static void post(struct mailbox *mb, unsigned from, unsigned n)
{
	struct letter *l = mem_zalloc(1, sizeof(*l));

	l->mail.run = read_letter;
	l->from = from;
	l->n = n;
	mailbox_post(mb, &l->mail);
}

static bool is_readable(const struct mailbox *mb)
{
	struct pollfd p = {.fd = mb->wake_fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void oldest_first_and_wakes_once(void **state)
{
	struct mailbox mb;
	struct reader r = {.mb = &mb};

	assert_int_equal(mailbox_init(&mb), 0);
	assert_false(is_readable(&mb));
	assert_int_equal(mailbox_drain(&mb, &r), 0);
	for (unsigned i = 0; i < 3; i++)
		post(&mb, 0, i);
	assert_true(is_readable(&mb));
	assert_int_equal(mailbox_drain(&mb, &r), 3);
	assert_int_equal(r.out_of_order, 0);
	assert_false(is_readable(&mb));
	mailbox_fini(&mb);
}

static void post_again(struct mail *mail, void *owner)
{
	struct reader *r = owner;

	free(container_of(mail, struct letter, mail));
	post(r->mb, 0, 0);
}

/* Else a mail that posts itself would hold the owner for ever. */
static void what_a_mail_posts_waits_for_the_next_drain(void **state)
{
	struct mailbox mb;
	struct reader r = {.mb = &mb};
	struct letter *l = mem_zalloc(1, sizeof(*l));

	assert_int_equal(mailbox_init(&mb), 0);
	l->mail.run = post_again;
	mailbox_post(&mb, &l->mail);
	assert_int_equal(mailbox_drain(&mb, &r), 1);
	assert_int_equal(r.received, 0);
	assert_true(is_readable(&mb));
	assert_int_equal(mailbox_drain(&mb, &r), 1);
	assert_int_equal(r.received, 1);
	mailbox_fini(&mb);
}

struct poster {
	pthread_t thread;
	struct mailbox *mb;
	unsigned id;
};

static void *post_many(void *arg)
{
	struct poster *p = arg;

	for (unsigned i = 0; i < MAILS; i++)
		post(p->mb, p->id, i);
	return NULL;
}

/* The owner sleeps on wake_fd alone: a wake-up lost would stop it for good, and poll says so. */
static void nothing_is_lost_nor_overtaken_between_threads(void **state)
{
	struct mailbox mb;
	struct reader r = {.mb = &mb};
	struct poster posters[POSTERS];
	bool stuck = false;

	assert_int_equal(mailbox_init(&mb), 0);
	for (unsigned i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){.mb = &mb, .id = i};
		pthread_create(&posters[i].thread, NULL, post_many, &posters[i]);
	}
	while (r.received < POSTERS * MAILS && !stuck) {
		struct pollfd p = {.fd = mb.wake_fd, .events = POLLIN};

		stuck = poll(&p, 1, 30000) == 0;
		mailbox_drain(&mb, &r);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	mailbox_drain(&mb, &r);
	mailbox_fini(&mb);
	assert_false(stuck);
	assert_int_equal(r.received, POSTERS * MAILS);
	assert_int_equal(r.out_of_order, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oldest_first_and_wakes_once),
		cmocka_unit_test(what_a_mail_posts_waits_for_the_next_drain),
		cmocka_unit_test(nothing_is_lost_nor_overtaken_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
