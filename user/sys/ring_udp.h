/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_RING_UDP_H
#define TOLLBAR_SYS_RING_UDP_H
/* ring_udp.h: between the ring (what is asked for, what has ended) and udp.c (what that means for a datagram).  For ring*.c
 * and udp.c only. */
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "sys/udp.h"

#define UDP_CONTROL_BYTES CMSG_SPACE(sizeof(struct in6_pktinfo)) /* more than an in_pktinfo takes */
#define UDP_IN_CONTROL_BYTES (UDP_CONTROL_BYTES + CMSG_SPACE(sizeof(struct timespec)))

struct udp_socket {
	struct udp *udp;
	int fd;
	bool is_ip6, stopped;
	struct msghdr form; /* how much room name and control have in a buffer */
	struct udp_socket *next_deaf;
};

#define UDP_MERGED_MAX 16 /* replies of a round to one peer that leave as one */
#define UDP_OUT_CONTROL_BYTES (UDP_CONTROL_BYTES + CMSG_SPACE(sizeof(uint16_t)))

struct udp_reply { /* all of one reply, or of some to one peer and of one length, until it is with the kernel */
	struct udp *udp;
	struct udp_reply *next; /* free list; while it is asked for, ring_epoll.c's */
	int fd;
	struct msghdr message;
	struct iovec piece;
	struct sockaddr_storage to;
	struct udp_peer peer;
	unsigned cnt; /* of replies, each of so many bytes: */
	size_t each;
	uint8_t control[UDP_OUT_CONTROL_BYTES] __attribute__((aligned(8)));
	uint8_t bytes[UDP_MERGED_MAX * UDP_REPLY_BYTES_MAX];
};

struct udp_arrival {
	const void *name; /* of a struct sockaddr_in or in6 */
	const void *control;
	size_t control_bytes;
	struct span payload;
	unsigned buffer;
};

/* ring.c */
void ring_receive_datagrams(struct ring *ring, struct udp_socket *socket);
void ring_stop_datagrams(struct ring *ring, struct udp_socket *socket);
void ring_reply(struct ring *ring, struct udp_reply *reply);
void ring_give_datagram_back(struct ring *ring, unsigned id);

/* udp.c */
void udp_received(struct udp_socket *socket, const struct udp_arrival *arrival);
void udp_replied(struct udp_reply *reply, int result);

#endif
