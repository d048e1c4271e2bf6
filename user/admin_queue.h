/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ADMIN_QUEUE_H
#define TOLLBAR_ADMIN_QUEUE_H
/* admin_queue.h: the part of admin.h's two texts that is about the line and the model servers behind it.  Pure. */
#include "admin.h"
#include "base/json.h"
#include "base/text.h"

void admin_queue_metrics(struct text *text, const struct admin_view *view);
/* The members "queue" and "upstreams", with the comma before them. */
void admin_queue_status(struct json_writer *json, const struct admin_view *view);

#endif
