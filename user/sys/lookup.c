/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"

struct lookup { /* freed by whoever of the two is done last */
	pthread_mutex_t lock;
	bool over, dropped;
	int event_fd;
	char host[URL_BYTES_MAX];
	uint16_t port;
	struct addresses addresses;
};

static void find(struct addresses *out, const char *host, uint16_t port, int flags)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags}, *found;
	char service[8];

	out->cnt = 0;
	snprintf(service, sizeof service, "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return;
	for (const struct addrinfo *at = found; at != NULL && out->cnt < LOOKUP_ADDRESSES_MAX; at = at->ai_next) {
		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		memcpy(&out->at[out->cnt], at->ai_addr, at->ai_addrlen);
		out->bytes[out->cnt++] = at->ai_addrlen;
	}
	freeaddrinfo(found);
}

bool lookup_numeric(struct addresses *out, const char *host, uint16_t port)
{
	find(out, host, port, AI_NUMERICHOST);
	return out->cnt > 0;
}

static void lookup_free(struct lookup *lookup)
{
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

static void *lookup_main(void *arg)
{
	struct lookup *lookup = arg;
	uint64_t one = 1;

	find(&lookup->addresses, lookup->host, lookup->port, 0);
	pthread_mutex_lock(&lookup->lock);
	bool dropped = lookup->dropped;
	if (!dropped) {
		lookup->over = true;
		ssize_t written = write(lookup->event_fd, &one, sizeof one);
		(void)written; /* EAGAIN: it is readable already */
	}
	pthread_mutex_unlock(&lookup->lock);
	if (dropped)
		lookup_free(lookup);
	return NULL;
}

static int start_thread(struct lookup *lookup)
{
	pthread_attr_t detached;
	pthread_t thread;
	int error = pthread_attr_init(&detached);

	if (error != 0)
		return -error;
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &detached, lookup_main, lookup);
	pthread_attr_destroy(&detached);
	return -error;
}

int lookup_start(struct lookup **out, const char *host, uint16_t port, int event_fd)
{
	struct lookup *lookup = calloc(1, sizeof *lookup);

	*out = NULL;
	if (lookup == NULL)
		return -ENOMEM;
	pthread_mutex_init(&lookup->lock, NULL);
	lookup->event_fd = event_fd;
	lookup->port = port;
	snprintf(lookup->host, sizeof lookup->host, "%s", host);
	int error = start_thread(lookup);
	if (error != 0) {
		lookup_free(lookup);
		return error;
	}
	*out = lookup;
	return 0;
}

bool lookup_take(struct lookup *lookup, struct addresses *out)
{
	pthread_mutex_lock(&lookup->lock);
	bool over = lookup->over;
	pthread_mutex_unlock(&lookup->lock);
	if (!over)
		return false;
	*out = lookup->addresses;
	lookup_free(lookup);
	return true;
}

void lookup_drop(struct lookup *lookup)
{
	if (lookup == NULL)
		return;
	pthread_mutex_lock(&lookup->lock);
	bool over = lookup->over;
	lookup->dropped = true;
	pthread_mutex_unlock(&lookup->lock);
	if (over)
		lookup_free(lookup);
}
