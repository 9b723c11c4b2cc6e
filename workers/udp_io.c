/* The memory of a worker's datagrams: headers, vectors, the arena of answers, buffers for servers'
 * answers. */
#include <stdlib.h>
#include <sys/mman.h>

#include "core/mem.h"
#include "workers/udp.h"

/*
 * Answers of one turn lie here one behind the other, so that what the kernel copies is warm. Room
 * for the largest is always kept free; usual turns take some kilobytes.
 */
#define ARENA_LEN (4 * (DNS_MESSAGE_MAX + 1))

/* An odd number of lines, so that the beginnings of answers spread over all sets. */
#define ANSWER_STRIDE (1025 * CACHE_LINE)
static_assert(ANSWER_STRIDE > DNS_MESSAGE_MAX, "an answer of the largest size does not fit");
#define ANSWERS_LEN ((size_t)BATCH_MAX * ANSWER_STRIDE)

static void *map(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static void link_vectors(struct mmsghdr *hdr, struct iovec *iov)
{
	for (unsigned i = 0; i < BATCH_MAX; i++) {
		hdr[i].msg_hdr.msg_iov = &iov[i];
		hdr[i].msg_hdr.msg_iovlen = 1;
	}
}

struct udp_io *udp_io_new(void)
{
	struct udp_io *io = mem_lines(sizeof(*io));

	link_vectors(io->rx_hdr, io->rx_iov);
	link_vectors(io->tx_hdr, io->tx_iov);
	link_vectors(io->up_hdr, io->up_iov);
	link_vectors(io->answer_hdr, io->answer_iov);
	io->rx_used = BATCH_MAX;
	io->arena = map(ARENA_LEN);
	io->answers = map(ANSWERS_LEN);
	if (io->arena == NULL || io->answers == NULL) {
		udp_io_free(io);
		return NULL;
	}
	for (unsigned i = 0; i < BATCH_MAX; i++)
		io->answer_iov[i] =
			(struct iovec){io->answers + i * (size_t)ANSWER_STRIDE, DNS_MESSAGE_MAX};
	return io;
}

void udp_io_free(struct udp_io *io)
{
	if (io == NULL)
		return;
	if (io->arena != NULL)
		munmap(io->arena, ARENA_LEN);
	if (io->answers != NULL)
		munmap(io->answers, ANSWERS_LEN);
	for (struct udp_listener *l = io->listeners, *next; l != NULL; l = next) {
		next = l->next;
		free(l);
	}
	free(io);
}

uint8_t *udp_room(struct worker *w, size_t *cap)
{
	struct udp_io *io = w->udp;

	if (unlikely(ARENA_LEN - io->arena_used < DNS_MESSAGE_MAX))
		udp_flush(w);
	*cap = DNS_MESSAGE_MAX;
	return io->arena + io->arena_used;
}
