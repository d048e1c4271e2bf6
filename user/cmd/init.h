/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_INIT_H
#define TOLLBAR_CMD_INIT_H
/* init.h: what `tollbar init` has to know, and the configuration it comes to. */
#include <stdbool.h>
#include <stddef.h>

#include "limits.h"

#define INIT_TEXT_BYTES_MAX 8192

/* A token one may be paid in. */
struct init_asset {
	const char *name;	/* as the command has it: usdc-base */
	const char *title;	/* as a person says it */
	const char *network;	/* CAIP-2 */
	const char *address;	/* of the token */
	const char *token_name; /* its EIP-712 domain; NULL: it is paid by Permit2 */
	const char *token_version;
	unsigned decimals;
	const char *price;	 /* a default, in whole tokens */
	const char *facilitator; /* a public one, or NULL */
};

#define INIT_ASSETS 3
extern const struct init_asset init_assets[INIT_ASSETS];

/* By its name, or NULL. */
const struct init_asset *init_asset_named(const char *name);

struct init_plan {
	const struct init_asset *asset;
	char pay_to[64];
	char price[64]; /* of one request, whole tokens: "0.01" */
	char facilitator[URL_BYTES_MAX];
	char upstream[URL_BYTES_MAX];
	char rpc[URL_BYTES_MAX];	/* empty: funds are not looked at */
	char interface[16];		/* empty: no filter */
	char interface_found[16];	/* of the default route, for a comment; may be empty */
	char listen[80];		/* ADDRESS:PORT */
	char public_url[URL_BYTES_MAX]; /* empty: as it listens */
	char state[PATH_BYTES_MAX];
};

/* init_amount: "0.01" of a token with so many decimals → its atomic units, decimal digits.  False: not such a number, zero, or with
 * more digits than the token has. */
bool init_amount(char *out, size_t out_bytes, const char *price, unsigned decimals) __attribute__((warn_unused_result));
/* init_text: the configuration.  Returns bytes without the final zero, or 0: it does not fit, or the price is none. */
size_t init_text(char *out, size_t out_bytes, const struct init_plan *plan) __attribute__((warn_unused_result));

#endif
