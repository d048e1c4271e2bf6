/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PAYERS_LIST_H
#define TOLLBAR_PAYERS_LIST_H
/* payers_list.h: the payer file as a table that never changes once it is made.  Only payers.c includes it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/span.h"
#include "payment.h"

/* Amounts are cut here, so that sums of them fit 128 bits; it is above any limit a file may set. */
#define SPEND_MAX (((unsigned __int128)1 << 96) - 1)

struct payer_limits { /* 0: no limit */
	unsigned __int128 spend_per_day;
	uint32_t requests_per_minute;
	uint32_t in_flight;
	/* names one after the other, each with its final zero, in the list's text; model_cnt 0: every model */
	uint32_t models_at;
	uint32_t model_cnt;
	bool deny;
	uint8_t priority; /* enum priority */
};

struct payers_list;

/* The list of a file, or NULL: *mistake_cnt tells why (mistakes, or -ENOMEM).  hash_key: random, copied. */
struct payers_list *payers_list_parse(int *mistake_cnt, const uint8_t hash_key[16], const char *name, const char *text,
				      size_t text_bytes, FILE *mistakes);
/* No list: everybody, without limits.  NULL: no memory. */
struct payers_list *payers_list_open(const uint8_t hash_key[16]);
void payers_list_free(struct payers_list *list);

/* The payer's limits, the default ones for whoever has no section; never NULL. */
const struct payer_limits *payers_list_limits(const struct payers_list *list, const struct address *payer);
/* The list's mode and deny settings. */
bool payers_list_admits(const struct payers_list *list, const struct address *payer);
/* Whom it admits by name: their number; *all is the caller's to free.  -ENOENT: everybody but some; -ENOMEM. */
int payers_list_admitted(const struct payers_list *list, struct address **all);
bool payers_list_model(const struct payers_list *list, const struct payer_limits *limits, struct span model);

#endif
