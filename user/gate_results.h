/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_RESULTS_H
#define TOLLBAR_GATE_RESULTS_H
/* gate_results.h: the part of gate.c that hands out results of native requests: GET /v1/requests/ID?wait=SECONDS.
 *
 * What the result holds is sent as it was recorded, while it is still being written too.  Before its first byte is there the
 * client waits for as long as it said, 0 if it did not; then it is told how far the request is (202).  Meanwhile the stage
 * is STAGE_RESULT, and the request has the result open.  Also while draining: what is asked for was taken long ago, and the
 * process that has it is about to end. */
#include "request.h"

/* Takes it from here if the head asks for a result; false: it does not. */
bool gate_result(struct request *request);
/* Mail: more of the result is there, or its end. */
void gate_result_mailed(struct request *request);
/* The client's connection has room again. */
void gate_result_more(struct request *request);
void gate_result_timeout(struct request *request);

#endif
