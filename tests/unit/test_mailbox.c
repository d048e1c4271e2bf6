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
