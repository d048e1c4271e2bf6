// SPDX-License-Identifier: Apache-2.0
/* What a ring refuses to do, asked of the kernel: the ring is a worker's, and what is submitted is not. */
#include "sys/ring_uring.c"

#include <fcntl.h>
#include <netinet/in.h>

#include "check.h"

static struct ring *ring;
static struct mailbox box;

static void nobody(void *ctx, unsigned listener, int fd)
{
	close(fd);
}

/* False: this machine allows no io_uring. */
static bool begin(void)
{
	struct ring_config config = {.buffer_cnt = 16, .buffer_bytes = 64, .mailbox = &box, .accepted = nobody};

	CHECK_EQ(mailbox_init(&box), 0);
	int error = ring_init(&ring, &config);
	CHECK(error == 0 || error == -ENOSYS || error == -EPERM);
	return error == 0;
}

/* Submits what a test wrote; what came of it. */
static int outcome(struct io_uring_sqe *sqe)
{
	struct io_uring_cqe *cqe;

	io_uring_sqe_set_data64(sqe, 77);
	for (;;) {
		if (io_uring_submit_and_wait(uring_of(ring), 1) < 0 || io_uring_peek_cqe(uring_of(ring), &cqe) < 0)
			return -1;
		int result = cqe->res;
		bool ours = cqe->user_data == 77;
		io_uring_cqe_seen(uring_of(ring), cqe);
		if (ours)
			return result;
	}
}

TEST(a_ring_does_only_what_it_is_for)
{
	const struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = 9};
	struct iovec vector = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct io_uring_sqe *sqe;

	if (!begin())
		CHECK_SKIP("no io_uring");
	io_uring_prep_openat(sqe = next_sqe(ring), AT_FDCWD, "/etc/shadow", O_RDONLY, 0);
	CHECK_EQ(outcome(sqe), -EACCES);
	io_uring_prep_connect(sqe = next_sqe(ring), fd, (const struct sockaddr *)&to, sizeof to);
	CHECK_EQ(outcome(sqe), -EACCES);
	io_uring_prep_rw(IORING_OP_SOCKET, sqe = next_sqe(ring), AF_INET, NULL, 0, SOCK_STREAM);
	CHECK_EQ(outcome(sqe), -EACCES);
	io_uring_prep_send(sqe = next_sqe(ring), fd, "x", 1, MSG_FASTOPEN);
	CHECK_EQ(outcome(sqe), -EACCES);
	io_uring_prep_sendmsg(sqe = next_sqe(ring), fd, &message, MSG_FASTOPEN); /* for datagrams only */
	CHECK_EQ(outcome(sqe), -EACCES);
	io_uring_prep_poll_add(sqe = next_sqe(ring), fd, POLLOUT);
	sqe->flags |= IOSQE_FIXED_FILE;
	CHECK_EQ(outcome(sqe), -EACCES);
	io_uring_prep_poll_add(sqe = next_sqe(ring), fd, POLLOUT); /* what it is for */
	CHECK(outcome(sqe) > 0);
	CHECK_EQ(io_uring_register((unsigned)uring_of(ring)->ring_fd, IORING_REGISTER_FILES, &fd, 1), -EACCES);
	ring_fini(ring);
	mailbox_fini(&box);
	close(fd);
}

CHECK_MAIN
