/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_LISTS_PAYERS_H
#define TOLLBAR_LISTS_PAYERS_H
/* lists_payers.h: payers → the table in which the kernel program looks them up (include/lists_abi.h).  Pure but for the
 * memory. */
#include <stddef.h>
#include <stdint.h>

#include "lists_abi.h"
#include "payment.h"

/* lists_payers_write: each payer once, in any order; the zero address is left out.
 * In:  line_room: how many lines there are; seed, random.
 * Out: as many of the lines as the table takes, and all of top but `at`.
 * Returns 0, -ENOMEM, or -E2BIG: the table would take more lines (TOLLBAR_PAYERS_LINES_OF payers always suffice for each
 * half of the map). */
int lists_payers_write(struct tollbar_payers *lines, size_t line_room, struct tollbar_payers_top *top,
		       const struct address *payers, size_t cnt, uint64_t seed) __attribute__((warn_unused_result));

/* The parts of an address. */
struct tollbar_payer lists_payer(const struct address *address);

#endif
