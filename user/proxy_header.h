/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PROXY_HEADER_H
#define TOLLBAR_PROXY_HEADER_H
/* proxy_header.h: what a proxy says in front of a connection's bytes, in the PROXY protocol of version 2: for whom it
 * connects.  Whether it may say so is the caller's business.
 *
 *   12 bytes signature | version, command | family, protocol | length (16 bits) | addresses | records (TLVs)
 *
 * Source: HAProxy's proxy-protocol.txt, section 2.2.  A CRC32c record is checked, others are skipped; all of it must add up
 * to the length that the header says. */
#include <netinet/in.h>
#include <stdbool.h>

#include "base/span.h"

#define PROXY_HEADER_BYTES_MAX 4096 /* addresses take 216 at most; a proxy's records about its client's TLS, hundreds */

struct proxy_header {
	size_t bytes;		/* of all of it */
	bool has_source;	/* false: the proxy speaks for itself (LOCAL), or of no IP address */
	struct in6_addr source; /* v4 as mapped */
};

enum proxy_result { PROXY_DONE, PROXY_MORE, PROXY_WRONG };

/* Reads from the connection's first byte on.  PROXY_WRONG as soon as no further byte could make a header of it: also of
 * version 1, and of datagrams, which no stream carries. */
enum proxy_result proxy_header_read(struct proxy_header *header, struct span bytes) __attribute__((warn_unused_result));

#endif
