/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_WORKER_NATIVE_H
#define TOLLBAR_WORKER_NATIVE_H
/* worker_native.h: a worker's part in the native transport: its UDP sockets, and slots of their own for the requests that come
 * by them, so that thousands can wait in line.  Waiting, one uses the pages its body fills; what it uses while it is
 * answered goes back to the kernel when more such slots are free than requests can run. */
#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "gate_knock.h"
#include "request.h"
#include "sys/udp.h"

struct natives {
	struct udp *udp; /* NULL: the transport is off */
	struct request *requests, *unused;
	uint8_t *memory;
	unsigned slot_cnt;
	unsigned touched_cnt;		     /* slots that were used once; the others are as they were mapped */
	struct request *begun, **begun_last; /* this round's, by next_verify */
	unsigned spread_cnt;		     /* slots with memory behind the body */
	struct native_rate {
		uint64_t second_ns;
		unsigned cnt;
		bool flooded;
	} rate;
	struct knocks knocks;
	uint64_t ran_ms;    /* draining: when a result was still to be made, on any worker */
	uint64_t places_ms; /* when places were last brought up to date */
};

#define NATIVE_BUFFERS 256u /* datagrams whose signature is yet to be looked at: four batches */
#define NATIVE_REPLIES 1024u

/* Once the ring is there.  0 or -errno. */
int natives_init(struct worker *worker);
void natives_fini(struct worker *worker);	   /* after the ring */
size_t natives_bytes(const struct config *config); /* memory at most, for the line printed at start */
void natives_listen(struct worker *worker);
/* Counts what the sockets did, and once a second brings the places of those in line up to date. */
void natives_tend(struct worker *worker);
/* No more datagrams; with `cutting` those under way end now.  True: somebody may yet come for a result: while they run, and
 * for RESULTS_LINGER_MS after, if there are some that nobody fetched. */
#define RESULTS_LINGER_MS 10000
bool natives_drain(struct worker *worker, bool cutting);

/* A slot for this datagram, ready for its first step; NULL: none is free. */
struct request *natives_take(struct worker *worker, const struct udp_datagram *datagram);
void natives_give(struct request *request);
/* The bytes it came as are not needed any more. */
void natives_drop_datagram(struct request *request);
/* It is forwarded: it will use memory behind its body. */
void natives_spread(struct request *request);

#endif
