/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_TOOLS_FLOOD_H
#define TOLLBAR_TOOLS_FLOOD_H
/* flood.h: what flood.c tells flood.bpf.c. */
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* A SYN, an ACK and data of no connection, and what no TCP sends (SYN+FIN), in turn, each from another source. */
#define FLOOD_KINDS 4u /* a power of two */
#define FLOOD_FRAME_BYTES 60u

/* A frame with a datagram of up to 400 bytes behind 42 of headers, in words of 16 bits. */
#define FLOOD_DATAGRAM_AT 42u
#define FLOOD_DATAGRAM_WORDS ((FLOOD_DATAGRAM_AT + 400u) / 2)

struct flood_plan {
	__u32 ifindex;		    /* to send from */
	__u32 ip_sum;		    /* of the IP header without source and checksum, as 16-bit words in memory order */
	__u32 tcp_sum[FLOOD_KINDS]; /* of pseudo header and TCP header without source, port and checksum */
	__u8 flags[FLOOD_KINDS];
	__u32 frame[FLOOD_FRAME_BYTES / 4]; /* what does not change, and zero elsewhere */
	__u32 word_cnt, nonce_word;	    /* of the datagram; where its 8 bytes are that are never the same */
	__u16 datagram[FLOOD_DATAGRAM_WORDS + 1];
};

#endif
