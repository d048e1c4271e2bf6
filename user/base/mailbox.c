/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
	if (before == NULL) {
		uint64_t one = 1;
		/* Only EAGAIN can fail here (the counter is full), and then the receiver is awake anyway. */
		ssize_t written = write(box->event_fd, &one, sizeof one);
		(void)written;
	}
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
