/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ADMIN_NATIVE_H
#define TOLLBAR_ADMIN_NATIVE_H
/* admin_native.h: the part of admin.h's two texts that is about the native transport and its results.  Pure. */
#include "base/json.h"
#include "base/text.h"
#include "results.h"
#include "stats.h"

void admin_native_metrics(struct text *text, const struct stats *stats, const struct results_stats *results);
/* The members "native" and "results", with the comma before them. */
void admin_native_status(struct json_writer *json, const struct stats *stats, const struct results_stats *results);

#endif
