/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NODE_TLS_H
#define TOLLBAR_NODE_TLS_H
/* node_tls.h: the certificate that [tls] names: read at start, again at SIGHUP, and by `tollbar check`. */
#include "config.h"
#include "sys/tls.h"

/* *server NULL where there is no [tls].  0, or -errno, told in the log. */
int node_tls_open(struct tls_server **server, const struct config *config);
/* The same files anew; when they are not good, those before stay in force, and the log says why. */
void node_tls_reload(struct tls_server *server, const struct config *config);
/* Tries them: 0, or -errno with one line in `problem`. */
int node_tls_check(const struct config *config, char problem[TLS_PROBLEM_BYTES]);

#endif
