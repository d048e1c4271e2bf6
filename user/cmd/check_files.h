/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_CHECK_FILES_H
#define TOLLBAR_CMD_CHECK_FILES_H
/* check_files.h: for `tollbar check` and `tollbar doctor`. */
#include <stdio.h>

#include "config.h"

/* The files a configuration (at path) names: payers, allow, deny, certificate and key.  Each mistake is a line
 * "FILE:LINE: what is wrong".  Returns how many. */
int check_files(const struct config *config, const char *path, FILE *mistakes);
/* A line of that form for a file that cannot be read at all.  Returns 1. */
int check_unreadable(const char *path, int error, FILE *mistakes);

#endif
