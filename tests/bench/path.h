/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BENCH_PATH_H
#define TOLLBAR_BENCH_PATH_H
/* path.h: a way between two network namespaces that takes its time: two tun devices, and a thread that carries every packet from
 * one to the other so much later.  Both ends are the kernel's own stack.  Root; gone with the process.
 *
 *   path_open(delay_ns);    the calling thread is in a namespace of its own from here on: PATH_NEAR; what the other threads
 *                           and processes see is PATH_FAR */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define PATH_NEAR "10.78.0.2"
#define PATH_FAR "10.78.0.1"

enum { PATH_WAITING = 256, PATH_PACKET_BYTES = 1600 };

struct path_way { /* one direction: a ring of packets in the order they came */
	int from, to;
	unsigned first, cnt;
	struct {
		uint64_t due_ns;
		size_t bytes;
		uint8_t at[PATH_PACKET_BYTES];
	} waiting[PATH_WAITING];
};

static struct path_way path_ways[2];
static uint64_t path_delay_ns;

static inline _Noreturn void path_fail(const char *what)
{
	fprintf(stderr, "path: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* A tun device with this address in the calling thread's namespace. */
static inline int path_device(const char *address)
{
	struct ifreq device = {.ifr_flags = IFF_TUN | IFF_NO_PI}, net;
	struct sockaddr_in at = {.sin_family = AF_INET};
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK),
	    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (tun < 0 || fd < 0 || ioctl(tun, TUNSETIFF, &device) != 0)
		path_fail("tun device");
	net = device;
	inet_pton(AF_INET, address, &at.sin_addr);
	memcpy(&net.ifr_addr, &at, sizeof(at));
	if (ioctl(fd, SIOCSIFADDR, &net) != 0)
		path_fail(address);
	at.sin_addr.s_addr = htonl(0xffffff00);
	memcpy(&net.ifr_netmask, &at, sizeof(at));
	if (ioctl(fd, SIOCSIFNETMASK, &net) != 0 || ioctl(fd, SIOCGIFFLAGS, &net) != 0)
		path_fail(address);
	net.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &net) != 0)
		path_fail(address);
	close(fd);
	return tun;
}

static inline void path_take(struct path_way *way)
{
	while (way->cnt < PATH_WAITING) {
		unsigned idx = (way->first + way->cnt) % PATH_WAITING;
		ssize_t bytes = read(way->from, way->waiting[idx].at, PATH_PACKET_BYTES);
		if (bytes <= 0)
			return;
		way->waiting[idx].bytes = (size_t)bytes;
		way->waiting[idx].due_ns = clock_ns() + path_delay_ns;
		way->cnt++;
	}
}

/* Lets out what is due; when the next one is, or UINT64_MAX. */
static inline uint64_t path_give(struct path_way *way)
{
	for (; way->cnt > 0; way->cnt--, way->first = (way->first + 1) % PATH_WAITING) {
		if (way->waiting[way->first].due_ns > clock_ns())
			return way->waiting[way->first].due_ns;
		if (write(way->to, way->waiting[way->first].at, way->waiting[way->first].bytes) < 0)
			path_fail("a packet");
	}
	return UINT64_MAX;
}

static inline void *path_carry(void *unused)
{
	struct pollfd fds[2] = {{.fd = path_ways[0].from, .events = POLLIN},
				{.fd = path_ways[1].from, .events = POLLIN}};

	for (;;) {
		uint64_t next_ns = path_give(&path_ways[0]), other_ns = path_give(&path_ways[1]), now_ns = clock_ns();
		next_ns = other_ns < next_ns ? other_ns : next_ns;
		uint64_t wait_ns = next_ns == UINT64_MAX ? UINT64_C(1000000000)
				   : next_ns > now_ns	 ? next_ns - now_ns
							 : 0;
		struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
		ppoll(fds, 2, &wait, NULL);
		path_take(&path_ways[0]);
		path_take(&path_ways[1]);
	}
	return unused;
}

static inline void path_open(uint64_t delay_ns)
{
	pthread_t thread;
	int far = path_device(PATH_FAR), near;

	path_delay_ns = delay_ns;
	if (unshare(CLONE_NEWNET) != 0)
		path_fail("a network namespace");
	near = path_device(PATH_NEAR);
	path_ways[0].from = path_ways[1].to = near;
	path_ways[0].to = path_ways[1].from = far;
	if (pthread_create(&thread, NULL, path_carry, NULL) != 0)
		path_fail("a thread");
}

#endif
