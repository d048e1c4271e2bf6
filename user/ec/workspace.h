/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_WORKSPACE_H
#define TOLLBAR_EC_WORKSPACE_H
/* workspace.h: one thread's memory; one call at a time uses it. */
#ifdef __x86_64__
#include "ec/cold.h"
#include "ec/hot.h"
#include "ec/table.h"

struct ec_workspace {
	union {
		struct cold_work cold;
		struct hot_work hot;
		struct table_work table;
	};
};

#endif
#endif
