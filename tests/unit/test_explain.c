// SPDX-License-Identifier: Apache-2.0
#include "cmd/explain.c"

#include <unistd.h>

#include "check.h"
#include "vectors.h"

#define PAYMENTS "tests/vectors/payments.json"

static struct offer offers[4];
static const struct offer *offer_list[4];
static size_t offer_cnt;
static uint64_t now_s;

/* The offers and the moment that the payments were made for. */
static void load_offers(void)
{
	struct vectors vectors;
	struct vector vector;

	if (offer_cnt > 0)
		return;
	vectors_open(&vectors, PAYMENTS, "offers");
	while (vectors_next(&vectors, &vector)) {
		struct offer *offer = &offers[offer_cnt];
		vector_offer(offer, &vector);
		vector_bytes(offer->pay_to.at, 20, &vector, "payTo");
		if (offer->method == METHOD_UPTO)
			vector_bytes(offer->facilitator.at, 20, &vector, "facilitator");
		ASSERT(u256_decimal(offer->amount.at, vector_text(&vector, "amount")));
		offer->max_timeout_s = vector_u64(&vector, "maxTimeoutSeconds");
		snprintf(offer->name, sizeof(offer->name), "offer-%zu", offer_cnt);
		hash_domain(&offer->domain_separator, offer);
		offer_list[offer_cnt++] = offer;
	}
	vectors_close(&vectors);
	now_s = 1740672100; /* "now" of the file */
}

/* What explain says of a header, as text; free it. */
static char *explain_text(enum reason *reason, unsigned version, struct span header)
{
	struct explanation explanation = {
		.offers = offer_list, .offer_cnt = offer_cnt, .version = version, .now_s = now_s};
	size_t text_bytes;
	char *text = NULL;

	explanation.out = open_memstream(&text, &text_bytes);
	*reason = explain_header(&explanation, header);
	fclose(explanation.out);
	return text;
}

/* The signature of a payment, wherever it stands in the decoded header: 40 digits of its r, in lower case. */
static bool tells_signature(const char *text, const struct payment *payment)
{
	static const uint8_t zeros[20];
	char digits[HEX_BYTES(20)];

	if (memcmp(payment->signature, zeros, sizeof(zeros)) == 0)
		return false; /* no secret, and zeros stand in many places */
	return strstr(text, hex_encode(digits, payment->signature, 20) + 2) != NULL;
}

/* Every signed payment of the file ends in the reason written beside it: the steps together, in the gate's order. */
TEST(signed_payments_and_attacks)
{
	struct vectors vectors;
	struct vector vector;
	unsigned accepted_cnt = 0, refused_cnt = 0;

	load_offers();
	vectors_open(&vectors, PAYMENTS, "payments");
	while (vectors_next(&vectors, &vector)) {
		struct span want = vector_text(&vector, "reason"), header = vector_text(&vector, "header");
		unsigned version = (unsigned)vector_u64(&vector, "version");
		struct payment payment;
		enum reason reason;
		char name[96], line[64];
		char *text = explain_text(&reason, version, header);
		snprintf(name, sizeof(name), "%.*s", (int)vector_text(&vector, "name").bytes,
			 (const char *)vector_text(&vector, "name").at);
		CHECK_ROW(span_equal(want, span_str(reason_word(reason))), name);
		if (!span_equal(want, span_str(reason_word(reason))))
			printf("%s", text);
		snprintf(line, sizeof(line),
			 reason == REASON_OK ? "verdict     accepted" : "verdict     refused: %s (x402: %s)",
			 reason_word(reason), "");
		line[strcspn(line, "(")] = 0;
		CHECK_ROW(strstr(text, line) != NULL, name);
		if (decode_payment(&payment, version, header) == REASON_OK)
			CHECK_ROW(!tells_signature(text, &payment), name);
		accepted_cnt += reason == REASON_OK;
		refused_cnt += reason != REASON_OK;
		free(text);
	}
	vectors_close(&vectors);
	CHECK(accepted_cnt >= 20 && refused_cnt >= 150);
}

TEST(broken_encodings_say_where)
{
	static const struct {
		struct span header;
		enum reason reason;
		const char *says;
	} rows[] = {
		{SPAN(""), PAYMENT_JSON, "json        payment_json: syntax at byte 0"},
		{SPAN("****"), PAYMENT_BASE64, "decode      payment_base64"},
		{SPAN("eyJhIjoxLCJhIjoyfQ=="), PAYMENT_JSON, "json        payment_json: duplicate name at byte 10"},
		{SPAN("e30="), PAYMENT_VERSION, "see --v1"},
	};

	load_offers();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum reason reason;
		char *text = explain_text(&reason, 2, rows[i].header);
		CHECK_EQ(reason, rows[i].reason);
		CHECK_ROW(strstr(text, rows[i].says) != NULL, rows[i].says);
		free(text);
	}
}

/* --- the command --- */

static const char config_text[] = "[node]\n"
				  "listen = 127.0.0.1:8402\n"
				  "state = /nonexistent\n"
				  "[facilitator]\n"
				  "url = http://127.0.0.1:9\n"
				  "[upstream model]\n"
				  "url = http://127.0.0.1:8000\n"
				  "[offer usdc]\n"
				  "method = eip3009\n"
				  "network = eip155:84532\n"
				  "asset = 0x036CbD53842c5426634e7929541eC2318f3dCF7e\n"
				  "pay_to = 0x209693Bc6afc0C5328bA36FaF03C514EF312287C\n"
				  "amount = 10000\n"
				  "max_timeout_s = 60\n"
				  "token_name = USDC\n"
				  "token_version = 2\n"
				  "[route chat]\n"
				  "match = POST /v1/chat/completions\n"
				  "offers = usdc\n"
				  "upstream = model\n"
				  "[route models]\n"
				  "match = GET /v1/models\n"
				  "upstream = model\n";

/* The first payment of the file: EIP-3009 as the reference client makes it. */
static char *first_header(void)
{
	struct vectors vectors;
	struct vector vector;
	struct span header;
	char *copy;

	vectors_open(&vectors, PAYMENTS, "payments");
	ASSERT(vectors_next(&vectors, &vector));
	header = vector_text(&vector, "header");
	copy = strndup((const char *)header.at, header.bytes);
	vectors_close(&vectors);
	return copy;
}

/* Runs the command with its output thrown away. */
static int run(int argc, char **argv)
{
	int out = dup(1), err = dup(2), status;

	fflush(stdout);
	ASSERT(freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL);
	status = cmd_explain(argc, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	return status;
}

TEST(exit_status)
{
	char path[] = "/tmp/tollbar-explain-XXXXXX", *header = first_header();
	int file = mkstemp(path);
	const struct {
		const char *name;
		long argc;
		char *argv[9];
		int status;
	} rows[] = {
		{"accepted", 6, {"explain", "-c", path, "--at", "1740672100", header}, 0},
		{"accepted on its route",
		 8,
		 {"explain", "-c", path, "--route", "chat", "--at", "1740672100", header},
		 0},
		{"expired", 6, {"explain", "-c", path, "--at", "1840672100", header}, 1},
		{"free route", 8, {"explain", "-c", path, "--route", "models", "--at", "1740672100", header}, 1},
		{"other header", 7, {"explain", "-c", path, "--at", "1740672100", "--v1", header}, 1},
		{"no header", 3, {"explain", "-c", path}, 2},
		{"two headers", 5, {"explain", "-c", path, header, header}, 2},
		{"no configuration", 2, {"explain", header}, 2},
		{"configuration not there", 4, {"explain", "-c", "/nonexistent", header}, 2},
		{"no such route", 6, {"explain", "-c", path, "--route", "x", header}, 2},
		{"time is no number", 6, {"explain", "-c", path, "--at", "soon", header}, 2},
		{"unknown option", 5, {"explain", "-c", path, "--verbose", header}, 2},
		{"help", 2, {"explain", "--help"}, 0},
	};

	ASSERT(file >= 0 && write(file, config_text, sizeof(config_text) - 1) == sizeof(config_text) - 1);
	close(file);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *argv[10];
		memcpy(argv, rows[i].argv, sizeof(rows[i].argv));
		argv[rows[i].argc] = NULL;
		int status = run((int)rows[i].argc, argv);
		CHECK_ROW(status == rows[i].status, rows[i].name);
	}
	unlink(path);
	free(header);
}

TEST(trim_takes_white_space_only)
{
	CHECK(span_equal(trim(SPAN(" \t\r\nab c\n ")), SPAN("ab c")));
	CHECK_EQ(trim(SPAN(" \n")).bytes, 0);
	CHECK_EQ(trim(SPAN("")).bytes, 0);
}

CHECK_MAIN
