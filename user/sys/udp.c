// SPDX-License-Identifier: Apache-2.0
#include "sys/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "limits.h"
#include "sys/ring_udp.h"

#define NAME_BYTES 32 /* of a sockaddr_in6, and then the datagram stands where 8-byte words may stand */
#define WAITED_NS_MAX \
	(60 * UINT64_C(1000000000)) /* nothing waits so long in a socket of that size: the clock was set */
#define SOCKET_BYTES (4 << 20) /* what may wait in a socket: 20 ms of a full gigabit, as far as the kernel allows */

struct udp {
	struct udp_config config;
	struct udp_socket sockets[LISTENS_MAX];
	unsigned socket_cnt;
	struct udp_reply *replies, *unused, *open; /* open: may take one more */
	bool merges;				   /* the kernel, and the way to the peers, can */
	struct udp_counts counts;
};

/* What stands before a datagram in its buffer: liburing's header of 16 bytes, name and control. */
_Static_assert(16 + NAME_BYTES + UDP_IN_CONTROL_BYTES + UDP_BYTES_MAX < RING_DATAGRAM_BYTES,
	       "a longer one is seen to be");
_Static_assert(NAME_BYTES >= sizeof(struct sockaddr_in6) && (NAME_BYTES + UDP_IN_CONTROL_BYTES) % 8 == 0, "aligned");

/* --- sockets --- */

int udp_bind(const struct sockaddr_storage *address)
{
	bool is_ip6 = address->ss_family == AF_INET6;
	socklen_t bytes = is_ip6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int one = 1, room = SOCKET_BYTES;
	int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) <
	    0) /* beyond rmem_max only with privilege */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0 &&
		    (is_ip6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one)
			    : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one)) == 0 &&
		    bind(fd, (const struct sockaddr *)address, bytes) == 0;
	if (!good) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

struct udp *udp_init(const struct udp_config *config)
{
	struct udp *udp = calloc(1, sizeof *udp);

	if (udp == NULL)
		return NULL;
	udp->config = *config;
	udp->merges = true;
	udp->replies = calloc(config->reply_cnt, sizeof *udp->replies);
	if (udp->replies == NULL) {
		free(udp);
		return NULL;
	}
	for (unsigned i = config->reply_cnt; i-- > 0;) {
		udp->replies[i].udp = udp;
		udp->replies[i].next = udp->unused;
		udp->unused = &udp->replies[i];
	}
	return udp;
}

void udp_fini(struct udp *udp)
{
	if (udp == NULL)
		return;
	for (unsigned i = 0; i < udp->socket_cnt; i++)
		close(udp->sockets[i].fd);
	free(udp->replies);
	free(udp);
}

size_t udp_bytes(unsigned reply_cnt)
{
	return sizeof(struct udp) + reply_cnt * sizeof(struct udp_reply);
}

void udp_listen(struct udp *udp, int fd)
{
	struct udp_socket *socket = &udp->sockets[udp->socket_cnt++];
	struct sockaddr_storage own = {0};
	socklen_t own_bytes = sizeof own;
	int one = 1;

	ASSERT(udp->socket_cnt <= LISTENS_MAX);
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one); /* where it cannot, no datagram has a stamp */
	getsockname(fd, (struct sockaddr *)&own, &own_bytes);
	*socket = (struct udp_socket){
		.udp = udp,
		.fd = fd,
		.is_ip6 = own.ss_family == AF_INET6,
		.form = {.msg_namelen = NAME_BYTES, .msg_controllen = UDP_IN_CONTROL_BYTES},
	};
	ring_receive_datagrams(udp->config.ring, socket);
}

void udp_stop(struct udp *udp)
{
	for (unsigned i = 0; i < udp->socket_cnt; i++) {
		if (udp->sockets[i].stopped)
			continue;
		udp->sockets[i].stopped = true;
		ring_stop_datagrams(udp->config.ring, &udp->sockets[i]);
	}
}

void udp_give_back(struct udp *udp, unsigned buffer)
{
	ring_give_datagram_back(udp->config.ring, buffer);
}

const struct udp_counts *udp_counts(const struct udp *udp)
{
	return &udp->counts;
}

/* --- what comes in --- */

static struct in6_addr mapped(struct in_addr ip4)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&address.s6_addr[12], &ip4, sizeof ip4);
	return address;
}

static void read_name(struct udp_peer *peer, const void *name)
{
	struct sockaddr_in6 ip6;
	struct sockaddr_in ip4;

	memcpy(&ip6, name, sizeof ip6);
	memcpy(&ip4, name, sizeof ip4);
	if (ip6.sin6_family == AF_INET6) {
		peer->source = ip6.sin6_addr;
		peer->port_be = ip6.sin6_port;
		peer->interface = ip6.sin6_scope_id;
	} else {
		peer->source = mapped(ip4.sin_addr);
		peer->port_be = ip4.sin_port;
	}
}

static uint64_t read_stamp(const struct cmsghdr *part)
{
	struct timespec stamp;

	memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
	return (uint64_t)stamp.tv_sec * UINT64_C(1000000000) + (uint64_t)stamp.tv_nsec;
}

static void read_control(struct udp_datagram *datagram, const struct udp_arrival *arrival)
{
	struct udp_peer *peer = &datagram->peer;
	struct msghdr message = {.msg_control = (void *)(uintptr_t)arrival->control,
				 .msg_controllen = arrival->control != NULL ? arrival->control_bytes : 0};

	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL; part = CMSG_NXTHDR(&message, part)) {
		if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(part), sizeof info);
			peer->local = mapped(info.ipi_spec_dst);
		} else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(part), sizeof info);
			peer->local = info.ipi6_addr;
		} else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
			datagram->stamp_ns = read_stamp(part);
		}
	}
}

void udp_received(struct udp_socket *socket, const struct udp_arrival *arrival)
{
	struct udp *udp = socket->udp;
	struct udp_datagram datagram = {.bytes = arrival->payload, .buffer = arrival->buffer};

	if (socket->stopped) {
		udp_give_back(udp, arrival->buffer);
		return;
	}
	udp->counts.received++;
	datagram.peer.socket = (uint16_t)(socket - udp->sockets);
	read_name(&datagram.peer, arrival->name);
	read_control(&datagram, arrival);
	udp->config.received(udp->config.ctx, &datagram);
}

uint64_t udp_waited_ns(const struct udp_datagram *datagram, uint64_t now_unix_ns)
{
	uint64_t waited_ns = now_unix_ns - datagram->stamp_ns;

	return datagram->stamp_ns == 0 || now_unix_ns < datagram->stamp_ns || waited_ns > WAITED_NS_MAX ? 0 : waited_ns;
}

/* --- what goes out --- */

static void put_control(struct udp_reply *reply, int level, int type, const void *info, size_t bytes)
{
	struct cmsghdr *part = (struct cmsghdr *)(void *)&reply->control[reply->message.msg_controllen];

	ASSERT(reply->message.msg_controllen + CMSG_SPACE(bytes) <= sizeof reply->control);
	reply->message.msg_control = reply->control;
	reply->message.msg_controllen += CMSG_SPACE(bytes);
	part->cmsg_level = level;
	part->cmsg_type = type;
	part->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(part), info, bytes);
}

/* On a socket of IPv6, which may speak IPv4 by mapped addresses. */
static void address_ip6(struct udp_reply *reply, const struct udp_peer *peer)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6,
				  .sin6_port = peer->port_be,
				  .sin6_addr = peer->source,
				  .sin6_scope_id = peer->interface};
	struct in6_pktinfo info = {.ipi6_addr = peer->local, .ipi6_ifindex = peer->interface};

	memcpy(&reply->to, &to, sizeof to);
	reply->message.msg_namelen = sizeof to;
	put_control(reply, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

static void address_ip4(struct udp_reply *reply, const struct udp_peer *peer)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = peer->port_be};
	struct in_pktinfo info = {0};

	memcpy(&to.sin_addr, &peer->source.s6_addr[12], sizeof to.sin_addr);
	memcpy(&info.ipi_spec_dst, &peer->local.s6_addr[12], sizeof info.ipi_spec_dst);
	memcpy(&reply->to, &to, sizeof to);
	reply->message.msg_namelen = sizeof to;
	put_control(reply, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}

static bool same_peer(const struct udp_peer *a, const struct udp_peer *b)
{
	return memcmp(&a->source, &b->source, sizeof a->source) == 0 && a->port_be == b->port_be &&
	       a->socket == b->socket && memcmp(&a->local, &b->local, sizeof a->local) == 0 &&
	       a->interface == b->interface;
}

void udp_flush(struct udp *udp)
{
	struct udp_reply *reply = udp->open;

	if (reply == NULL)
		return;
	udp->open = NULL;
	uint16_t each = (uint16_t)reply->each;
	reply->piece = (struct iovec){reply->bytes, reply->cnt * reply->each};
	reply->message = (struct msghdr){.msg_name = &reply->to, .msg_iov = &reply->piece, .msg_iovlen = 1};
	if (udp->sockets[reply->peer.socket].is_ip6)
		address_ip6(reply, &reply->peer);
	else
		address_ip4(reply, &reply->peer);
	if (reply->cnt > 1)
		put_control(reply, IPPROTO_UDP, UDP_SEGMENT, &each, sizeof each);
	ring_reply(udp->config.ring, reply);
}

static struct udp_reply *open_reply(struct udp *udp, const struct udp_peer *peer, size_t each)
{
	struct udp_reply *reply = udp->open;

	if (reply != NULL && udp->merges && reply->cnt < UDP_MERGED_MAX && reply->each == each &&
	    same_peer(&reply->peer, peer))
		return reply;
	udp_flush(udp);
	reply = udp->open = udp->unused;
	if (reply == NULL)
		return NULL;
	udp->unused = reply->next;
	reply->fd = udp->sockets[peer->socket].fd;
	reply->peer = *peer;
	reply->each = each;
	reply->cnt = 0;
	return reply;
}

void udp_reply(struct udp *udp, const struct udp_peer *peer, struct span bytes)
{
	ASSERT(bytes.bytes <= UDP_REPLY_BYTES_MAX && peer->socket < udp->socket_cnt);
	struct udp_reply *reply = open_reply(udp, peer, bytes.bytes);

	if (reply == NULL) {
		udp->counts.dropped++;
		return;
	}
	memcpy(&reply->bytes[reply->cnt++ * reply->each], bytes.at, bytes.bytes);
}

void udp_replied(struct udp_reply *reply, int result)
{
	struct udp *udp = reply->udp;

	if (result < 0)
		udp->counts.dropped += reply->cnt;
	else
		udp->counts.replied += reply->cnt;
	if (result < 0 && reply->cnt > 1 && result != -EAGAIN && result != -ENOBUFS)
		udp->merges = false; /* not on this way: whoever waits asks again, and has single ones */
	reply->next = udp->unused;
	udp->unused = reply;
}
