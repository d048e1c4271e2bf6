/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_CHECK_CHAIN_H
#define TOLLBAR_CMD_CHECK_CHAIN_H
/* check_chain.h: for `tollbar check --chain`. */
#include "config.h"

/* Asks the chain's node, as the daemon does at its start, and prints a line "PATH:0: ..." for each thing that is wrong.
 * Returns how many. */
int check_chain(const char *path, const struct config *config, const struct config_chain *chain);

#endif
