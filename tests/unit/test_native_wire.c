// SPDX-License-Identifier: Apache-2.0
/* test_native_wire.c: datagrams that another implementation made and signed (tests/vectors/native.json), against the structs of
 * native.h, the digests of hash.h and the signers that verify.h finds; and what docs/native.md shows of them. */
#include "native.h"

#include <endian.h>

#include "bind.h"
#include "calldata.h"
#include "check.h"
#include "hash.h"
#include "reason.h"
#include "vectors.h"
#include "verifier.h"

struct datagram {
	union {
		struct native_head head;
		struct native_request request;
		struct native_knock knock;
		struct native_cookie_reply cookie;
		struct native_receipt receipt;
		struct native_opened opened;
		uint8_t at[NATIVE_BYTES_MAX];
	};
};

static void start(struct datagram *datagram, uint8_t kind, uint8_t method, size_t bytes)
{
	*datagram = (struct datagram){.head = {.kind = kind, .method = method, .bytes = htobe16((uint16_t)bytes)}};
	memcpy(datagram->head.magic, NATIVE_MAGIC_BYTES, sizeof datagram->head.magic);
}

/* Is it the vector's, byte for byte? */
static void check_same(const struct datagram *made, const struct vector *vector, const char *name)
{
	static uint8_t want[NATIVE_BYTES_MAX];
	size_t bytes = vector_hex(want, sizeof want, vector, name);

	CHECK_ROW(bytes == be16toh(made->head.bytes) && memcmp(made, want, bytes) == 0, name);
}

static void check_signer(const struct word *digest, const uint8_t signature[65], const struct address *payer,
			 uint8_t method)
{
	struct verifier *verifier = open_verifier(ENGINE_SECP256K1, 0);
	struct verify_item item = {.digest = *digest, .signature = signature, .payer = *payer, .method = method};

	verify_batch(verifier, &item, 1);
	CHECK_EQ(item.verdict, REASON_OK);
	item.payer.at[0] ^= 1;
	verify_batch(verifier, &item, 1);
	CHECK_EQ(item.verdict, SIGNATURE_BAD);
	verify_fini(verifier);
}

/* The layout: each field from its value. */
static void make_request(struct datagram *made, const struct vector *vector)
{
	uint8_t cookie[8], amount[32];
	struct native_request *request = &made->request;
	uint8_t calldata[NATIVE_BYTES_MAX - sizeof *request];
	size_t calldata_bytes = vector_hex(calldata, sizeof calldata, vector, "calldata");
	size_t cookie_bytes = vector_hex(cookie, sizeof cookie, vector, "cookie");
	unsigned flags =
		(cookie_bytes > 0 ? NATIVE_FLAG_COOKIE : 0) | (vector_bool(vector, "stream") ? NATIVE_FLAG_STREAM : 0);

	start(made, NATIVE_REQUEST, vector_method(vector), sizeof *request + calldata_bytes + cookie_bytes);
	memcpy(made->at + sizeof *request, calldata, calldata_bytes);
	memcpy(made->at + sizeof *request + calldata_bytes, cookie, cookie_bytes);
	ASSERT(u256_decimal(amount, vector_text(vector, "amount")));
	memcpy(request->amount, amount + 16, sizeof request->amount);
	request->chain_id = htobe64(vector_u64(vector, "chainId"));
	vector_bytes(request->payer, sizeof request->payer, vector, "from");
	vector_bytes(request->asset, sizeof request->asset, vector, "asset");
	request->valid_after = htobe64(vector_u64(vector, "validAfter"));
	request->deadline = htobe64(vector_u64(vector, "deadline"));
	vector_bytes(request->nonce, sizeof request->nonce, vector, "nonce");
	vector_bytes(request->salt, sizeof request->salt, vector, "salt");
	vector_bytes(request->signature, sizeof request->signature, vector, "signature");
	request->route = (uint8_t)vector_u64(vector, "route");
	request->flags = htobe16((uint16_t)flags);
	request->calldata_bytes = htobe32((uint32_t)calldata_bytes);
}

/* What is signed: the same payment as over HTTP, and with it the calldata. */
static void check_payment(const struct datagram *made, const struct vector *vector)
{
	struct span calldata = span_of(made->at + sizeof made->request, be32toh(made->request.calldata_bytes));
	struct word nonce, digest, want, separator;
	static uint8_t body[CALLDATA_BODY_BYTES];
	enum calldata_call call;
	struct payment payment;
	struct offer offer;
	size_t body_bytes;
	bool tee;

	vector_offer(&offer, vector);
	vector_payment(&payment, vector);
	hash_domain(&separator, &offer);
	hash_payment(&digest, &payment, &separator);
	vector_bytes(want.at, sizeof want, vector, "digest");
	CHECK_BYTES(&digest, &want, sizeof want);
	check_signer(&digest, made->request.signature, &payment.from, payment.method);
	bind_nonce(&nonce, made->request.salt, calldata);
	CHECK_BYTES(&nonce, made->request.nonce, sizeof nonce);
	CHECK_EQ(calldata_read(&call, &tee, body, sizeof body, &body_bytes, calldata, true), REASON_OK);
}

TEST(requests)
{
	struct vectors vectors;
	struct vector vector;
	size_t cnt = 0, longest = 0;

	vectors_open(&vectors, "tests/vectors/native.json", "requests");
	for (; vectors_next(&vectors, &vector); cnt++) {
		struct datagram made;
		make_request(&made, &vector);
		check_same(&made, &vector, "datagram");
		check_payment(&made, &vector);
		if (be16toh(made.head.bytes) > longest)
			longest = be16toh(made.head.bytes);
	}
	vectors_close(&vectors);
	CHECK(cnt >= 11 && longest > NATIVE_BYTES_MAX - 32);
}

static void make_knock(struct datagram *made, const struct vector *vector)
{
	start(made, NATIVE_KNOCK, 0, sizeof made->knock);
	made->knock.chain_id = htobe64(vector_u64(vector, "chainId"));
	vector_bytes(made->knock.payer, sizeof made->knock.payer, vector, "payer");
	made->knock.until = htobe64(vector_u64(vector, "until"));
}

TEST(knocks_and_their_answers)
{
	static const uint8_t source[16] = {[10] = 0xff, 0xff, 192, 0, 2, 7};
	struct vectors vectors;
	struct vector vector;
	size_t cnt = 0;

	vectors_open(&vectors, "tests/vectors/native.json", "knocks");
	for (; vectors_next(&vectors, &vector); cnt++) {
		struct datagram made, answer;
		struct address payer;
		struct word digest;
		make_knock(&made, &vector);
		check_same(&made, &vector, "asks");
		vector_bytes(made.knock.cookie, sizeof made.knock.cookie, &vector, "cookie");
		vector_bytes(made.knock.signature, sizeof made.knock.signature, &vector, "signature");
		check_same(&made, &vector, "datagram");
		memcpy(payer.at, made.knock.payer, sizeof payer);
		vector_bytes(digest.at, sizeof digest, &vector, "digest");
		check_signer(&digest, made.knock.signature, &payer, METHOD_EIP3009);

		start(&answer, NATIVE_COOKIE_REPLY, 0, sizeof answer.cookie);
		memcpy(answer.cookie.cookie, made.knock.cookie, sizeof answer.cookie.cookie);
		memcpy(answer.cookie.echo, &made.knock.until, sizeof answer.cookie.echo);
		check_same(&answer, &vector, "cookieReply");
		start(&answer, NATIVE_OPENED, 0, sizeof answer.opened);
		answer.opened.until = made.knock.until;
		memcpy(answer.opened.source, source, sizeof source);
		check_same(&answer, &vector, "opened");
	}
	vectors_close(&vectors);
	CHECK(cnt >= 5);
}

TEST(receipts)
{
	struct vectors vectors;
	struct vector vector;
	size_t cnt = 0;

	vectors_open(&vectors, "tests/vectors/native.json", "answers");
	for (; vectors_next(&vectors, &vector); cnt++) {
		struct datagram made;
		start(&made, NATIVE_RECEIPT, 0, sizeof made.receipt);
		vector_bytes(made.receipt.id, sizeof made.receipt.id, &vector, "id");
		vector_bytes(made.receipt.nonce, sizeof made.receipt.nonce, &vector, "nonce");
		made.receipt.reason = htobe16((uint16_t)vector_u64(&vector, "reason"));
		made.receipt.place = htobe32((uint32_t)vector_u64(&vector, "place"));
		check_same(&made, &vector, "datagram");
	}
	vectors_close(&vectors);
	CHECK(cnt >= 3);
}

/* --- the examples in docs/native.md --- */

static const char *document(void)
{
	static char text[65536];
	FILE *file = fopen("docs/native.md", "rb");

	CHECK_NEED(file != NULL);
	size_t bytes = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	CHECK_NEED(bytes > 0 && bytes < sizeof text - 1);
	text[bytes] = 0;
	return text;
}

/* The line behind this one; NULL at the end of the document. */
static const char *next_line(const char *line)
{
	line = strchr(line, '\n');
	return line != NULL && line[1] != 0 ? line + 1 : NULL;
}

/* The first line of an example. */
static const char *example(const char *name)
{
	char marker[64];
	int bytes = snprintf(marker, sizeof marker, "<!-- example: %s -->\n```\n", name);
	const char *at = strstr(document(), marker);

	CHECK_ROW(at != NULL, name);
	CHECK_NEED(at != NULL);
	return at + bytes;
}

/* Lines of offset, bytes and perhaps a name: together exactly the vector's datagram. */
static void check_layout(const char *name, const struct vector *vector, const char *datagram)
{
	static uint8_t want[NATIVE_BYTES_MAX], piece[32];
	size_t bytes = vector_hex(want, sizeof want, vector, datagram), at = 0, offset;
	char digits[65];

	for (const char *line = example(name); line != NULL && line[0] != '`'; line = next_line(line)) {
		CHECK_NEED(sscanf(line, "%zu %64[0-9a-f]", &offset, digits) == 2 && offset == at);
		size_t piece_bytes = strlen(digits) / 2;
		CHECK_NEED(hex_digits(piece, piece_bytes, span_str(digits)) && at + piece_bytes <= bytes);
		CHECK_ROW(memcmp(piece, want + at, piece_bytes) == 0, name);
		at += piece_bytes;
	}
	CHECK_ROW(at == bytes, name);
}

/* Lines of a name and its value. */
static void check_values(const char *name, const struct vector *vector)
{
	char member[16], value[160];
	unsigned cnt = 0;

	for (const char *line = example(name); line != NULL && line[0] != '`'; line = next_line(line), cnt++) {
		CHECK_NEED(sscanf(line, "%15s %159[^\n]", member, value) == 2);
		CHECK_ROW(span_equal(vector_text(vector, member), span_str(value)), member);
	}
	CHECK_ROW(cnt >= 7, name);
}

static void find_vector(struct vector *vector, struct vectors *vectors, const char *array, unsigned idx)
{
	vectors_open(vectors, "tests/vectors/native.json", array);
	for (unsigned i = 0; i <= idx; i++)
		CHECK_NEED(vectors_next(vectors, vector));
}

TEST(the_documents_examples)
{
	struct vectors vectors;
	struct vector vector;

	find_vector(&vector, &vectors, "requests", 0);
	check_values("what is signed", &vector);
	check_layout("request", &vector, "datagram");
	vectors_close(&vectors);
	find_vector(&vector, &vectors, "answers", 0);
	check_layout("receipt", &vector, "datagram");
	vectors_close(&vectors);
	find_vector(&vector, &vectors, "knocks", 1);
	check_values("what a knock signs", &vector);
	check_layout("asks", &vector, "asks");
	check_layout("cookie reply", &vector, "cookieReply");
	check_layout("knock", &vector, "datagram");
	check_layout("opened", &vector, "opened");
	vectors_close(&vectors);
}

TEST(the_documents_reasons)
{
	unsigned number, cnt = 0;
	char word[32];

	for (const char *line = document(); line != NULL; line = next_line(line)) {
		if (sscanf(line, "| %u | `%31[a-z0-9_]` |", &number, word) != 2)
			continue;
		cnt++;
		CHECK_ROW(number < REASON_CNT && strcmp(reason_word((enum reason)number), word) == 0, word);
	}
	CHECK(cnt >= 20);
}

CHECK_MAIN
