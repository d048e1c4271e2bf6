// SPDX-License-Identifier: Apache-2.0
#include "cmd/ledger_text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/u256.h"
#include "cmd/moment.h"

#define CELL_BYTES_MAX 700 /* a name of 64 bytes in JSON, each escaped to six, and its quotes */

/* --- cells --- */

enum kind { TEXT, NUMBER, TRUTH }; /* how JSON writes it */

static void put_word(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "%s", record->word);
}

static void put_id(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "%" PRIu64, record->id);
}

static void put_state(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "%s", claim_words[record->state]);
}

static void put_offer(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "%s", record->offer.name);
}

static void put_method(char *out, const struct record *record)
{
	static const char *const words[] = {
		[METHOD_EIP3009] = "eip3009", [METHOD_PERMIT2] = "permit2", [METHOD_UPTO] = "upto"};

	snprintf(out, CELL_BYTES_MAX, "%s", words[record->payment.method]);
}

static void put_network(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "eip155:%" PRIu64, record->offer.chain_id);
}

static void put_asset(char *out, const struct record *record)
{
	hex_encode(out, record->offer.asset.at, sizeof record->offer.asset.at);
}

static void put_payer(char *out, const struct record *record)
{
	hex_encode(out, record->payment.from.at, sizeof record->payment.from.at);
}

static void put_pay_to(char *out, const struct record *record)
{
	hex_encode(out, record->offer.pay_to.at, sizeof record->offer.pay_to.at);
}

static void put_nonce(char *out, const struct record *record)
{
	hex_encode(out, record->payment.nonce.at, sizeof record->payment.nonce.at);
}

static void put_amount(char *out, const struct record *record)
{
	u256_print(out, record->offer.amount.at);
}

static void put_due(char *out, const struct record *record)
{
	u256_print(out, record->amount_due.at);
}

static void put_taken(char *out, const struct record *record)
{
	moment_print(out, record->taken_s);
}

static void put_changed(char *out, const struct record *record)
{
	moment_print(out, record->changed_s);
}

static void put_deadline(char *out, const struct record *record)
{
	moment_print(out, record->deadline_s);
}

static void put_attempts(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "%" PRIu32, record->attempts);
}

static void put_in_doubt(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "%s", record->in_doubt ? "true" : "false");
}

static void put_job(char *out, const struct record *record)
{
	snprintf(out, CELL_BYTES_MAX, "%s", record->job);
}

static void put_transaction(char *out, const struct record *record)
{
	out[0] = 0;
	if (record->has_transaction)
		hex_encode(out, record->transaction.at, sizeof record->transaction.at);
}

static const struct column {
	const char *name;
	void (*put)(char *out, const struct record *record); /* NULL: what the chain shows */
	enum kind kind;
	int width; /* in the table; 0: not there */
} columns[] = {
	{"id", put_id, NUMBER, 8},
	{"taken", put_taken, TEXT, 20},
	{"state", put_state, TEXT, 9},
	{"offer", put_offer, TEXT, 14},
	{"method", put_method, TEXT, 0},
	{"network", put_network, TEXT, 0},
	{"asset", put_asset, TEXT, 0},
	{"payer", put_payer, TEXT, 42},
	{"pay_to", put_pay_to, TEXT, 0},
	{"nonce", put_nonce, TEXT, 0},
	{"amount", put_amount, TEXT, 0},
	{"due", put_due, TEXT, 14},
	{"changed", put_changed, TEXT, 0},
	{"deadline", put_deadline, TEXT, 0},
	{"attempts", put_attempts, NUMBER, 8},
	{"in_doubt", put_in_doubt, TRUTH, 8},
	{"transaction", put_transaction, TEXT, 0},
	{"job", put_job, TEXT, 0},
	{"chain", NULL, TEXT, 6},
	{"word", put_word, TEXT, 1},
};

#define COLUMNS (sizeof columns / sizeof *columns)

/* --- rows --- */

static void csv_cell(FILE *out, const char *text)
{
	if (strpbrk(text, ",\"\r\n") == NULL) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text != 0; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void json_cell(FILE *out, const char *text, enum kind kind)
{
	char quoted[6 * CELL_BYTES_MAX + 3];
	struct json_writer json;

	if (kind != TEXT) {
		fputs(text, out);
		return;
	}
	json_write_init(&json, quoted, sizeof quoted);
	json_write_string(&json, span_str(text));
	fputs(quoted, out);
}

static bool is_shown(const struct ledger_writer *writer, const struct column *column)
{
	return (column->put != NULL || writer->with_chain) && (writer->form != LEDGER_TABLE || column->width > 0);
}

static void begin(struct ledger_writer *writer)
{
	if (writer->form == LEDGER_JSON)
		fputs("[", writer->out);
	for (size_t i = 0; i < COLUMNS && writer->form == LEDGER_CSV; i++)
		if (is_shown(writer, &columns[i]))
			fprintf(writer->out, "%s%s", columns[i].name, i + 1 < COLUMNS ? "," : "\r\n");
	for (size_t i = 0; i < COLUMNS && writer->form == LEDGER_TABLE; i++)
		if (is_shown(writer, &columns[i]))
			fprintf(writer->out, "%-*s%s", columns[i].width, columns[i].name,
				i + 1 < COLUMNS ? "  " : "\n");
}

void ledger_text_put(struct ledger_writer *writer, const struct record *record, const char *chain)
{
	char cell[CELL_BYTES_MAX];

	if (writer->cnt == 0)
		begin(writer);
	if (writer->form == LEDGER_JSON)
		fputs(writer->cnt > 0 ? ",\n{" : "\n{", writer->out);
	for (size_t i = 0; i < COLUMNS; i++) {
		bool last = i + 1 == COLUMNS;
		if (!is_shown(writer, &columns[i]))
			continue;
		if (columns[i].put == NULL)
			snprintf(cell, sizeof cell, "%s", chain);
		else
			columns[i].put(cell, record);
		switch (writer->form) {
		case LEDGER_TABLE:
			fprintf(writer->out, "%-*s%s", columns[i].width, cell, last ? "\n" : "  ");
			break;
		case LEDGER_CSV:
			csv_cell(writer->out, cell);
			fputs(last ? "\r\n" : ",", writer->out);
			break;
		case LEDGER_JSON:
			fprintf(writer->out, "\"%s\":", columns[i].name);
			json_cell(writer->out, cell, columns[i].kind);
			fputs(last ? "}" : ",", writer->out);
			break;
		}
	}
	writer->cnt++;
}

void ledger_text_end(struct ledger_writer *writer)
{
	if (writer->cnt == 0)
		begin(writer);
	if (writer->form == LEDGER_JSON)
		fputs("\n]\n", writer->out);
}

/* --- sums --- */

static void add_to(struct word *sum, const struct word *amount)
{
	if (u256_add(sum->at, sum->at, amount->at))
		memset(sum->at, 0xff, sizeof sum->at);
}

void ledger_sums_add(struct ledger_sums *sums, const struct record *record)
{
	size_t i = 0;

	sums->by_state[record->state]++;
	while (i < sums->asset_cnt &&
	       (sums->assets[i].chain_id != record->offer.chain_id ||
		memcmp(&sums->assets[i].asset, &record->offer.asset, sizeof(struct address)) != 0))
		i++;
	if (i == LEDGER_ASSETS_MAX) {
		sums->left_out++;
		return;
	}
	if (i == sums->asset_cnt) {
		sums->assets[i].chain_id = record->offer.chain_id;
		sums->assets[i].asset = record->offer.asset;
		sums->asset_cnt++;
	}
	if (record->state == CLAIM_SETTLED)
		add_to(&sums->assets[i].settled, &record->amount_due);
	else if (record->state == CLAIM_REFUSED || record->state == CLAIM_EXPIRED)
		add_to(&sums->assets[i].lost, &record->amount_due);
	else if (record->state == CLAIM_TAKEN || record->state == CLAIM_FORWARDED)
		add_to(&sums->assets[i].unsettled, &record->offer.amount);
	else if (record->state != CLAIM_RELEASED)
		add_to(&sums->assets[i].unsettled, &record->amount_due);
}

void ledger_sums_print(FILE *out, const struct ledger_sums *sums)
{
	const char *before = "";

	fputc('\n', out);
	for (size_t i = CLAIM_TAKEN; i < CLAIM_STATE_CNT; i++) {
		if (sums->by_state[i] == 0)
			continue;
		fprintf(out, "%s%zu %s", before, sums->by_state[i], claim_words[i]);
		before = ", ";
	}
	fputs(*before == 0 ? "no claims\n" : "\n", out);
	for (size_t i = 0; i < sums->asset_cnt; i++) {
		char asset[HEX_BYTES(sizeof(struct address))], settled[U256_DECIMAL_BYTES],
			unsettled[U256_DECIMAL_BYTES], lost[U256_DECIMAL_BYTES];
		hex_encode(asset, sums->assets[i].asset.at, sizeof(struct address));
		u256_print(settled, sums->assets[i].settled.at);
		u256_print(unsettled, sums->assets[i].unsettled.at);
		u256_print(lost, sums->assets[i].lost.at);
		fprintf(out, "eip155:%" PRIu64 " %s: settled %s, not settled yet %s, refused or expired %s\n",
			sums->assets[i].chain_id, asset, settled, unsettled, lost);
	}
	if (sums->left_out > 0)
		fprintf(out, "and %zu claims in further assets\n", sums->left_out);
}
