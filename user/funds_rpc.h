/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_RPC_H
#define TOLLBAR_FUNDS_RPC_H
/* funds_rpc.h: a batch of Ethereum JSON-RPC calls, and what its answer says of each.  Pure; bounded by the buffers given.
 * The answer is hostile: it may leave calls out, answer some twice, or others that nobody made; then none of it counts.
 *
 * Source: JSON-RPC 2.0 section 6; Ethereum execution API (eth_call, eth_getCode, eth_chainId, eth_getTransactionReceipt,
 * eth_getTransactionByHash, eth_getBlockByNumber, eth_getLogs). */
#include "base/json.h"
#include "funds_abi.h"

/* --- question --- */

struct rpc_batch {
	struct json_writer json;
	unsigned cnt; /* calls so far; each has the number it found here */
};

void rpc_begin(struct rpc_batch *batch, char *out, size_t out_bytes);
/* Each at the newest block the node knows. */
void rpc_call(struct rpc_batch *batch, const struct address *to, struct span data);
/* Runs code as if it created a contract, and gives what that returns. */
void rpc_create(struct rpc_batch *batch, struct span code);
/* At a block: its number as rpc_quantity writes it, or latest, safe, finalized. */
void rpc_call_at(struct rpc_batch *batch, const struct address *to, struct span data, const char *block);
void rpc_code(struct rpc_batch *batch, const struct address *account);
void rpc_chain_id(struct rpc_batch *batch);
/* What became of a transaction; its result is an object, or null while it is in no block. */
void rpc_receipt(struct rpc_batch *batch, const struct word *transaction);
/* A transaction as it was sent; the same. */
void rpc_transaction(struct rpc_batch *batch, const struct word *transaction);
/* A block's head; its result is an object, or null. */
void rpc_block(struct rpc_batch *batch, const char *block);
/* What a contract logged in these blocks; its result is a list. */
struct rpc_logs {
	const struct address *contract;
	uint64_t from, to;	      /* blocks, both within */
	const struct word *kinds[2];  /* the first topic is one of these; the second may be NULL */
	const struct word *topics[2]; /* the next two; NULL: anything */
};
void rpc_logs(struct rpc_batch *batch, const struct rpc_logs *logs);
#define RPC_QUANTITY_BYTES 19
char *rpc_quantity(char out[RPC_QUANTITY_BYTES], uint64_t number);
/* Bytes of the whole question; 0 when it did not fit. */
size_t rpc_end(struct rpc_batch *batch);

/* --- answer --- */

enum rpc_outcome {
	RPC_RESULT,
	RPC_REVERTED, /* the contract said no, or there is none of that function */
	RPC_FAILED,   /* the node did not do it, for a reason of its own */
	RPC_OBJECT,   /* of rpc_receipt, rpc_transaction, rpc_block; never a result of the others */
	RPC_LIST,     /* of rpc_logs, the same */
};

struct rpc_result {
	enum rpc_outcome outcome;
	struct span hex;    /* of RPC_RESULT: 0x and digits, borrowed from the answer */
	struct span object; /* of RPC_OBJECT and RPC_LIST, the same */
	bool is_null;	    /* of RPC_FAILED: the node did it, and there is no such thing */
};

/* rpc_answer: results[i] is what became of call i.  False: not an answer to exactly `cnt` calls. */
bool rpc_answer(struct rpc_result *results, size_t cnt, struct span body) __attribute__((warn_unused_result));

/* A result's bytes, written to out; false when there is no result, or it is no such thing, or larger. */
bool rpc_bytes(struct span *bytes, const struct rpc_result *result, uint8_t *out, size_t out_bytes)
	__attribute__((warn_unused_result));
/* A result that is a number. */
bool rpc_number(uint64_t *number, const struct rpc_result *result) __attribute__((warn_unused_result));
/* 0x and 1 to 16 digits. */
bool rpc_read_quantity(uint64_t *number, struct span text) __attribute__((warn_unused_result));

#endif
