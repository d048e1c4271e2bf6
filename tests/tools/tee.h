/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_TEE_H
#define TOLLBAR_TESTS_TEE_H
/* tee.h: what a node in a trusted execution environment adds to an answer: its signature (RSA, base64), and what it is over.
 * The values are of the right form and length, and never change. */
#define TEE_64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define TEE_MEMBERS                                                                                       \
	",\"tee_signature\":\"" TEE_64 TEE_64 TEE_64 TEE_64 TEE_64 "c2lnbmVkIGJ5IGEgc3RhbmQ=\""           \
	",\"tee_timestamp\":1700000000,\"tee_request_hash\":\"" TEE_64 "\",\"tee_output_hash\":\"" TEE_64 \
	"\",\"tee_id\":\"0x" TEE_64 "\""

#endif
