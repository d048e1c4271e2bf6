// SPDX-License-Identifier: Apache-2.0
/* Who is on a payer list, by the kernel program's own lookup, against the list. */
#include "lists_payers.c"

#include "../../bpf/payers.bpf.h"
#include "check.h"
#include "random.h"

#define ROOM_MAX 600000u

static struct tollbar_payers lines[ROOM_MAX + 1]; /* what payers_line looks into; the list begins at 1 */
static struct tollbar_payers_top top;

const struct tollbar_payers *payers_line(__u32 at)
{
	CHECK(at >= 1 && at < 1 + top.lines);
	return &lines[at];
}

static int list_write(const struct address *payers, size_t cnt, uint64_t seed)
{
	size_t room = TOLLBAR_PAYERS_LINES_OF(cnt) / 2;
	int err;

	CHECK_NEED(room < ROOM_MAX);
	memset(&lines[1], 0xee, room * sizeof *lines); /* of the list before */
	memset(&lines[1 + room], 0xdd, sizeof *lines);
	err = lists_payers_write(&lines[1], room, &top, payers, cnt, seed);
	top.at = 1;
	for (size_t i = 0; i < sizeof *lines; i++)
		CHECK(((const uint8_t *)&lines[1 + room])[i] == 0xdd);
	return err;
}

static bool listed(const struct address *address)
{
	struct tollbar_payer payer = lists_payer(address);

	return payers_listed(&top, &payer);
}

static struct address *payers_draw(size_t cnt)
{
	struct address *payers = calloc(cnt + 1, sizeof *payers);

	CHECK_NEED(payers != NULL);
	for (size_t i = 0; i < cnt; i++)
		random_bytes(payers[i].at, sizeof payers[i].at);
	return payers;
}

/* Every one of them is found, and nobody who differs in one bit. */
static void list_check(size_t cnt, uint64_t seed)
{
	struct address *payers = payers_draw(cnt);

	CHECK_EQ(list_write(payers, cnt, seed), 0);
	for (size_t i = 0; i < cnt; i++) {
		struct address other = payers[i];
		unsigned bit = (unsigned)random_below(160);
		CHECK(listed(&payers[i]));
		other.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(!listed(&other));
	}
	CHECK(!listed(&(struct address){{0}}));
	free(payers);
}

TEST(sizes)
{
	static const size_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 100, 1000, 10000, 49149, 49152, 49155, 100000};

	random_start("sizes");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		list_check(sizes[i], random_u64());
	for (size_t cnt = 1; cnt < 300; cnt++)
		list_check(cnt, random_u64());
}

TEST(every_bit)
{
	static const struct address payer = {{0x20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}};

	CHECK_EQ(list_write(&payer, 1, 1), 0);
	CHECK(listed(&payer));
	for (unsigned bit = 0; bit < 160; bit++) {
		struct address other = payer;
		other.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(!listed(&other));
	}
}

TEST(nobody)
{
	static const struct address zero, payer = {{1}};

	CHECK_EQ(list_write(NULL, 0, 1), 0);
	CHECK_EQ(top.lines, 0);
	CHECK(!listed(&payer));
	CHECK(!listed(&zero));
	/* the zero address marks free places: it is not taken in, nor found in them */
	CHECK_EQ(list_write((struct address[]){zero, payer}, 2, 1), 0);
	CHECK(listed(&payer));
	CHECK(!listed(&zero));
}

/* Addresses with much in common, as somebody might choose them. */
TEST(alike)
{
	struct address *payers = calloc(30000, sizeof *payers), other;

	CHECK_NEED(payers != NULL);
	for (unsigned i = 0; i < 30000; i++) {
		memset(payers[i].at, 0xee, sizeof payers[i].at);
		payers[i].at[i % 3 * 8] = (uint8_t)(i >> 8); /* in each of the parts in turn */
		payers[i].at[i % 3 * 8 + 1] = (uint8_t)i;
	}
	CHECK_EQ(list_write(payers, 30000, 12345), 0);
	for (unsigned i = 0; i < 30000; i++) {
		CHECK(listed(&payers[i]));
		other = payers[i];
		other.at[3] = 0;
		CHECK(!listed(&other));
	}
	free(payers);
}

TEST(a_million)
{
	struct address *payers = payers_draw(1000000);
	uint64_t found = 0;

	CHECK_EQ(list_write(payers, 1000000, 7), 0);
	for (size_t i = 0; i < 1000000; i++)
		found += listed(&payers[i]);
	CHECK_EQ(found, 1000000);
	free(payers);
}

/* Not a line more than there is room for. */
TEST(too_many)
{
	struct address *payers = payers_draw(1000);

	for (size_t room = 0; room < 600; room++) {
		memset(lines, 0xdd, sizeof *lines * 700);
		int err = lists_payers_write(&lines[1], room, &top, payers, 1000, 7);
		CHECK(err == (room < 501 ? -E2BIG : 0));
		CHECK_EQ(lines[1 + room].moved, 0xdddddddd);
		CHECK_EQ(lines[0].moved, 0xdddddddd);
	}
	free(payers);
}

CHECK_MAIN
