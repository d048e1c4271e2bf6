/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_CONFINE_H
#define TOLLBAR_CMD_CONFINE_H
/* confine.h: what a configuration's daemon still needs once it serves, told to sys/sandbox.h: folders and ports. */
#include "config.h"

/* Before the first thread.  config and its path outlive the process's threads.  What this kernel lacks is logged, in one line.  0
 * or -errno, logged. */
int confine(const struct config *config, const char *config_path);

#endif
