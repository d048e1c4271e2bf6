/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_EC_H
#define TOLLBAR_EC_EC_H
/* ec.h: did the holder of this Ethereum address sign this digest?  ECDSA over secp256k1.  No project knowledge: bytes in,
 * verdicts out.  Two engines:
 *
 *   lanes     eight signatures side by side in the lanes of AVX-512 registers (field multiplication by IFMA)
 *   portable  plain C on 64-bit words, for any CPU; hot only
 *
 * Two ways to one verdict, which is always "recovery succeeds, gives this address, and s is low":
 *
 *   cold  the signer is unknown: recover the key Q = (sR - zG) / r, hash it, compare the address.
 *   hot   the signer's key is known and has a table: R = (z/s)G + (r/s)Q by table look-ups alone; good if R's x is the
 *         signature's r (or r + n, as the recovery id says) and R's y has the recovery id's parity.  R = u1 G + u2 Q is
 *         the same equation as Q = (sR - zG) / r, so this says exactly what recovery would.
 *
 * Exceptional cases.  The group formulas used are the incomplete ones: they do not hold where a sum meets a point and
 * itself, a point and its negative, or infinity.  Every such case is noticed (a difference of x coordinates, hence a
 * product of them, becomes zero) and the verdict of that lane is EC_UNDECIDED: ask an implementation with complete
 * formulas.  Other lanes are not touched by it.  A signer who knows discrete logarithms between the points involved (of
 * its own key and nonce) can cause it at will, with any key; nobody else does, once in 2^250 tries or so.
 *
 * Everything here is public (signatures, digests, keys being verified), so nothing runs in constant time.  Not for secrets.
 *
 * Threads.  A workspace belongs to one thread.  The table of the generator (EC_GENERATOR_BYTES) is made by the first
 * ec_init of the process under pthread_once and only read after that.  Nothing allocates after ec_init.
 *
 * Sources: SEC 1 version 2, 4.1.4 and 4.1.6; the curve's endomorphism as Gallant, Lambert and Vanstone use it; signed
 * digits without zero as libsecp256k1's constant-time multiplication recodes; inversion of many at once (Montgomery).
 * Oracle in the tests: libsecp256k1. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ec_engine { EC_PORTABLE, EC_LANES };

/* What EC_LANES needs: the CPU has AVX-512 F, BW, DQ, VL, IFMA, VBMI and VBMI2, and the system saves its registers. */
bool ec_supported(void);

#define EC_GENERATOR_BYTES ((size_t)10 * 4096 * 64) /* once per process */

struct ec_workspace; /* one per thread */

/* NULL when memory is short or the CPU is not supported. */
struct ec_workspace *ec_init(enum ec_engine engine);
void ec_fini(struct ec_workspace *work); /* NULL is allowed */
size_t ec_bytes(enum ec_engine engine);	 /* memory of one workspace */

/* A key's table: odd multiples of the key at every window position, in rows of 64 bytes.  Wider windows need fewer
 * additions a signature and more memory: 26 KiB for 5, 136 KiB for 8, 2.5 MiB for 13.  Memory is the caller's, aligned
 * to 64 bytes; huge pages pay when there are many. */
#define EC_TABLE_ALIGN 64
bool ec_window_valid(unsigned window);	/* 4 to 8, and 13 */
size_t ec_table_bytes(unsigned window); /* of a valid window */

/* How many tables are built at the price of one: 8 side by side in lanes, else 1. */
unsigned ec_table_group(const struct ec_workspace *work);

/* Builds up to 8 tables, which any engine can use.  keys[i] is x ‖ y, 64 bytes big-endian, a point on the curve (not checked:
 * take it from a recovery whose address matched, nowhere else).  Valid windows, cnt 1 to 8, memories do not overlap. */
void ec_table_build(struct ec_workspace *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
		    unsigned window);

enum ec_verdict { EC_BAD, EC_GOOD, EC_UNDECIDED };

struct ec_item {
	const uint8_t *digest;	  /* 32 bytes, any value */
	const uint8_t *signature; /* r ‖ s, 64 bytes, any value */
	const uint8_t *address;	  /* 20 bytes: who should have signed */
	const void *table;	  /* ec_hot: the table of that address's key */
	uint8_t window;		  /* ec_hot: of the table */
	uint8_t recovery_id;	  /* 0 to 3; any other is bad */
	uint8_t verdict; /* out: enum ec_verdict.  Good demands r in [1, n-1], s in [1, n/2] and x of R below p */
	uint8_t key[64]; /* out of ec_cold, when good: the recovered key x ‖ y */
};

/* Any number of items, 0 included; each verdict depends on its own item alone.  In lanes work goes in vectors of eight: one item
 * costs about what eight do (ec_hot: less), and 32 to 64 come close to the best price.  ec_cold: if ec_has_cold. */
bool ec_has_cold(const struct ec_workspace *work);
void ec_cold(struct ec_workspace *work, struct ec_item *const items[], size_t cnt);
/* Windows may be mixed; a vector holds one window, so every window present can leave one vector part empty. */
void ec_hot(struct ec_workspace *work, struct ec_item *const items[], size_t cnt);

#endif
