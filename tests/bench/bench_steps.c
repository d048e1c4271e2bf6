// SPDX-License-Identifier: Apache-2.0
/* What tollbar itself does for a paid request before the queue, over what libsecp256k1 takes to recover its signer:
 *
 *   steps_over_recover          exact/EIP-3009, version 2
 *   steps_over_recover_permit2  exact/Permit2
 *   steps_over_recover_upto     upto/Permit2
 *   hash_alone_over_batch       payments hashed one by one, over the same 32 hashed together; likewise _permit2, _upto
 *
 * The steps are the gate's, in its order, each with a real payment of a fresh nonce: copying and parsing the head,
 * decoding, offer and permit, payer list, replay lookup, hashing, all of verify but the recovery (ranges, the public
 * key's address), the body, permit and payer again with their limits, and taking the claim in a ledger that runs.
 * Left out: two clock readings, the route's string compare and the queue's room, a load each.  The other side is
 * parsing the signature and secp256k1_ecdsa_recover.  Times are this thread's CPU time (the ledger's commits are another
 * thread's, and not waited for before the queue); sides alternate; medians.
 *
 * As in the gate, a request is parsed, decoded and looked at in one go, all that came in one round are hashed and
 * verified together, and each then goes on to its claim.  The ratio is over those four phases; the steps' own figures
 * come from rounds in between, in which each step runs over the whole batch alone. */
#include "verify.c"

#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/u256.h"
#include "claim.h"
#include "decode.h"
#include "hash.h"
#include "openai.h"
#include "parse.h"
#include "pay_client.h"
#include "payers.h"
#include "permit.h"
#include "sign.h"

#define ROUNDS 41
#define BATCH 32 /* requests that one completion round brought */

static const char body[] =
	"{\"model\":\"llama-3.1-8b-instruct\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful "
	"assistant.\"},{\"role\":\"user\",\"content\":\"Why is the sky blue?  Answer in one sentence.\"}],"
	"\"temperature\":0.7,\"max_tokens\":128,\"stream\":false}";

struct sample {
	char sent[2560]; /* as the network delivered it */
	size_t sent_bytes;
	uint8_t received[2560];
	struct http_head head;
	struct payment payment;
	const struct offer *offer;
	struct permit permit;
	struct verify_item item;
	secp256k1_pubkey signer; /* recovered, for the half of verify that is ours */
	struct openai_request openai;
	struct claim_wait durable;
};

static struct sample samples[BATCH];
static struct offer offer;
static uint64_t now_s;
static struct verifier *verifier;
static struct payers *payers;
static struct ledger *ledger;
static struct mailbox box;

/* --- the steps --- */

static void step_parse(struct sample *sample)
{
	memcpy(sample->received, sample->sent, sample->sent_bytes);
	enum parse_result result = parse_request(&sample->head, span_of(sample->received, sample->sent_bytes), 0);
	ASSERT(result == PARSE_DONE);
}

static void step_decode(struct sample *sample)
{
	enum reason reason = decode_payment(&sample->payment, 2, sample->head.payment_v2);
	ASSERT(reason == REASON_OK);
}

static void step_early(struct sample *sample)
{
	const struct offer *offers[] = {&offer};
	enum reason reason = permit_offer(&sample->offer, &sample->payment, offers, 1);
	if (reason == REASON_OK)
		reason = permit_payment(&sample->permit, &sample->payment, sample->offer, now_s);
	if (reason == REASON_OK)
		reason = payers_may(payers, &sample->payment.from, (struct span){0});
	ASSERT(reason == REASON_OK && !claim_seen(ledger, &sample->permit.key));
}

/* All of them together. */
static void step_hash(struct sample batch[BATCH])
{
	struct hash_job jobs[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		struct sample *sample = &batch[i];
		sample->item = (struct verify_item){.signature = sample->payment.signature,
						    .payer = sample->payment.from,
						    .method = sample->payment.method};
		jobs[i] = (struct hash_job){&sample->payment, &sample->offer->domain_separator, &sample->item.digest};
	}
	hash_payments(jobs, BATCH);
}

static void hash_alone(struct sample *sample)
{
	hash_payment(&sample->item.digest, &sample->payment, &sample->offer->domain_separator);
}

/* What libsecp256k1 alone does for a signature but the recovery, whose public key was found before. */
static void step_verify(struct sample *sample)
{
	uint8_t point[65], hash[32];
	size_t bytes = sizeof(point);

	ASSERT(memcmp(sample->item.payer.at, zero, sizeof(sample->item.payer.at)) != 0);
	ASSERT(recovery_id(sample->item.method, sample->item.signature[64]) >= 0 &&
	       form_is_good(sample->item.signature));
	secp256k1_ec_pubkey_serialize(verifier->secp, point, &bytes, &sample->signer, SECP256K1_EC_UNCOMPRESSED);
	keccak256(hash, point + 1, sizeof(point) - 1);
	ASSERT(memcmp(hash + 12, sample->item.payer.at, sizeof(sample->item.payer.at)) == 0);
}

static void step_body(struct sample *sample)
{
	enum reason reason = openai_request(&sample->openai, SPAN(body));
	if (reason == REASON_OK)
		reason = payers_may(payers, &sample->payment.from, sample->openai.model);
	ASSERT(reason == REASON_OK);
}

static void step_permit(struct sample *sample)
{
	unsigned retry_after_s;
	enum reason reason = permit_payment(&sample->permit, &sample->payment, sample->offer, now_s);
	if (reason == REASON_OK)
		reason = payers_enter(payers, &sample->payment.from, &sample->offer->amount, now_s, &retry_after_s);
	ASSERT(reason == REASON_OK);
}

static void step_claim(struct sample *sample)
{
	enum reason reason = claim_take(ledger, &sample->permit, &sample->payment, &sample->durable);
	ASSERT(reason == REASON_OK);
}

static void step_recover(struct sample *sample)
{
	secp256k1_ecdsa_recoverable_signature signature;
	int id = recovery_id(sample->payment.method, sample->payment.signature[64]);
	bool good = secp256k1_ecdsa_recoverable_signature_parse_compact(verifier->secp, &signature,
									sample->payment.signature, id) &&
		    secp256k1_ecdsa_recover(verifier->secp, &sample->signer, &signature, sample->item.digest.at);
	ASSERT(good);
}

enum { PARSE, DECODE, EARLY, HASH, RECOVER, VERIFY, BODY, PERMIT, CLAIM, STEP_CNT };

static const struct {
	const char *name;
	void (*run)(struct sample *sample); /* of one, or of the whole batch */
	bool whole;
} steps[STEP_CNT] = {
	[PARSE] = {"parse", step_parse},       [DECODE] = {"decode", step_decode},
	[EARLY] = {"early", step_early},       [HASH] = {"hash", step_hash, true},
	[RECOVER] = {"recover", step_recover}, [VERIFY] = {"verify_rest", step_verify},
	[BODY] = {"body", step_body},	       [PERMIT] = {"permit", step_permit},
	[CLAIM] = {"claim", step_claim},
};

/* Steps first to last, done for one request before the next. */
static const struct phase {
	unsigned first, last;
} phases[] = {{PARSE, EARLY}, {HASH, HASH}, {RECOVER, RECOVER}, {VERIFY, VERIFY}, {BODY, CLAIM}};
#define PHASE_CNT (sizeof(phases) / sizeof(*phases))

/* --- payments --- */

static struct offer make_offer(uint8_t method)
{
	struct offer made = {.method = method, .chain_id = 84532, .max_timeout_s = 300};

	memset(made.asset.at, 0x33, sizeof(made.asset.at));
	memset(made.pay_to.at, 0x44, sizeof(made.pay_to.at));
	if (method == METHOD_UPTO)
		memset(made.facilitator.at, 0x55, sizeof(made.facilitator.at));
	u256_from_u64(made.amount.at, 10000);
	snprintf(made.token_name, sizeof(made.token_name), "USDC");
	snprintf(made.token_version, sizeof(made.token_version), "2");
	hash_domain(&made.domain_separator, &made);
	return made;
}

/* The offer as PAYMENT-REQUIRED says it. */
static void make_challenge(struct pay_challenge *challenge, const struct offer *from)
{
	static char text[1024];
	bool eip3009 = from->method == METHOD_EIP3009;
	int bytes = snprintf(
		text, sizeof(text),
		"{\"x402Version\":2,\"resource\":{\"url\":\"https://node.example/v1/chat/completions\",\"description\":"
		"\"Chat completions\",\"mimeType\":\"application/json\"},\"accepts\":[{\"scheme\":\"%s\",\"network\":"
		"\"eip155:84532\",\"amount\":\"10000\",\"asset\":\"0x3333333333333333333333333333333333333333\","
		"\"payTo\":"
		"\"0x4444444444444444444444444444444444444444\",\"maxTimeoutSeconds\":300,\"extra\":{\"name\":\"USDC\","
		"\"version\":\"2\"%s%s}}]}",
		from->method == METHOD_UPTO ? "upto" : "exact", eip3009 ? "" : ",\"assetTransferMethod\":\"permit2\"",
		from->method == METHOD_UPTO ? ",\"facilitatorAddress\":\"0x5555555555555555555555555555555555555555\""
					    : "");
	bool read = pay_read_challenge(challenge, span_of(text, (size_t)bytes), 2);
	ASSERT(read && challenge->offer_cnt == 1);
}

/* A request as the reference client sends it, 1.5 to 2 KB of head. */
static void make_sample(struct sample *sample, const struct pay_challenge *challenge, const struct signer *signer)
{
	static uint64_t nonces;
	char header[PAY_HEADER_BYTES_MAX];
	struct payment payment;
	struct address from;
	struct word nonce;

	u256_from_u64(nonce.at, ++nonces);
	keccak256(nonce.at, nonce.at, sizeof(nonce.at));
	sign_address(signer, &from);
	pay_fill(&payment, &challenge->offers[0], &from, &nonce, now_s, 0);
	bool made = pay_sign(&payment, &challenge->offers[0], signer) &&
		    pay_write_header(header, challenge, &challenge->offers[0], &payment) > 0;
	ASSERT(made);
	int bytes = snprintf(sample->sent, sizeof(sample->sent),
			     "POST /v1/chat/completions HTTP/1.1\r\nHost: node.example\r\nConnection: keep-alive\r\n"
			     "Content-Type: application/json\r\nContent-Length: %zu\r\nPAYMENT-SIGNATURE: %s\r\n"
			     "Access-Control-Expose-Headers: PAYMENT-RESPONSE,X-PAYMENT-RESPONSE\r\nAccept: */*\r\n"
			     "Accept-Language: *\r\nSec-Fetch-Mode: cors\r\nUser-Agent: node\r\n"
			     "Accept-Encoding: gzip, deflate\r\n\r\n",
			     sizeof(body) - 1, header);
	ASSERT(bytes > 0 && (size_t)bytes < sizeof(sample->sent));
	sample->sent_bytes = (size_t)bytes;
}

/* --- measuring --- */

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Nanoseconds a request. */
static double run_phase(struct phase phase)
{
	double from = cpu_ns();

	for (unsigned i = 0; i < (steps[phase.first].whole ? 1 : BATCH); i++)
		for (unsigned step = phase.first; step <= phase.last; step++)
			steps[step].run(&samples[i]);
	return (cpu_ns() - from) / BATCH;
}

/* Hashing one by one, over all together: of digests that the step made, in turns. */
static double hash_gain(void)
{
	double alone_ns = 0, together_ns = 0, from;

	for (unsigned turn = 0; turn < 20; turn++) {
		from = cpu_ns();
		for (unsigned i = 0; i < BATCH; i++)
			hash_alone(&samples[i]);
		alone_ns += cpu_ns() - from;
		together_ns += run_phase((struct phase){HASH, HASH}) * BATCH;
	}
	return alone_ns / together_ns;
}

/* Every claim has reached the disk, is given back, and its payer leaves. */
static void clear_batch(void)
{
	static const struct word nothing;
	unsigned durable = 0;

	while (durable < BATCH) {
		struct pollfd readable = {.fd = box.event_fd, .events = POLLIN};
		poll(&readable, 1, 1000);
		mailbox_clear(&box);
		for (struct mail *mail = mailbox_take(&box); mail != NULL; mail = mail->next)
			durable++;
	}
	for (unsigned i = 0; i < BATCH; i++) {
		ASSERT(samples[i].durable.error == 0);
		claim_release(ledger, samples[i].durable.claim);
		payers_leave(payers, &samples[i].payment.from, &offer.amount, &nothing, now_s);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

/* All the phases of one batch: ours over the recovery. */
static double run_gate(void)
{
	double ours = 0, recover = 0;

	for (unsigned i = 0; i < PHASE_CNT; i++) {
		double phase_ns = run_phase(phases[i]);
		if (phases[i].first == RECOVER)
			recover += phase_ns;
		else
			ours += phase_ns;
	}
	return ours / recover;
}

static void measure(uint8_t method, const char *suffix, const struct signer *signer)
{
	static double ns[STEP_CNT][ROUNDS], ratio[ROUNDS], gain[ROUNDS];
	struct pay_challenge challenge;

	offer = make_offer(method);
	make_challenge(&challenge, &offer);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < BATCH; i++)
			make_sample(&samples[i], &challenge, signer);
		ratio[round] = run_gate();
		clear_batch();
		for (unsigned i = 0; i < BATCH; i++)
			make_sample(&samples[i], &challenge, signer);
		for (unsigned step = 0; step < STEP_CNT; step++)
			ns[step][round] = run_phase((struct phase){step, step});
		gain[round] = hash_gain();
		clear_batch();
	}
	printf("steps_over_recover%s %.3f\n", suffix, median(ratio));
	printf("hash_alone_over_batch%s %.2f\n", suffix, median(gain));
	for (unsigned step = 0; step < STEP_CNT; step++)
		printf("steps%s_%s_ns %.0f\n", suffix, steps[step].name, median(ns[step]));
}

static void submit_nothing(void *ctx, struct settlement *settlement)
{
	abort(); /* nothing is owed here */
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	return remove(path);
}

int main(void)
{
	static const uint8_t key[32] = {[31] = 42}, seed[32] = {1};
	char directory[] = "/tmp/tollbar-bench-XXXXXX";
	struct ledger_config config = {.directory = directory,
				       .claims_max = 65536,
				       .map_bytes_max = 256u << 20,
				       .settlements_max = 1,
				       .keep_s = 60,
				       .submit = submit_nothing};

	ASSERT(mkdtemp(directory) != NULL);
	struct signer *signer = sign_init(key, seed);
	verifier = verify_init(&(struct verify_config){.seed = seed, .engine = ENGINE_SECP256K1});
	payers = payers_init(1024);
	ASSERT(signer != NULL && verifier != NULL && payers != NULL && mailbox_init(&box) == 0);
	int loaded = payers_load(payers, NULL, stderr), opened = ledger_open(&ledger, &config);
	ASSERT(loaded == 0 && opened == 0);
	now_s = clock_unix_s();
	for (unsigned i = 0; i < BATCH; i++)
		samples[i].durable.box = &box;

	measure(METHOD_EIP3009, "", signer);
	measure(METHOD_PERMIT2, "_permit2", signer);
	measure(METHOD_UPTO, "_upto", signer);

	ledger_close(ledger);
	payers_fini(payers);
	verify_fini(verifier);
	sign_fini(signer);
	mailbox_fini(&box);
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
