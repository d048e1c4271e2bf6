// SPDX-License-Identifier: Apache-2.0
#include "base/mailbox.c"

#include <poll.h>
#include <pthread.h>

#include "check.h"

struct letter {
	struct mail mail; /* first, so that a mail is its letter */
	unsigned sender, number;
};

static bool readable(const struct mailbox *box)
{
	struct pollfd fd = {.fd = box->event_fd, .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

TEST(oldest_first)
{
	struct mailbox box;
	struct letter letters[5] = {0};

	CHECK_EQ(mailbox_init(&box), 0);
	CHECK(mailbox_take(&box) == NULL);
	for (unsigned i = 0; i < 5; i++)
		mailbox_push(&box, &letters[i].mail);
	struct mail *mail = mailbox_take(&box);
	for (unsigned i = 0; i < 5; i++, mail = mail->next)
		CHECK(mail == &letters[i].mail);
	CHECK(mail == NULL);
	CHECK(mailbox_take(&box) == NULL);
	mailbox_fini(&box);
	CHECK_EQ(box.event_fd, -1);
}

TEST(wakes_once_until_it_was_emptied)
{
	struct mailbox box;
	struct letter letters[3] = {0};
	uint64_t count;

	CHECK_EQ(mailbox_init(&box), 0);
	CHECK(!readable(&box));
	mailbox_push(&box, &letters[0].mail);
	mailbox_push(&box, &letters[1].mail);
	CHECK(readable(&box));
	CHECK_EQ(read(box.event_fd, &count, sizeof count), sizeof count);
	CHECK_EQ(count, 1); /* one write for both */
	CHECK(mailbox_take(&box) == &letters[0].mail);
	CHECK(!readable(&box));
	mailbox_push(&box, &letters[2].mail);
	CHECK(readable(&box));
	mailbox_clear(&box);
	CHECK(!readable(&box));
	CHECK(mailbox_take(&box) == &letters[2].mail);
	mailbox_clear(&box); /* nothing there: does not block */
	mailbox_fini(&box);
}

TEST(a_thread_that_holds_wakes_when_it_says_so)
{
	struct mailbox boxes[HELD_MAX + 2];
	struct letter letters[HELD_MAX + 3] = {0};
	uint64_t count;

	mailbox_hold(true);
	for (unsigned i = 0; i < HELD_MAX + 2; i++) {
		CHECK_EQ(mailbox_init(&boxes[i]), 0);
		mailbox_push(&boxes[i], &letters[i].mail);
		CHECK_EQ(readable(&boxes[i]), i >= HELD_MAX); /* no room to remember more: woken at once */
	}
	mailbox_push(&boxes[0], &letters[HELD_MAX + 2].mail);
	mailbox_wake();
	for (unsigned i = 0; i < HELD_MAX + 2; i++) {
		CHECK_EQ(read(boxes[i].event_fd, &count, sizeof count), sizeof count);
		CHECK_EQ(count, 1);
	}
	CHECK(mailbox_take(&boxes[0])->next == &letters[HELD_MAX + 2].mail);
	mailbox_wake();
	CHECK(!readable(&boxes[0])); /* he knew already */
	mailbox_push(&boxes[0], &letters[0].mail);
	CHECK(!readable(&boxes[0]));
	mailbox_hold(false);
	CHECK(readable(&boxes[0]));
	mailbox_push(&boxes[1], &letters[1].mail);
	for (unsigned i = 0; i < HELD_MAX + 2; i++)
		mailbox_fini(&boxes[i]);
}

enum { SENDERS = 4, LETTERS = 20000 };
static struct letter posted[SENDERS][LETTERS];
static struct mailbox shared;

static void *post(void *arg)
{
	unsigned sender = *(unsigned *)arg;

	for (unsigned i = 0; i < LETTERS; i++) {
		posted[sender][i].sender = sender;
		posted[sender][i].number = i;
		mailbox_push(&shared, &posted[sender][i].mail);
	}
	return NULL;
}

/* Every letter arrives once, each sender's in order, and the receiver never sleeps over mail. */
TEST(many_senders_one_receiver)
{
	pthread_t threads[SENDERS];
	unsigned ids[SENDERS], next[SENDERS] = {0}, total = 0;

	CHECK_EQ(mailbox_init(&shared), 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		ids[i] = i;
		CHECK_EQ(pthread_create(&threads[i], NULL, post, &ids[i]), 0);
	}
	while (total < SENDERS * LETTERS) {
		struct pollfd fd = {.fd = shared.event_fd, .events = POLLIN};
		if (poll(&fd, 1, 10000) != 1)
			break;
		mailbox_clear(&shared);
		for (struct mail *mail = mailbox_take(&shared); mail != NULL; mail = mail->next, total++) {
			struct letter *letter = (struct letter *)mail;
			CHECK_EQ(letter->number, next[letter->sender]);
			next[letter->sender]++;
		}
	}
	CHECK_EQ(total, SENDERS * LETTERS);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	CHECK(mailbox_take(&shared) == NULL);
	mailbox_fini(&shared);
}

CHECK_MAIN
