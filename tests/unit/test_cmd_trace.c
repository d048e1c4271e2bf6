// SPDX-License-Identifier: Apache-2.0
/* What of `tollbar trace` needs no kernel: how an event is printed, and mistakes.  The rest is in tests/e2e/trace.sh. */
#include "cmd/trace.c"

#include "../bpf/frames.h"
#include "capture.h"
#include "check.h"

#define UNIX_NS (UINT64_C(1795270000) * NS) /* 2026-11-21T14:06:40Z */

static const char *print(const struct frame *frame, enum reason reason, bool observed, bool json)
{
	struct trace trace = {.json = json, .name = "eth0", .unix_ns = (int64_t)UNIX_NS};
	struct tollbar_event event = {.time_ns = 1234567890,
				      .frame_bytes = (uint32_t)frame->used,
				      .reason = (uint16_t)reason,
				      .kept_bytes = (uint16_t)frame->used,
				      .observed = observed};

	memcpy(event.frame, frame->bytes, frame->used);
	capture_start();
	print_event(&trace, &event);
	capture_end();
	CHECK_EQ(trace.shown, 1);
	return printed;
}

#define MACS "020000000001020000000002"

TEST(lines)
{
	static const char *const want[] = {
		[TCP4] = "14:06:41.234567  tcp_flags  192.0.2.7:40000 > 198.51.100.1:8402  tcp  58 bytes  " MACS
			 "08004500002c12340000400600",
		[UDP4] = "14:06:41.234567  tcp_flags  192.0.2.7:40000 > 198.51.100.1:8403  udp  46 bytes  " MACS "0800",
		[TCP6] = "14:06:41.234567  tcp_flags  [2001:db8::7]:40000 > [2001:db8::1]:8402  tcp  78 bytes  " MACS
			 "86dd",
		[ICMP6] = "14:06:41.234567  tcp_flags  2001:db8::7 > 2001:db8::1  protocol 58  66 bytes  " MACS "86dd",
		[ARP] = "14:06:41.234567  tcp_flags  ? > ?  ?  42 bytes  " MACS "0806",
	};

	for (enum frame_kind kind = 0; kind < FRAME_KIND_CNT; kind++) {
		struct frame frame;
		if (kind >= sizeof want / sizeof *want || want[kind] == NULL)
			continue;
		frame_build(&frame, kind);
		const char *line = print(&frame, TCP_FLAGS, false, false);
		CHECK_ROW(strncmp(line, want[kind], strlen(want[kind])) == 0, line);
		CHECK_EQ(strlen(strrchr(line, ' ') + 1), 2 * frame.used + 1);
	}
}

TEST(an_observed_one)
{
	struct frame frame;

	frame_build(&frame, TCP4);
	CHECK(strstr(print(&frame, NOT_ALLOWED, true, false), "  not_allowed (observed)  192.0.2.7") != NULL);
	CHECK(strstr(print(&frame, NOT_ALLOWED, true, true), "\"dropped\":false") != NULL);
}

TEST(json)
{
	struct frame frame;

	frame_build(&frame, TCP6);
	frame.used = 60; /* cut behind the ports */
	const char *line = print(&frame, TCP_HEADER, false, true);
	CHECK_ROW(strncmp(line,
			  "{\"time\":\"2026-11-21T14:06:41.234567Z\",\"interface\":\"eth0\",\"reason\":\"tcp_header\","
			  "\"dropped\":true,\"source\":\"2001:db8::7\",\"source_port\":40000,"
			  "\"destination\":\"2001:db8::1\",\"destination_port\":8402,\"protocol\":6,\"bytes\":60,"
			  "\"frame\":\"" MACS "86dd",
			  224) == 0,
		  line);
	CHECK(strcmp(line + strlen(line) - 3, "\"}\n") == 0);
	frame.used = 5;
	CHECK_EQ(strcmp(print(&frame, FRAME_SHORT, false, true),
			"{\"time\":\"2026-11-21T14:06:41.234567Z\",\"interface\":\"eth0\",\"reason\":\"frame_short\","
			"\"dropped\":true,\"source\":null,\"source_port\":null,\"destination\":null,"
			"\"destination_port\":null,\"protocol\":null,\"bytes\":5,\"frame\":\"0200000000\"}\n"),
		 0);
}

TEST(no_more_than_asked_for)
{
	struct trace trace = {.name = "eth0", .count_max = 2};
	struct tollbar_event event = {.reason = RATE};

	capture_start();
	for (int i = 0; i < 5; i++)
		print_event(&trace, &event);
	capture_end();
	CHECK_EQ(trace.shown, 2);
	CHECK(strchr(printed, '\n') != strrchr(printed, '\n') &&
	      strchr(strchr(printed, '\n') + 1, '\n') == strrchr(printed, '\n'));
}

TEST(mistakes)
{
	static const struct {
		const char *arguments[4];
		int status;
		const char *says;
	} rows[] = {
		{{"--help"}, 0, "usage: tollbar trace"},
		{{"--nonsense"}, 2, "unrecognized option"},
		{{"extra"}, 2, "usage: tollbar trace"},
		{{"--reason", "pass_open"},
		 2,
		 "no packet is dropped for \"pass_open\"; there are frame_short vlan_deep"},
		{{"--reason", "signature_bad"}, 2, "no packet is dropped for \"signature_bad\""},
		{{"--reason"}, 2, "requires an argument"},
		{{"--count", "0"}, 2, "--count \"0\" is not a number from 1"},
		{{"--seconds", "-1"}, 2, "--seconds \"-1\" is not a number"},
		{{"--every", "3x"}, 2, "--every \"3x\" is not a number"},
		{{"--rate", ""}, 2, "--rate \"\" is not a number"},
		{{"--rate", "4000000001"}, 2, "is not a number from 1 to 4000000000"},
		{{"-i", "no-such-if0"}, 1, "no-such-if0: no such interface"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *argv[6] = {(char *)(uintptr_t) "trace"};
		int argc = 1;
		for (; argc <= 4 && rows[i].arguments[argc - 1] != NULL; argc++)
			argv[argc] = (char *)(uintptr_t)rows[i].arguments[argc - 1];
		capture_start();
		int status = cmd_trace(argc, argv);
		capture_end();
		CHECK_ROW(status == rows[i].status, rows[i].says);
		CHECK_ROW(strstr(printed, rows[i].says) != NULL, printed);
	}
}

TEST(each_word_is_its_bit)
{
	uint64_t reasons = 0;

	CHECK(reason_read(&reasons, "rate") && reasons == UINT64_C(1) << RATE);
	CHECK(reason_read(&reasons, "frame_short") && reasons == (UINT64_C(1) << RATE | UINT64_C(1) << FRAME_SHORT));
}

CHECK_MAIN
