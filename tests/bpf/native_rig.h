/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_NATIVE_RIG_H
#define TOLLBAR_TESTS_NATIVE_RIG_H
/* native_rig.h: the gate with a native port, and datagrams on their way to it. */
#include "gate_rig.h"

#include "datagram_frames.h"

#define NOW_S 1800000000u
#define TIMEOUT_S 300u
#define KNOCK_S 120u

static const uint8_t cookie_key[16] = {7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static inline void address_fill(struct address *address, uint8_t first)
{
	for (size_t i = 0; i < sizeof address->at; i++)
		address->at[i] = (uint8_t)(first + i);
}

/* What datagrams.h's requests buy, on the UDP port of frames.h; knocks are taken; nobody is asked for a cookie. */
static inline void native_default(struct filter_native *native)
{
	*native =
		(struct filter_native){.ports = {FRAME_UDP_PORT},
				       .port_cnt = 1,
				       .terms = {{.chain_id = DATAGRAM_CHAIN, .methods = 1u << 1 | 1u << 2 | 1u << 3}},
				       .terms_cnt = 1,
				       .timeout_s = TIMEOUT_S,
				       .knock_s = KNOCK_S,
				       .cookies = SYN_COOKIES_OFF};
	address_fill(&native->terms[0].asset, DATAGRAM_ASSET);
	memcpy(native->cookie_key, cookie_key, sizeof cookie_key);
}

static inline void native_set(const struct filter_native *native)
{
	CHECK_EQ(filter_set_native(filter, native), 0);
	filter_native_clock(filter, NOW_S);
}

static inline bool native_ready(void)
{
	struct filter_native native;

	if (!gate_ready())
		return false;
	native_default(&native);
	native_set(&native);
	CHECK_EQ(filter_native_payers(filter, NULL, 0, true), 0);
	memset(filter->replays, 0, REPLAYS_MAP_BYTES);
	return true;
}

#define NATIVE_READY()                           \
	do {                                     \
		if (!native_ready())             \
			CHECK_SKIP(unavailable); \
	} while (0)

static inline void expect_datagram(const struct datagram *datagram, enum reason want, const char *name)
{
	struct frame frame;

	frame_datagram(&frame, UDP4, 0, datagram);
	expect(&frame, want, name);
	frame_datagram(&frame, UDP6, 1, datagram);
	expect(&frame, want, name);
}

/* The usual request with one field of up to 8 bytes changed. */
static inline void expect_field(size_t at, uint64_t value, size_t bytes, enum reason want)
{
	struct datagram datagram;
	char name[64];

	snprintf(name, sizeof name, "%zu bytes at %zu are %llx", bytes, at, (unsigned long long)value);
	datagram_request(&datagram, 100, false, NOW_S);
	datagram_put(&datagram, at, value, bytes);
	expect_datagram(&datagram, want, name);
}

/* The place of the usual request's nonce on this chain, if it is marked there. */
static inline struct tollbar_replay *usual_place(void)
{
	struct datagram datagram;
	__u32 nonce[8];

	datagram_request(&datagram, 100, false, NOW_S);
	memcpy(nonce, datagram.bytes + AT_NONCE, sizeof nonce);
	struct tollbar_replays *line = &filter->replays[tollbar_replay_line(nonce)];
	for (size_t i = 0; i < TOLLBAR_REPLAYS_IN_LINE; i++)
		if (line->replays[i].mark == tollbar_replay_mark(nonce) && line->replays[i].tag != 0)
			return &line->replays[i];
	return NULL;
}

static inline void usual_claim(uint64_t chain_id)
{
	struct address payer;
	struct word nonce;

	address_fill(&payer, DATAGRAM_PAYER);
	for (size_t i = 0; i < sizeof nonce.at; i++)
		nonce.at[i] = (uint8_t)(DATAGRAM_NONCE + i);
	filter_native_claimed(filter, chain_id, &payer, &nonce);
}

/* When it passes next: so many ticks from now. */
static inline void usual_passes(int ticks)
{
	struct tollbar_replay *place = usual_place();

	CHECK_NEED(place != NULL);
	place->pass_tick = (uint32_t)(clock_ns() >> TOLLBAR_REPLAY_TICK) + (uint32_t)ticks;
}

#endif
