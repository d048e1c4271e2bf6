// SPDX-License-Identifier: Apache-2.0
/* Cookies of the native transport in the kernel: who is asked for one, with what, and who is believed. */
#include "native_rig.h"

#include <sched.h>

#include "native_reply.h"

/* The frame as it came out of the last run. */
static uint8_t out[FRAME_BYTES_MAX + 64];
static uint32_t out_bytes;

static enum reason run(const struct frame *frame)
{
	struct tollbar_counters before, after;
	enum reason reason = REASON_OK;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->used,
		    .data_out = out, .data_size_out = sizeof out);

	CHECK_EQ(filter_counters(filter, &before), 0);
	CHECK_EQ(bpf_prog_test_run_opts(gate_fd, &opts), 0);
	CHECK_EQ(filter_counters(filter, &after), 0);
	out_bytes = opts.data_size_out;
	for (unsigned i = 0; i < TOLLBAR_REASON_CNT; i++)
		if (after.packets[i] != before.packets[i])
			reason = (enum reason)i;
	bool observed = after.observed[NATIVE_COOKIE] != before.observed[NATIVE_COOKIE];
	CHECK_EQ(opts.retval, reason == NATIVE_COOKIE && !observed ? XDP_TX
			      : REASON_DROPS(reason)		   ? XDP_DROP
								   : XDP_PASS);
	if (opts.retval != XDP_TX) { /* untouched */
		CHECK_EQ(out_bytes, frame->used);
		CHECK_BYTES(out, frame->bytes, frame->used);
	}
	return reason;
}

/* The policy, with cookies asked of requests like this, and sent by the kernel. */
static bool cookies_ready(enum config_syn_cookies cookies, unsigned per_s)
{
	struct filter_native native;

	if (!native_ready())
		return false;
	native_default(&native);
	native.cookies = cookies;
	native.cookies_per_s = per_s;
	native.cookies_sent = true;
	native_set(&native);
	return true;
}

#define COOKIES_READY(cookies, per_s)                 \
	do {                                          \
		if (!cookies_ready((cookies), per_s)) \
			CHECK_SKIP(unavailable);      \
	} while (0)

/* The cookie due to the sender of a frame without tags, so many epochs from now. */
static uint64_t cookie_due(const struct frame *frame, int epochs)
{
	bool six = frame->bytes[AT_TYPE] == 0x86;
	size_t port_at = frame_udp_at(frame);
	uint8_t source[16] = {[10] = 255, 255};

	memcpy(source + (six ? 0 : 12), frame->bytes + (six ? AT_IP6_SOURCE : AT_IP4_SOURCE), six ? 16 : 4);
	uint16_t port = (uint16_t)(frame->bytes[port_at] << 8 | frame->bytes[port_at + 1]);
	__u64 epoch = native_epoch(clock_ns());
	return native_cookie(cookie_key, source, port,
			     epochs < 0 ? epoch - (unsigned)-epochs : epoch + (unsigned)epochs);
}

static void request_build(struct frame *frame, enum frame_kind kind, bool cookie)
{
	struct datagram datagram;

	datagram_request(&datagram, 100, cookie, NOW_S);
	frame_datagram(frame, kind, 0, &datagram);
}

static void knock_build(struct frame *frame, enum frame_kind kind)
{
	struct datagram datagram;

	datagram_knock(&datagram, NOW_S);
	frame_datagram(frame, kind, 0, &datagram);
}

/* Where a frame without tags and options has its cookie. */
static uint8_t *cookie_place(struct frame *frame)
{
	uint8_t *payload = frame->bytes + frame_udp_at(frame) + 8;

	return payload + (payload[4] == NATIVE_KNOCK ? AT_KNOCK_COOKIE : AT_CALLDATA + 100);
}

/* What becomes of a request or a knock that shows this. */
static enum reason shows(struct frame *frame, uint64_t cookie)
{
	memcpy(cookie_place(frame), &cookie, sizeof cookie);
	return run(frame);
}

/* Time goes on while a test runs; what it says of one epoch must have begun and ended in it. */
#define IN_ONE_EPOCH(check)                                                                                      \
	do {                                                                                                     \
		uint64_t epoch_;                                                                                 \
		do {                                                                                             \
			int failures_ = check_failures;                                                          \
			epoch_ = native_epoch(clock_ns());                                                       \
			check;                                                                                   \
			if (native_epoch(clock_ns() - 20000000) != epoch_ || native_epoch(clock_ns()) != epoch_) \
				check_failures = failures_, epoch_ = 0;                                          \
		} while (epoch_ == 0);                                                                           \
	} while (0)

/* --- who is believed -------------------------------------------------------------------------------------------- */

static void believed_check(void (*build)(struct frame *frame))
{
	struct frame frame, other;

	build(&frame);
	CHECK_EQ(shows(&frame, cookie_due(&frame, 0)), PASS_NATIVE);
	CHECK_EQ(shows(&frame, cookie_due(&frame, -1)), PASS_NATIVE);
	CHECK_EQ(shows(&frame, cookie_due(&frame, -2)), NATIVE_COOKIE);
	CHECK_EQ(shows(&frame, cookie_due(&frame, 1)), NATIVE_COOKIE);
	CHECK_EQ(shows(&frame, 0), NATIVE_COOKIE);
	for (unsigned bit = 0; bit < 64; bit++)
		CHECK_EQ(shows(&frame, cookie_due(&frame, 0) ^ 1ull << bit), NATIVE_COOKIE);
	/* another's: one bit of address or port away */
	bool six = frame.bytes[AT_TYPE] == 0x86;
	for (unsigned bit = 0; bit < (six ? 128 : 32) + 16; bit++) {
		size_t from = six ? AT_IP6_SOURCE : AT_IP4_SOURCE, address_bits = six ? 128 : 32;
		size_t at = bit < address_bits ? from + bit / 8 : frame_udp_at(&frame) + (bit - address_bits) / 8;
		other = frame;
		other.bytes[at] ^= (uint8_t)(1u << bit % 8);
		enum reason reason = shows(&other, cookie_due(&frame, 0));
		CHECK(reason == NATIVE_COOKIE || reason == SOURCE_MARTIAN);
	}
}

static void build_request4(struct frame *frame)
{
	request_build(frame, UDP4, true);
}

static void build_request6(struct frame *frame)
{
	request_build(frame, UDP6, true);
}

static void build_knock4(struct frame *frame)
{
	knock_build(frame, UDP4);
}

static void build_knock6(struct frame *frame)
{
	knock_build(frame, UDP6);
}

TEST(who_is_believed)
{
	COOKIES_READY(SYN_COOKIES_ON, 0);
	IN_ONE_EPOCH(believed_check(build_request4));
	IN_ONE_EPOCH(believed_check(build_request6));
	IN_ONE_EPOCH(believed_check(build_knock4));
	IN_ONE_EPOCH(believed_check(build_knock6));
}

/* The largest request has its cookie at the farthest place. */
TEST(the_largest_request)
{
	struct datagram datagram;
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	for (int six = 0; six < 2; six++) {
		datagram_row_build(&datagram, &datagram_rows[4], NOW_S);
		CHECK_EQ(datagram.used, NATIVE_BYTES_MAX);
		frame_datagram(&frame, six ? UDP6 : UDP4, 0, &datagram);
		CHECK_EQ(run(&frame), NATIVE_COOKIE);
		uint64_t cookie = cookie_due(&frame, 0);
		memcpy(frame.bytes + frame.used - 8, &cookie, 8);
		CHECK_EQ(run(&frame), PASS_NATIVE);
	}
}

/* --- what is sent ----------------------------------------------------------------------------------------------- */

TEST(answers)
{
	COOKIES_READY(SYN_COOKIES_ON, 0);
	for (int six = 0; six < 2; six++)
		for (int tags = 0; tags <= 2; tags++)
			for (int shape = 0; shape < 4; shape++) {
				struct datagram datagram;
				struct frame frame;
				datagram_request(&datagram, shape == 0 ? 4 : 1000, shape == 2, NOW_S);
				if (shape == 3)
					datagram_knock(&datagram, NOW_S);
				frame_datagram(&frame, six ? UDP6 : UDP4, 0, &datagram);
				uint64_t due = cookie_due(&frame, 0), late = cookie_due(&frame, 1);
				frame_tag(&frame, tags);
				memset(frame.bytes + frame.used, 0xaa, 20 * (size_t)tags);
				frame.used += 20 * (size_t)tags; /* padding */
				CHECK_EQ(run(&frame), NATIVE_COOKIE);
				uint64_t cookie = native_reply_check(out, out_bytes, &frame, 14 + 4 * (size_t)tags,
								     frame_udp_at(&frame));
				CHECK(cookie == due || cookie == late);
			}
}

/* Options and extension headers are not sent back. */
TEST(answers_to_far_headers)
{
	static const uint8_t options[40] = {1, 1, 1}, extensions[24] = {60, 0, [8] = 17, 1};
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	request_build(&frame, UDP4, false);
	frame_insert(&frame, AT_L4_4, options, sizeof options);
	frame.bytes[AT_IP] = 0x4f;
	frame.bytes[AT_IP4_TOTAL + 1] = (uint8_t)(frame.bytes[AT_IP4_TOTAL + 1] + 40);
	CHECK_EQ(run(&frame), NATIVE_COOKIE);
	native_reply_check(out, out_bytes, &frame, AT_IP, AT_L4_4 + 40);
	request_build(&frame, UDP6, false);
	frame_insert(&frame, AT_L4_6, extensions, sizeof extensions);
	frame.bytes[AT_IP6_NEXT] = 0;
	frame.bytes[AT_IP6_PAYLOAD + 1] = (uint8_t)(frame.bytes[AT_IP6_PAYLOAD + 1] + 24);
	CHECK_EQ(run(&frame), NATIVE_COOKIE);
	native_reply_check(out, out_bytes, &frame, AT_IP, AT_L4_6 + 24);
}

/* What comes back with the cookie it was sent passes. */
TEST(there_and_back)
{
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	for (int knock = 0; knock < 2; knock++)
		for (int six = 0; six < 2; six++) {
			if (knock)
				knock_build(&frame, six ? UDP6 : UDP4);
			else
				request_build(&frame, six ? UDP6 : UDP4, true);
			CHECK_EQ(shows(&frame, 0), NATIVE_COOKIE);
			uint64_t cookie = native_reply_check(out, out_bytes, &frame, AT_IP, six ? AT_L4_6 : AT_L4_4);
			CHECK_EQ(shows(&frame, cookie), PASS_NATIVE);
		}
}

TEST(nothing_is_sent_from_a_group)
{
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	request_build(&frame, UDP4, false);
	memset(frame.bytes, 0xff, 6);
	CHECK_EQ(run(&frame), NATIVE_FIELD);
	frame.bytes[0] = 0xfe;
	CHECK_EQ(run(&frame), NATIVE_COOKIE);
}

TEST(observed_it_stays)
{
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	filter_set_mode(filter, FILTER_OPEN, true);
	request_build(&frame, UDP4, false);
	CHECK_EQ(run(&frame), NATIVE_COOKIE); /* run saw that it passed as it was */
	knock_build(&frame, UDP4);
	CHECK_EQ(run(&frame), NATIVE_COOKIE);
}

/* Where the driver cannot send, the daemon gets to see them. */
TEST(left_to_the_daemon)
{
	struct filter_native native;
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	native_default(&native);
	native.cookies = SYN_COOKIES_ON;
	native_set(&native);
	request_build(&frame, UDP4, false);
	CHECK_EQ(run(&frame), PASS_NATIVE);
	knock_build(&frame, UDP4);
	CHECK_EQ(run(&frame), PASS_NATIVE);
}

/* --- who is asked ----------------------------------------------------------------------------------------------- */

/* Nobody who would be refused anyway is sent anything. */
TEST(refusals_come_first)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum reason want;
	} rows[] = {{AT_MAGIC, 'X', NATIVE_MAGIC}, {AT_KIND, 7, NATIVE_KIND},	{AT_METHOD, 0, NATIVE_METHOD},
		    {AT_CHAIN, 1, NATIVE_CHAIN},   {AT_ASSET, 1, NATIVE_ASSET}, {AT_VALID_AFTER, 1, NATIVE_EARLY},
		    {AT_DEADLINE, 1, NATIVE_FAR},  {AT_FLAGS, 1, NATIVE_FIELD}};
	struct address payer = {{1}};
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		request_build(&frame, UDP4, false);
		frame.bytes[AT_L4_4 + 8 + rows[i].at] = rows[i].value;
		CHECK_EQ(run(&frame), rows[i].want);
	}
	CHECK_EQ(filter_native_payers(filter, &payer, 1, false), 0);
	request_build(&frame, UDP4, false);
	CHECK_EQ(run(&frame), NATIVE_PAYER);
	knock_build(&frame, UDP4);
	CHECK_EQ(run(&frame), NATIVE_PAYER);
	CHECK_EQ(filter_native_payers(filter, NULL, 0, true), 0);
}

TEST(knocks_always)
{
	struct frame request, knock;

	COOKIES_READY(SYN_COOKIES_OFF, 0);
	request_build(&request, UDP4, false);
	knock_build(&knock, UDP4);
	CHECK_EQ(run(&request), PASS_NATIVE);
	CHECK_EQ(shows(&knock, 0), NATIVE_COOKIE);
	CHECK_EQ(shows(&knock, cookie_due(&knock, 0)), PASS_NATIVE);
}

/* Whoever proved nothing does not use up another's repeat. */
TEST(cookies_before_repeats)
{
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_ON, 0);
	usual_claim(DATAGRAM_CHAIN);
	usual_passes(-3);
	request_build(&frame, UDP4, true);
	CHECK_EQ(shows(&frame, 0), NATIVE_COOKIE);
	CHECK_EQ(shows(&frame, cookie_due(&frame, 0)), PASS_NATIVE);
	CHECK_EQ(shows(&frame, cookie_due(&frame, 0)), NATIVE_REPLAY);
}

/* From here on one CPU, since floods are counted by CPU. */
static void stay_here(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	CHECK_NEED(sched_setaffinity(0, sizeof one, &one) == 0);
}

TEST(floods)
{
	struct frame frame;

	COOKIES_READY(SYN_COOKIES_AUTO, 100);
	stay_here();
	request_build(&frame, UDP4, true);
	filter->policy->native.tick_ns = UINT64_C(1000000000000000); /* long after any other second here */
	for (int i = 0; i < 100; i++)
		CHECK_EQ(shows(&frame, 0), PASS_NATIVE);
	CHECK_EQ(shows(&frame, 0), NATIVE_COOKIE);
	CHECK_EQ(shows(&frame, cookie_due(&frame, 0)), PASS_NATIVE);
	filter->policy->native.tick_ns += 1000000000; /* the next second: still, as it was one */
	CHECK_EQ(shows(&frame, 0), NATIVE_COOKIE);
	CHECK_EQ(shows(&frame, cookie_due(&frame, 0)), PASS_NATIVE);
	filter->policy->native.tick_ns += 1000000000; /* after a quiet one */
	CHECK_EQ(shows(&frame, 0), PASS_NATIVE);
	/* what is refused is no flood */
	filter->policy->native.tick_ns += 2000000000;
	frame.bytes[AT_L4_4 + 8] = 'X';
	for (int i = 0; i < 200; i++)
		CHECK_EQ(shows(&frame, 0), NATIVE_MAGIC);
	frame.bytes[AT_L4_4 + 8] = 'T';
	CHECK_EQ(shows(&frame, 0), PASS_NATIVE);
}

CHECK_MAIN
