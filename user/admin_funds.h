/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ADMIN_FUNDS_H
#define TOLLBAR_ADMIN_FUNDS_H
/* admin_funds.h: the part of admin.h's two texts that is about payers' funds and chains.  Pure. */
#include "base/json.h"
#include "base/text.h"
#include "funds.h"
#include "funds_look.h"
#include "stats.h"

/* found: of funds_look_stats. */
void admin_funds_metrics(struct text *text, const struct stats *stats, const struct funds_stats *funds,
			 const uint64_t found[LOOK_END_CNT]);
/* The member "funds", with the comma before it. */
void admin_funds_status(struct json_writer *json, const struct stats *stats, const struct funds_stats *funds);

#endif
