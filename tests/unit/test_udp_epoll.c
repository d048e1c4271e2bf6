// SPDX-License-Identifier: Apache-2.0
/* Datagrams by epoll: what test_udp.c asks of io_uring. */
#define RIG_LOOP RING_EPOLL
#include "test_udp.c"
