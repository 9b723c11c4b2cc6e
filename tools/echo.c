/*
 * The floor: a UDP echo with recvmmsg and sendmmsg, batches of 64. What it costs a packet is what the
 * kernel's sockets cost; everything that a server costs above it is the server's own.
 * With --discard it takes datagrams and answers none, but the first: what blocking a packet costs at
 * least.
 *   echo --listen 127.0.0.1:5300 [--discard 1] [--core N]
 */
#include <poll.h>
#include <unistd.h>

#include "tools/cli.h"

#define BATCH 64
#define DATAGRAM_MAX 1500

int main(int argc, char **argv)
{
	static uint8_t buf[BATCH][DATAGRAM_MAX + 36];
	static struct sockaddr_storage from[BATCH];
	static struct iovec iov[BATCH];
	static struct mmsghdr msg[BATCH];
	struct addr at = cli_addr(argc, argv, "listen", "127.0.0.1:5300");
	int fd = socket(at.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool discard = cli_number(argc, argv, "discard", 0) != 0, greeted = false;
	int size = 4 << 20;

	pin_to((int)cli_number(argc, argv, "core", -1));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, &at.sa, addr_len(&at)) < 0)
		die("--listen", strerror(errno));
	for (;;) {
		int n;

		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){buf[i], DATAGRAM_MAX};
			msg[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
							 .msg_namelen = sizeof(from[i]),
							 .msg_iov = &iov[i],
							 .msg_iovlen = 1};
		}
		n = recvmmsg(fd, msg, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0) {
			poll(&p, 1, -1);
			continue;
		}
		if (discard && greeted)
			continue;
		greeted = true; /* whoever started it waits for one answer */
		for (int i = 0; i < n; i++) {
			iov[i].iov_len = msg[i].msg_len;
			buf[i][2] |= 0x80; /* QR: the load generator counts it as an answer */
		}
		for (int sent = 0; sent < n;) {
			int rc = sendmmsg(fd, msg + sent, (unsigned)(n - sent), 0);

			sent += rc > 0 ? rc : 1;
		}
	}
}
