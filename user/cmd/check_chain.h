/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_CHECK_CHAIN_H
#define TOLLBAR_CMD_CHECK_CHAIN_H
/* check_chain.h: for `tollbar check --chain` and `tollbar doctor`. */
#include "config.h"

/* Asks the chain's node, as the daemon does at its start, and says each thing that is wrong.  Returns how many. */
int check_chain(const struct config *config, const struct config_chain *chain, void (*say)(void *ctx, const char *text),
		void *ctx);

#endif
