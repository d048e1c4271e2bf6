// SPDX-License-Identifier: Apache-2.0
/* The ring by epoll: what test_ring.c asks of io_uring. */
#define RIG_LOOP RING_EPOLL
#include "test_ring.c"
