/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_BATCH_H
#define TOLLBAR_FUNDS_BATCH_H
/* funds_batch.h: what is wanted of several payers → one JSON-RPC batch, and back.  Pure.
 *
 * The calls to contracts go first, as one call of Multicall3 or one by one, then the code of each account. */
#include "funds_accounts.h"
#include "funds_rpc.h"

#define BATCH_PARTS_MAX CHAIN_BATCH_MAX
#define BATCH_CALLS_MAX (BATCH_PARTS_MAX * 4)

/* Largest body: every call one by one; an aggregate is smaller.  A call takes its bytes in hex and 160 around them.  One of
 * them may be the longest: a signature's, which goes out alone, or what is wrapped in it: a factory's call and a signature's. */
#define BATCH_BODY_BYTES(parts) \
	((size_t)(parts)*4 * (2 * ABI_CALL_BYTES + 160) + (size_t)(parts)*160 + 1024 + 2 * ABI_CALL_BYTES_MAX)
/* Largest answer that is read: contracts have at most 24,576 bytes of code; the rest is words. */
#define BATCH_ANSWER_BYTES(parts) ((size_t)(parts) * (2 * 24576 + 4096) + 65536)

enum batch_want {
	WANT_VIEW = 1,	    /* balance, allowance, code */
	WANT_NONCE = 2,	    /* was the payment's nonce used or cancelled? */
	WANT_SIGNATURE = 4, /* does the account's own code say yes to the signature (ERC-1271)? */
};

struct batch_part {
	uint8_t wants;
	struct account_key key;
	const struct payment *payment; /* of WANT_NONCE and WANT_SIGNATURE; borrowed */
	const struct word *digest;     /* of WANT_SIGNATURE; borrowed */
	/* out */
	bool good; /* all that was wanted is known */
	struct account_view view;
	bool nonce_used, signature_holds;
	bool makes_account; /* its account's factory is called first (funds_wrapped.h) */
};

struct batch {
	struct batch_part parts[BATCH_PARTS_MAX];
	size_t part_cnt;
	size_t call_cnt, rpc_cnt; /* contract calls; JSON-RPC calls */
	bool aggregated;	  /* one call of Multicall3 makes them all */
	bool programmed;	  /* one program does (wrapped_program) */
};

/* Memory that is needed while a question is made or an answer read. */
struct batch_scratch {
	struct abi_call calls[BATCH_CALLS_MAX];
	struct rpc_result results[BATCH_CALLS_MAX + BATCH_PARTS_MAX];
	struct abi_result returned[BATCH_CALLS_MAX];
	uint8_t bytes[BATCH_CALLS_MAX * 4096];
};

/* The body of a batch whose parts are filled in; 0 when it does not fit.  A wrapped signature (funds_wrapped.h) is
 * judged after its factory was called; it is wanted alone. */
size_t batch_question(char *out, size_t out_bytes, struct batch *batch, bool multicall3, struct batch_scratch *scratch);
/* Fills in what the parts want.  False: the answer is none, and no part is good. */
bool batch_answer(struct batch *batch, struct span body, struct batch_scratch *scratch)
	__attribute__((warn_unused_result));

#endif
