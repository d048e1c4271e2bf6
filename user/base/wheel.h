/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_WHEEL_H
#define TOLLBAR_BASE_WHEEL_H
/* wheel.h: deadlines for many things, checked in constant time.  Moving a deadline later is one store: the timer is
 * looked at again when its old slot comes round.  Resolution 32 ms; never early, late by at most two slots. */
#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOTS 1024 /* power of two */
#define WHEEL_SLOT_MS 32

struct timer {
	struct timer *next, *prev; /* NULL when not set */
	uint64_t deadline_ms;
	uint64_t slot; /* absolute number of the slot it is in */
	void (*fire)(struct timer *timer);
};

struct wheel {
	struct timer slots[WHEEL_SLOTS]; /* list heads */
	uint64_t slot;			 /* everything before it was looked at */
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);
/* Sets or moves a deadline. */
void wheel_set(struct wheel *wheel, struct timer *timer, uint64_t deadline_ms);
void wheel_cancel(struct timer *timer);
/* Fires each timer whose deadline has passed; it is no longer set then and may set itself again. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms);

#endif
