#include "core/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mb)
{
	atomic_init(&mb->head, NULL);
	mb->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return mb->wake_fd < 0 ? -errno : 0;
}

void mailbox_fini(struct mailbox *mb)
{
	close(mb->wake_fd);
	mb->wake_fd = -1;
}

void mailbox_post(struct mailbox *mb, struct mail *mail)
{
	static const uint64_t one = 1;
	struct mail *head = atomic_load_explicit(&mb->head, memory_order_relaxed);
	ssize_t n;

	do
		mail->next = head;
	while (!atomic_compare_exchange_weak_explicit(&mb->head, &head, mail, memory_order_release,
						      memory_order_relaxed));
	if (head != NULL)
		return; /* who found it empty wakes the owner */
	do
		n = write(mb->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	/* EAGAIN can only mean that the counter is full, and then the owner wakes too. */
}

unsigned mailbox_drain(struct mailbox *mb, void *owner)
{
	struct mail *mail, *oldest = NULL;
	unsigned n = 0;
	uint64_t count;

	/* The event first: a post after the exchange must leave it set. Empty is no error. */
	while (read(mb->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	mail = atomic_exchange_explicit(&mb->head, NULL, memory_order_acquire);
	while (mail != NULL) {
		struct mail *next = mail->next;

		mail->next = oldest;
		oldest = mail;
		mail = next;
	}
	for (; oldest != NULL; n++) {
		struct mail *next = oldest->next; /* run() may free it */

		oldest->run(oldest, owner);
		oldest = next;
	}
	return n;
}
