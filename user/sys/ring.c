/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/ring_engine.h"

/* --- received buffers --- */

static void group_give_back(struct ring *ring, enum group_id group, unsigned id)
{
	ring->engine->give_back(ring, group, id);
	ring->groups[group].back++;
}

uint8_t *ring_buffer_bytes(struct ring *ring, unsigned id)
{
	return group_at(&ring->groups[GROUP_STREAM], id);
}

struct buffer *ring_buffer(struct ring *ring, unsigned id)
{
	return &ring->buffers[id];
}

void ring_give_back(struct ring *ring, unsigned id)
{
	group_give_back(ring, GROUP_STREAM, id);
}

void ring_give_datagram_back(struct ring *ring, unsigned id)
{
	group_give_back(ring, GROUP_DATAGRAM, id);
}

/* --- what conn.c asks for --- */

void ring_mark(struct conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = conn->ring->dirty;
	conn->ring->dirty = conn;
}

void ring_receive(struct conn *conn)
{
	conn->pending_ops++;
	conn->ring->engine->receive(conn, !conn->accepted);
}

void ring_cancel_receive(struct conn *conn)
{
	conn->ring->engine->cancel_receive(conn);
}

void ring_send(struct conn *conn, struct span bytes)
{
	conn->pending_ops++;
	conn->ring->engine->send(conn, bytes);
}

void ring_connect(struct conn *conn)
{
	conn->pending_ops++;
	conn->ring->engine->connect(conn);
}

void ring_cancel_all(struct conn *conn)
{
	conn->ring->engine->cancel_all(conn);
}

void ring_closed(struct ring *ring)
{
	ring->fds_back = true;
}

void ring_starve(struct conn *conn)
{
	if (conn->starved)
		return;
	conn->starved = true;
	conn->next_starved = conn->ring->starved;
	conn->ring->starved = conn;
}

void ring_unstarve(struct conn *conn)
{
	struct conn **at = &conn->ring->starved;

	if (!conn->starved)
		return;
	while (*at != conn)
		at = &(*at)->next_starved;
	*at = conn->next_starved;
	conn->starved = false;
}

void ring_stall(struct conn *conn)
{
	if (conn->stalled)
		return;
	conn->stalled = true;
	conn->next_stalled = conn->ring->stalled;
	conn->ring->stalled = conn;
}

void ring_unstall(struct conn *conn)
{
	struct conn **at = &conn->ring->stalled;

	if (!conn->stalled)
		return;
	while (*at != conn)
		at = &(*at)->next_stalled;
	*at = conn->next_stalled;
	conn->stalled = false;
}

/* --- what udp.c asks for --- */

void ring_receive_datagrams(struct ring *ring, struct udp_socket *socket)
{
	ring->engine->receive_datagrams(ring, socket);
}

void ring_stop_datagrams(struct ring *ring, struct udp_socket *socket)
{
	ring->engine->stop_datagrams(ring, socket);
}

void ring_reply(struct ring *ring, struct udp_reply *reply)
{
	ring->engine->reply(ring, reply);
}

/* --- the end of a round --- */

static void settle_dirty(struct ring *ring)
{
	while (ring->dirty != NULL) {
		struct conn *conn = ring->dirty;
		ring->dirty = conn->next_dirty;
		conn->dirty = false;
		conn_settle(conn);
	}
}

static void feed_starved(struct ring *ring)
{
	unsigned back = ring->groups[GROUP_STREAM].back;

	ring->groups[GROUP_STREAM].back = 0;
	if (back == 0 || ring->starved == NULL)
		return;
	struct conn *conn = ring->starved;
	ring->starved = NULL;
	while (conn != NULL) {
		struct conn *next = conn->next_starved;
		conn->starved = false;
		conn_receive(conn);
		conn = next;
	}
}

/* Their owners may have room by now. */
static void wake_stalled(struct ring *ring)
{
	while (ring->stalled != NULL) {
		struct conn *conn = ring->stalled;
		ring_unstall(conn);
		ring_mark(conn);
	}
}

/* Sockets whose receive ended: for want of buffers, or of memory, which a quiet round may have given back. */
static void hear_again(struct ring *ring, bool quiet)
{
	if (ring->groups[GROUP_DATAGRAM].back == 0 && !quiet)
		return;
	ring->groups[GROUP_DATAGRAM].back = 0;
	while (ring->deaf_udp != NULL) {
		struct udp_socket *socket = ring->deaf_udp;
		ring->deaf_udp = socket->next_deaf;
		if (!socket->stopped)
			ring_receive_datagrams(ring, socket);
	}
}

/* --- what an engine tells --- */

static void arm_accept(struct ring *ring, unsigned idx)
{
	ring->armed_cnt++;
	ring->engine->accept(ring, idx);
}

void ring_accepted(struct ring *ring, unsigned idx, int result, bool more)
{
	if (result >= 0) /* after the end of accepting, too: nobody else could answer it */
		ring->config.accepted(ring->config.ctx, idx, result);
	if (more)
		return;
	ring->armed_cnt--;
	if (!ring->accepting)
		return;
	if (result == -EMFILE || result == -ENFILE || result == -ENOMEM || result == -ENOBUFS)
		ring->deaf |= 1u << idx; /* at once it would only fail again */
	else
		arm_accept(ring, idx);
}

static void listen_again(struct ring *ring, bool quiet)
{
	if (!quiet && !ring->fds_back)
		return;
	ring->fds_back = false;
	for (unsigned i = 0; ring->deaf != 0 && i < ring->listener_cnt; i++)
		if (ring->deaf & 1u << i)
			arm_accept(ring, i);
	ring->deaf = 0;
}

void ring_woken(struct ring *ring)
{
	mailbox_clear(ring->config.mailbox);
	ring->config.mail(ring->config.ctx);
}

void ring_deafened(struct ring *ring, struct udp_socket *socket)
{
	if (socket->stopped)
		return;
	socket->next_deaf = ring->deaf_udp;
	ring->deaf_udp = socket;
}

/* --- rounds --- */

bool ring_turn(struct ring *ring, unsigned wait_ms)
{
	feed_starved(ring);
	wake_stalled(ring);
	settle_dirty(ring);
	mailbox_wake();
	bool quiet = ring->engine->turn(ring, wait_ms) == 0;
	listen_again(ring, quiet);
	hear_again(ring, quiet);
	return ring->config.round(ring->config.ctx);
}

void ring_run(struct ring *ring)
{
	bool more = false;

	mailbox_hold(true);
	while (!ring->stopping)
		more = ring_turn(ring, more ? 0 : RING_TICK_MS);
	mailbox_hold(false);
}

void ring_stop(struct ring *ring)
{
	ring->stopping = true;
}

/* --- start and end --- */

static size_t map_bytes(const struct group *group)
{
	return group->head_bytes + (size_t)group->cnt * group->bytes;
}

static int map_group(struct group *group, size_t head_bytes, unsigned cnt, unsigned bytes)
{
	if (cnt == 0)
		return 0;
	*group = (struct group){.cnt = cnt, .bytes = bytes, .head_bytes = (cnt * head_bytes + 4095) & ~(size_t)4095};
	void *at = mmap(NULL, map_bytes(group), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	group->map = at;
	group->bytes_at = (uint8_t *)at + group->head_bytes;
	return 0;
}

static int map_buffers(struct ring *ring)
{
	const struct ring_config *config = &ring->config;
	size_t head_bytes = ring->engine->head_bytes;

	ring->buffers = calloc(config->buffer_cnt, sizeof *ring->buffers);
	if (ring->buffers == NULL)
		return -ENOMEM;
	int error = map_group(&ring->groups[GROUP_STREAM], head_bytes, config->buffer_cnt, config->buffer_bytes);
	if (error == 0)
		error = map_group(&ring->groups[GROUP_DATAGRAM], head_bytes, config->datagram_cnt, RING_DATAGRAM_BYTES);
	return error;
}

static int open_engine(struct ring **out, const struct ring_config *config, const struct ring_engine *engine)
{
	struct ring *ring = calloc(1, sizeof *ring);

	if (ring == NULL)
		return -ENOMEM;
	ring->config = *config;
	ring->engine = engine;
	int error = map_buffers(ring);
	if (error == 0)
		error = engine->init(ring);
	if (error < 0) {
		ring_fini(ring);
		return error;
	}
	*out = ring;
	return 0;
}

static const struct ring_engine *chosen = &ring_uring; /* by ring_choose */

static const struct ring_engine *engine_of(enum ring_loop loop)
{
	return loop == RING_AUTO ? chosen : loop == RING_EPOLL ? &ring_epoll : &ring_uring;
}

const char *ring_choose(enum ring_loop loop)
{
	bool allowed = loop != RING_EPOLL && ring_uring_allowed();

	if (loop == RING_URING && !allowed)
		return NULL;
	chosen = allowed ? &ring_uring : &ring_epoll;
	return chosen->name;
}

const char *ring_chosen(void)
{
	return chosen->name;
}

int ring_init(struct ring **ring, const struct ring_config *config)
{
	return open_engine(ring, config, engine_of(config->loop));
}

void ring_fini(struct ring *ring)
{
	if (ring->engine_state != NULL)
		ring->engine->fini(ring);
	for (unsigned i = 0; i < GROUP_CNT; i++)
		if (ring->groups[i].map != NULL)
			munmap(ring->groups[i].map, map_bytes(&ring->groups[i]));
	free(ring->buffers);
	free(ring);
}

size_t ring_bytes(const struct ring_config *config)
{
	const struct ring_engine *engine = engine_of(config->loop);

	return (size_t)config->buffer_cnt * (config->buffer_bytes + engine->head_bytes + sizeof(struct buffer)) +
	       (size_t)config->datagram_cnt * (RING_DATAGRAM_BYTES + engine->head_bytes) + engine->own_bytes;
}

void ring_accept(struct ring *ring, int listen_fd)
{
	ASSERT(ring->listener_cnt < RING_LISTENERS_MAX);
	ring->accepting = true;
	ring->listeners[ring->listener_cnt] = listen_fd;
	arm_accept(ring, ring->listener_cnt++);
}

void ring_stop_accepting(struct ring *ring)
{
	ring->accepting = false;
	for (unsigned i = 0; i < ring->listener_cnt; i++) {
		if (!(ring->deaf & 1u << i))
			ring->engine->stop_accept(ring, i);
		/* The listener stops answering at once; other workers' sockets are their own. */
		close(ring->listeners[i]);
	}
	ring->listener_cnt = 0;
	ring->deaf = 0;
}

bool ring_accepts(const struct ring *ring)
{
	return ring->armed_cnt > 0;
}
