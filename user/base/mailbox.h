/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_MAILBOX_H
#define TOLLBAR_BASE_MAILBOX_H
/* mailbox.h: many threads push, one thread takes all.  Wait-free push, no allocation: the mail is a field of what is
 * sent.  A mail is in at most one mailbox at a time; it is the receiver's from push until it is taken.
 * The receiver sleeps on the eventfd; a push writes to it only when the mailbox was empty, at once or with mailbox_wake. */
#include <stdatomic.h>
#include <stdbool.h>

struct mail {
	struct mail *next;
	void (*arrived)(struct mail *mail); /* for receivers of several kinds: set by the owner, never by who pushes */
};

struct mailbox {
	_Atomic(struct mail *) newest;
	int event_fd; /* readable when there is mail; owned by the mailbox */
};

/* 0 or -errno. */
int mailbox_init(struct mailbox *box);
void mailbox_fini(struct mailbox *box);

void mailbox_push(struct mailbox *box, struct mail *mail);

/* For a thread that pushes much before it sleeps: while it holds, its pushes wake nobody until its next mailbox_wake, which must
 * come before it waits for anything.  So a receiver wakes once, to all of it, rather than to the first of it. */
void mailbox_hold(bool on); /* its end wakes, too */
void mailbox_wake(void);    /* harmless where nothing is held */

/* All mail, oldest first, NULL when there is none.  Does not read event_fd: the caller clears it (mailbox_clear, or a
 * ring's read) before it takes, so that no wake-up is lost. */
struct mail *mailbox_take(struct mailbox *box);
void mailbox_clear(struct mailbox *box);

#endif
