/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_WORKSPACE_H
#define TOLLBAR_EC_WORKSPACE_H
/* workspace.h: one thread's memory; one call at a time uses it. */
#include "ec/cold.h"
#include "ec/hot.h"
#include "ec/portable.h"
#include "ec/table.h"

#ifdef __x86_64__
union lanes_work {
	struct cold_work cold;
	struct hot_work hot;
	struct table_work table;
};
#endif

struct ec_workspace {
	enum ec_engine engine;
	union {
		void *memory;
		struct portable_work *portable;
		union lanes_work *lanes;
	};
};

/* As ec_init, for building tables alone: the generator's is not needed for that. */
struct ec_workspace *workspace_take(enum ec_engine engine);

#endif
