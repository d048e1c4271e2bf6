/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_HEADERS_H
#define TOLLBAR_HEADERS_H
/* headers.h: the first bytes of a dropped frame → what a person wants to know of it.  The frame is broken more often than not,
 * and cut: whatever can be read is, nothing is judged.  That is bpf/packet.bpf.h's business. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct headers {
	uint8_t version; /* 4 or 6, by the Ethernet type; 0: neither, or its addresses are not there */
	int protocol;	 /* of what follows the IP header and the extensions that are there; -1 unknown */
	struct in6_addr source, destination; /* IPv4 as mapped */
	bool has_ports;
	uint16_t source_port, destination_port;
};

/* Pure. */
void headers_read(struct headers *headers, struct span bytes);

#endif
