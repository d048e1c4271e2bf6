// SPDX-License-Identifier: Apache-2.0
// link: user/network.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/hex.c user/base/u256.c user/base/log.c
/* fuzz_settle.c: a facilitator may answer anything: two bytes of status, then the body.  Only a 200 whose JSON has a
 * boolean `success` settles, or a job's that holds such a result; only such a 200 or 4xx refuses; a job's name is fit for a
 * path and the word for a log and a header. */
#include "../../user/settle_message.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static const long usual[] = {200, 202, 400, 402, 409, 429, 500, 503};
	struct settlement settlement;

	if (bytes < 2)
		return 0;
	memset(&settlement, 0xa5, sizeof settlement);
	long status = at[0] % 2 == 0 ? usual[at[1] % 8] : at[1] * 4;
	size_t body_bytes = bytes - 2;
	char *body = malloc(body_bytes); /* of its exact size, so that a read past the end is found */
	memcpy(body, at + 2, body_bytes);
	bool asked_after = at[0] & 2;
	if (asked_after) {
		memset(settlement.job, 0, sizeof settlement.job);
		memcpy(settlement.job, "payment-7", 9);
		settle_job_answer(&settlement, status, body, body_bytes);
	} else {
		settle_answer(&settlement, status, body, body_bytes);
	}
	char job[SETTLE_JOB_BYTES_MAX];
	bool named = settle_data_job(job, span_of(body, body_bytes));
	assert(settlement_job_good(job) && named == (job[0] != 0));
	enum data_job is = settle_data_job_is("payment-7", status, span_of(body, body_bytes));
	assert(is == DATA_JOB_RUNS || status == 200 || (is == DATA_JOB_GONE && (status == 404 || status == 410)));
	free(body);

	switch (settlement.outcome) {
	case CLAIM_SETTLED:
		assert(status == 200 && settlement.word[0] == 0);
		break;
	case CLAIM_REFUSED:
		assert(status == 200 || (status >= 400 && status < 500 && !asked_after));
		assert(settlement.word[0] != 0 && !settlement.has_transaction);
		break;
	default:
		assert(settlement.outcome == CLAIM_UNKNOWN && settlement.word[0] != 0);
	}
	assert(settlement_job_good(settlement.job) && (!settlement.pending || settlement.outcome == CLAIM_UNKNOWN));
	assert(asked_after || settlement.job[0] == 0 || (status == 202 && settlement.pending));
	assert(!asked_after || settlement.job[0] == 0 || strcmp(settlement.job, "payment-7") == 0);
	assert(strnlen(settlement.word, sizeof settlement.word) < sizeof settlement.word);
	for (const char *c = settlement.word; *c != 0; c++)
		assert(*c >= 0x20 && *c < 0x7f);
	if (settlement.outcome != CLAIM_UNKNOWN)
		assert(body_bytes >= sizeof "{\"success\":true}" - 1);
	return 0;
}
