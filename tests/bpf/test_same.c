// SPDX-License-Identifier: Apache-2.0
/* The frame parser that the unit tests and the fuzzer run is the one in the kernel: both are given the same bytes, and must
 * end them by the same reason.  The tables of frames.h, the fuzzer's corpus, and random changes of both. */
#include <dirent.h>
#include <fcntl.h>

#include "gate_rig.h"
#include "judge.h"
#include "random.h"

#define CORPUS "tests/fuzz/corpus/packet"
#define SEEDS_MAX 512
#define MUTATIONS 100000u

static struct frame seeds[SEEDS_MAX];
static size_t seed_cnt;
static unsigned ended[TOLLBAR_REASON_CNT];

static bool readable(void)
{
	return seed_cnt < SEEDS_MAX;
}

static void seeds_of_corpus(void)
{
	DIR *directory = opendir(CORPUS);
	const struct dirent *entry;

	CHECK_NEED(directory != NULL);
	while ((entry = readdir(directory)) != NULL && readable()) {
		struct frame *seed = &seeds[seed_cnt];
		int fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
		ssize_t bytes = entry->d_name[0] == '.' ? -1 : read(fd, seed->bytes, sizeof seed->bytes);
		close(fd);
		if (bytes < 0)
			continue;
		seed->used = (size_t)bytes;
		seed_cnt++;
	}
	closedir(directory);
}

static void seeds_fill(void)
{
	seed_cnt = 0;
	seeds_of_corpus();
	CHECK(seed_cnt >= 10);
	for (size_t i = 0; i < FRAME_ROW_CNT && readable(); i++)
		frame_row_build(&seeds[seed_cnt++], &frame_rows[i]);
	for (size_t i = 0; i < EXTENSION_ROW_CNT && readable(); i++)
		extension_row_build(&seeds[seed_cnt++], &extension_rows[i]);
	CHECK(readable());
}

static void frame_print(const struct frame *frame)
{
	for (size_t i = 0; i < frame->used; i++)
		printf("%02x", frame->bytes[i]);
	printf("\n");
}

/* False when the two differ.  The kernel runs no frame shorter than an Ethernet header, and no driver gives it one. */
static bool compare(struct frame *frame)
{
	struct packet packet = {0};

	if (frame->used < 14)
		return true;
	enum reason want = packet_judge(&packet, NULL, frame->bytes, frame->bytes + frame->used);
	struct outcome outcome = gate_run(frame);
	ended[want]++;
	if (outcome.counted == 1 && outcome.reason == want &&
	    outcome.action == (REASON_DROPS(want) ? XDP_DROP : XDP_PASS))
		return true;
	printf("cc says %u, the kernel %u (action %u) of a frame of %zu bytes: ", want, outcome.reason, outcome.action,
	       frame->used);
	frame_print(frame);
	return false;
}

/* --- changes --- */

static void change_byte(struct frame *frame)
{
	static const uint8_t telling[] = {0,	1,    4,    5,	  6,	17,   43,   44,	 60,
					  0x20, 0x40, 0x45, 0x60, 0x7f, 0x80, 0x81, 0xff};
	/* most of what the parser reads is in the first hundred bytes */
	size_t within = random_below(4) != 0 && frame->used > 100 ? 100 : frame->used;
	uint8_t *at = &frame->bytes[random_below(within)];

	if (random_below(3) == 0)
		*at = telling[random_below(sizeof telling)];
	else if (random_below(2) == 0)
		*at = (uint8_t)random_u64();
	else
		*at = (uint8_t)(*at ^ 1u << random_below(8));
}

static void change_length(struct frame *frame)
{
	size_t by = 1 + random_below(random_below(4) == 0 ? 600 : 16);

	if (random_below(2) == 0) {
		frame->used = frame->used > 14 + by ? frame->used - by : 14;
	} else if (frame->used + by <= sizeof frame->bytes) {
		random_bytes(frame->bytes + frame->used, by);
		frame->used += by;
	}
}

/* A tag, or eight bytes where an extension header may be. */
static void change_insert(struct frame *frame)
{
	uint8_t bytes[8];

	random_bytes(bytes, sizeof bytes);
	if (frame->used + sizeof bytes > sizeof frame->bytes)
		return;
	if (random_below(2) == 0) {
		frame_tag(frame, 1);
	} else if (frame->used >= AT_L4_6) {
		static const uint8_t kinds[] = {0, 6, 17, 43, 44, 58, 60};
		bytes[0] = kinds[random_below(sizeof kinds)];
		bytes[1] = (uint8_t)random_below(3);
		frame_insert(frame, AT_L4_6, bytes, sizeof bytes);
	}
}

static void change(struct frame *frame)
{
	for (size_t left = 1 + random_below(4); left > 0; left--) {
		switch (random_below(8)) {
		case 0:
			change_length(frame);
			break;
		case 1:
			change_insert(frame);
			break;
		default:
			change_byte(frame);
			break;
		}
	}
}

/* --- the tests --- */

TEST(tables_and_corpus)
{
	GATE_READY();
	seeds_fill();
	for (size_t i = 0; i < seed_cnt; i++)
		CHECK(compare(&seeds[i]));
}

TEST(random_changes)
{
	unsigned wrong = 0;

	GATE_READY();
	random_start("random_changes");
	seeds_fill();
	memset(ended, 0, sizeof ended);
	for (unsigned i = 0; i < MUTATIONS && wrong < 5; i++) {
		struct frame frame = seeds[random_below(seed_cnt)];
		if (frame.used == 0)
			continue;
		change(&frame);
		wrong += !compare(&frame);
	}
	CHECK_EQ(wrong, 0);
	/* every way a header can be refused was among them, and both ways to pass */
	for (unsigned reason = FRAME_SHORT; reason <= PORT_ZERO; reason++)
		CHECK(ended[reason] > 0);
	CHECK(ended[PASS_OTHER] > 0 && ended[PASS_OPEN] > 0);
}

CHECK_MAIN
