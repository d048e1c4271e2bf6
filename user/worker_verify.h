/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_WORKER_VERIFY_H
#define TOLLBAR_WORKER_VERIFY_H
/* worker_verify.h: a worker's batch: every signature that one completion round brought, over whatever transport, hashed and
 * verified together.  It waits for nobody. */
#include "request.h"

#define VERIFY_BATCH_MAX 64 /* of one round: 64 recoveries by libsecp256k1 are about 3 ms, which streams can wait */

/* To the end of the list for the next batch. */
void worker_enlist_verify(struct worker *worker, struct request *request);
/* The first VERIFY_BATCH_MAX of the list, and the knocks: gate_verified of each. */
void worker_verify_round(struct worker *worker);

#endif
