/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_ADMIN_ASK_H
#define TOLLBAR_CMD_ADMIN_ASK_H
/* admin_ask.h: what a running daemon says on its admin listener, for the commands that show it. */
#include <stdbool.h>
#include <sys/socket.h>

#include "base/span.h"

#define ADMIN_ADDRESS "127.0.0.1:9402"

struct admin_target {
	struct sockaddr_storage address;
	socklen_t address_bytes;
	char shown[256];
};

/* Of a host:port, or of a daemon's configuration; NULL both: ADMIN_ADDRESS.  False, and said why on standard error. */
bool admin_target(struct admin_target *target, const char *address, const char *config_path);
/* The body of a good answer, valid until the next question.  False, and said why, after five seconds at most. */
bool admin_ask(struct span *body, const struct admin_target *target, const char *path);

#endif
