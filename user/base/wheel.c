/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wheel.h"

#include <stddef.h>

static void link_into(struct wheel *wheel, struct timer *timer, uint64_t slot)
{
	struct timer *head = &wheel->slots[slot % WHEEL_SLOTS];

	timer->slot = slot;
	timer->next = head;
	timer->prev = head->prev;
	head->prev->next = timer;
	head->prev = timer;
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		wheel->slots[i].next = wheel->slots[i].prev = &wheel->slots[i];
	wheel->slot = now_ms / WHEEL_SLOT_MS;
}

/* The slot after the deadline's, so that its whole time has passed; far ones wait in the last slot and are moved on. */
static uint64_t slot_of(const struct wheel *wheel, uint64_t deadline_ms)
{
	uint64_t slot = deadline_ms / WHEEL_SLOT_MS + 1;

	if (slot < wheel->slot)
		return wheel->slot;
	return slot - wheel->slot < WHEEL_SLOTS ? slot : wheel->slot + WHEEL_SLOTS - 1;
}

void wheel_set(struct wheel *wheel, struct timer *timer, uint64_t deadline_ms)
{
	timer->deadline_ms = deadline_ms;
	uint64_t slot = slot_of(wheel, deadline_ms);
	if (timer->next != NULL) {
		if (slot >= timer->slot)
			return; /* looked at in time, and moved on then */
		wheel_cancel(timer);
	}
	link_into(wheel, timer, slot);
}

void wheel_cancel(struct timer *timer)
{
	if (timer->next == NULL)
		return;
	timer->prev->next = timer->next;
	timer->next->prev = timer->prev;
	timer->next = timer->prev = NULL;
}

void wheel_advance(struct wheel *wheel, uint64_t now_ms)
{
	uint64_t now_slot = now_ms / WHEEL_SLOT_MS;

	while (wheel->slot <= now_slot) {
		struct timer *head = &wheel->slots[wheel->slot % WHEEL_SLOTS];
		struct timer due = {.next = &due, .prev = &due};

		if (head->next != head) { /* taken aside: a timer that fires may set others into this very slot */
			due = *head;
			due.next->prev = due.prev->next = &due;
			head->next = head->prev = head;
		}
		wheel->slot++;
		while (due.next != &due) {
			struct timer *timer = due.next;
			wheel_cancel(timer);
			if (timer->deadline_ms <= now_ms)
				timer->fire(timer);
			else
				link_into(wheel, timer, slot_of(wheel, timer->deadline_ms));
		}
	}
}
