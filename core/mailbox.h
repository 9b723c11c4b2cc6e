/*
 * Messages between threads, off the path: any thread posts, one owner drains. A mail is a closure:
 * its run() is called on the owner's thread, which then owns the mail.
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include "core/base.h"

struct mail {
	struct mail *next;
	/* On the receiver's thread; owner is what mailbox_drain was given. Takes mail. */
	void (*run)(struct mail *mail, void *owner);
};

struct mailbox {
	alignas(CACHE_LINE) _Atomic(struct mail *) head; /* newest first; reversed by the drain */
	int wake_fd;                                      /* eventfd, readable while mail may be there */
};

/* 0 or a negative errno. */
int mailbox_init(struct mailbox *mb);

/* Mails that nobody drained are leaked by nobody: drain before. */
void mailbox_fini(struct mailbox *mb);

/* Takes mail. Lock-free; writes to wake_fd only when the box was empty. Any thread. */
void mailbox_post(struct mailbox *mb, struct mail *mail);

/* Runs what has arrived, oldest first; returns how many. Owner only. */
unsigned mailbox_drain(struct mailbox *mb, void *owner);

#endif
