/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ACCOUNT_H
#define TOLLBAR_ACCOUNT_H
/* account.h: what is kept of a request when it is over: its times. */
#include "request.h"

/* To be called once, before the slot forgets it. */
void account_request(struct request *request);

#endif
