/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HELD_MAX 16 /* that one thread writes to: workers' and those of a few threads; any more are woken at once */

/* Mailboxes that were empty when this thread pushed, and whose receivers do not know yet. */
static _Thread_local struct {
	struct mailbox *boxes[HELD_MAX];
	unsigned cnt;
	bool on;
} held;

static void wake(struct mailbox *box)
{
	uint64_t one = 1;
	/* Only EAGAIN can fail here (the counter is full), and then the receiver is awake anyway. */
	ssize_t written = write(box->event_fd, &one, sizeof one);
	(void)written;
}

int mailbox_init(struct mailbox *box)
{
	atomic_init(&box->newest, NULL);
	box->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return box->event_fd < 0 ? -errno : 0;
}

void mailbox_fini(struct mailbox *box)
{
	if (box->event_fd >= 0)
		close(box->event_fd);
	box->event_fd = -1;
}

void mailbox_push(struct mailbox *box, struct mail *mail)
{
	struct mail *before = atomic_load_explicit(&box->newest, memory_order_relaxed);

	do {
		mail->next = before;
	} while (!atomic_compare_exchange_weak_explicit(&box->newest, &before, mail, memory_order_release,
							memory_order_relaxed));
	if (before != NULL)
		return;
	if (held.on && held.cnt < HELD_MAX)
		held.boxes[held.cnt++] = box;
	else
		wake(box);
}

void mailbox_wake(void)
{
	while (held.cnt > 0)
		wake(held.boxes[--held.cnt]);
}

void mailbox_hold(bool on)
{
	held.on = on;
	mailbox_wake();
}

struct mail *mailbox_take(struct mailbox *box)
{
	struct mail *newest = atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
	struct mail *oldest = NULL;

	while (newest != NULL) {
		struct mail *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

void mailbox_clear(struct mailbox *box)
{
	uint64_t count;
	ssize_t got = read(box->event_fd, &count, sizeof count);
	(void)got;
}
