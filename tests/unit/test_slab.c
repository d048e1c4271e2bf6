// SPDX-License-Identifier: Apache-2.0
#include "base/slab.c"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

TEST(every_buffer_once_then_none)
{
	struct slab slab;
	uint8_t *taken[5];

	CHECK_EQ(slab_init(&slab, 5, 10000), 0);
	for (size_t i = 0; i < 5; i++) {
		taken[i] = slab_take(&slab);
		CHECK(taken[i] != NULL);
		memset(taken[i], (int)i + 1, 10000); /* all of it is ours, and nobody else's */
	}
	CHECK(slab_take(&slab) == NULL);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 10000; k += 9999)
			CHECK_EQ(taken[i][k], i + 1);
	slab_give(&slab, taken[3]);
	CHECK(slab_take(&slab) == taken[3]);
	CHECK(slab_take(&slab) == NULL);
	slab_fini(&slab);
	slab_fini(&slab);
}

TEST(buffers_are_whole_pages)
{
	static const size_t sizes[] = {1, 4095, 4096, 4097, 1 << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct slab slab;
		CHECK_EQ(slab_init(&slab, 2, sizes[i]), 0);
		uint8_t *a = slab_take(&slab), *b = slab_take(&slab);
		CHECK_EQ((uintptr_t)a % 4096, 0);
		CHECK((size_t)(a > b ? a - b : b - a) >= sizes[i]);
		a[sizes[i] - 1] = b[sizes[i] - 1] = 1;
		slab_fini(&slab);
	}
}

TEST(what_a_buffer_held_is_gone_when_it_comes_again)
{
	struct slab slab;

	CHECK_EQ(slab_init(&slab, 1, 8192), 0);
	uint8_t *at = slab_take(&slab);
	memset(at, 0xaa, 8192); /* somebody's body */
	slab_give(&slab, at);
	CHECK(slab_take(&slab) == at);
	for (size_t i = 0; i < 8192; i++)
		if (at[i] != 0)
			CHECK_EQ(at[i], 0);
	slab_fini(&slab);
}

/* Does this stop the process, as an assertion should? */
static bool stops(void (*wrong)(struct slab *slab))
{
	struct slab slab;
	int status = 0;

	CHECK_EQ(slab_init(&slab, 2, 4096), 0);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		close(2);
		wrong(&slab);
		_exit(0);
	}
	waitpid(child, &status, 0);
	slab_fini(&slab);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void give_twice(struct slab *slab)
{
	uint8_t *at = slab_take(slab);

	slab_give(slab, at);
	slab_give(slab, at);
}

static void give_foreign(struct slab *slab)
{
	slab_take(slab);
	slab_give(slab, slab->at + 2 * slab->buffer_bytes);
}

static void give_right(struct slab *slab)
{
	slab_give(slab, slab_take(slab));
}

TEST(mistakes_stop_the_process)
{
	CHECK(stops(give_twice));
	CHECK(stops(give_foreign));
	CHECK(!stops(give_right));
}

CHECK_MAIN
