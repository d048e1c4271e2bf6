/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PAYMENT_H
#define TOLLBAR_PAYMENT_H
/* payment.h: the nouns that travel between steps.  Types, and how one of them is copied; the steps give them verbs.
 *
 * 256-bit integers are 32 bytes big-endian, as EIP-712 encodes them, so that nothing is cut to 64 bits before it is
 * compared.  Addresses are 20 bytes.  Everything a client says is a claim until verify said yes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "limits.h"

struct address {
	uint8_t at[20];
};

struct word { /* uint256 or bytes32 */
	uint8_t at[32];
};

/* Numbers are written to the ledger: append only. */
enum method {
	METHOD_NONE = 0,
	METHOD_EIP3009 = 1, /* scheme exact, TransferWithAuthorization */
	METHOD_PERMIT2 = 2, /* scheme exact, PermitWitnessTransferFrom, spender x402ExactPermit2Proxy */
	METHOD_UPTO = 3,    /* scheme upto,  PermitWitnessTransferFrom, spender x402UptoPermit2Proxy */
};

/* What the client signed, in the words of its method.  decode fills it; v1 and v2 headers give the same thing. */
struct payment {
	uint8_t version;	    /* x402Version, 1 or 2 */
	uint8_t method;		    /* enum method */
	struct address from;	    /* payer: authorization.from, permit2Authorization.from */
	struct address to;	    /* payee: authorization.to, witness.to */
	struct word amount;	    /* value, permitted.amount */
	struct word valid_after;    /* validAfter, witness.validAfter; Unix seconds */
	struct word deadline;	    /* validBefore, deadline; Unix seconds */
	struct word nonce;	    /* bytes32 for EIP-3009, uint256 for Permit2 */
	struct address token;	    /* Permit2: permitted.token; EIP-3009: zero, the domain commits to it */
	struct address spender;	    /* Permit2: spender; EIP-3009: zero */
	struct address facilitator; /* upto: witness.facilitator; else zero */
	uint8_t signature[65];	    /* r, s, v as sent */

	/* What the client says it accepted (v2 `accepted`, v1 scheme and network): used to find our offer and to refuse
	 * a mismatch, never as a value.  v1 carries only scheme and network: has_terms is false. */
	struct {
		bool has_terms;
		uint64_t chain_id; /* eip155:<n> or a v1 name; 0 = not one we know */
		struct address asset;
		struct address pay_to;
		struct word amount;
		uint64_t max_timeout_s;
	} accepted;

	/* Of a signature that is longer, what follows: no key's, so only the payer's own code can say yes to it.  Nearly no payment
	 * has such a rest: it stands last, and nobody touches more of it than there is. */
	uint16_t signature_rest_bytes;
	uint8_t signature_rest[SIGNATURE_BYTES_MAX - 65];
};

static inline void payment_clear(struct payment *payment)
{
	memset(payment, 0, offsetof(struct payment, signature_rest));
}

static inline void payment_copy(struct payment *to, const struct payment *from)
{
	memcpy(to, from, offsetof(struct payment, signature_rest) + from->signature_rest_bytes);
}

/* Of what payment_copy made: a signature is spendable until its deadline. */
static inline void payment_wipe(struct payment *payment)
{
	memset(payment, 0, offsetof(struct payment, signature_rest) + payment->signature_rest_bytes);
}

/* Our own offer: one entry of `accepts`.  Made by config from [offer NAME], constant while the daemon runs.  Every value
 * used in a check or a hash comes from here. */
struct offer {
	char name[NAME_BYTES_MAX]; /* section name: metrics, logs, ledger */
	uint8_t method;		   /* enum method */
	uint64_t chain_id;
	struct address asset;
	struct address pay_to;
	struct address facilitator; /* upto; else zero */
	struct word amount;	    /* exact: the price; upto: the most one request may cost; atomic units */
	uint64_t max_timeout_s;
	char token_name[NAME_BYTES_MAX];    /* EIP-712 domain of the token; printable ASCII */
	char token_version[NAME_BYTES_MAX]; /* same */
	/* upto only: atomic units per million tokens, what settle charges from the response's usage */
	unsigned __int128 input_per_mtok;
	unsigned __int128 output_per_mtok;
	/* upto only, instead of the two: what one token of the asset is worth, by which prices of models in dollars become
	 * atomic units; 0: the offer does not go by model */
	unsigned __int128 token_usd; /* USD_UNITs */
	uint8_t token_decimals;
	/* upto only: what one request of a session holds back before it is forwarded; at most amount */
	struct word session_reserve;
	/* Who settles it: numbers of facilitators (config.h), the first that is up.  Not in the ledger. */
	uint8_t settle_by[FACILITATORS_MAX];
	uint8_t settle_by_cnt;
	uint8_t priority; /* enum priority; not in the ledger */
	/* Limits in the offer's asset on what is taken or owed and not yet settled, over all offers that have the asset; zero:
	 * none.  Not in the ledger: a record has no use for them. */
	struct word unsettled_max, payer_unsettled_max;
	struct word domain_separator; /* of the token (EIP-3009) or of Permit2 on that chain, made once at start */
};

/* Whose turn in line comes first.  What the payer list says of a payer goes before what his offer says, and that before the
 * route's. */
enum priority { PRIORITY_UNSAID, PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW };

/* US dollars are counted in USD_UNITs, so that prices are whole numbers.  The bound keeps a cost within 256 bits:
 * 2 * 2^53 tokens * 2^70 * 10^TOKEN_DECIMALS_MAX. */
#define USD_FRACTION_DIGITS 12
#define USD_UNIT ((unsigned __int128)1000000000000)
#define USD_MAX (USD_UNIT * 1000000000)
#define TOKEN_DECIMALS_MAX 36

/* [price NAME]: of one model, per million tokens, in USD_UNITs. */
struct model_price {
	char name[NAME_BYTES_MAX];
	char model[NAME_BYTES_MAX]; /* as requests name it, byte for byte; empty in the file: the section's name */
	unsigned __int128 input_usd;
	unsigned __int128 output_usd;
};

/* Replay key.  EIP-3009: (chain, token, from, nonce).  Permit2: (chain, owner, nonce), token zero, shared by exact and
 * upto, because Permit2 keeps one bitmap per owner.  Never signature or header bytes.  Compared as bytes: no padding. */
struct claim_key {
	uint64_t chain_id;
	struct address token;
	struct address from;
	struct word nonce;
};
_Static_assert(sizeof(struct claim_key) == 80, "claim_key is compared as bytes");

/* Our decision that this payment may buy this route now. */
struct permit {
	const struct offer *offer;
	struct claim_key key;
	uint64_t deadline_s; /* fits 64 bits because permit refused anything far away */
};

#endif
