// SPDX-License-Identifier: Apache-2.0
// link: user/payers_list.c user/base/inifile.c user/base/addrtext.c user/base/eip55.c user/base/hex.c user/base/keccak.c user/base/u256.c user/base/siphash.c user/base/log.c -linih
/* fuzz_payers.c: any text gives a list or as many lines of mistakes as are counted, and a refused list changes nothing. */
#include <assert.h>
#include <stdlib.h>

#include "payers.c"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static const struct address strangers[] = {{.at = {1}}, {.at = {[19] = 1}}};
	struct payers *payers = payers_init(2);
	char *mistakes;
	size_t mistakes_bytes;
	FILE *out = open_memstream(&mistakes, &mistakes_bytes);
	const struct payers_list *before = payers->list;
	int cnt = payers_parse(payers, "f", (const char *)at, bytes, out);

	fclose(out);
	assert(cnt >= 0 && (payers->list == before) == (cnt > 0));
	int lines = 0;
	for (const char *line = mistakes; (line = strchr(line, '\n')) != NULL; line++)
		lines++;
	assert(lines == cnt);
	for (size_t i = 0; i < 2; i++) {
		struct word amount = {.at = {[31] = 200}}, spent = {.at = {[31] = 100}};
		unsigned retry_after_s;
		enum reason reason = payers_may(payers, &strangers[i], span_of(at, bytes < 8 ? bytes : 8));
		assert(reason == REASON_OK || reason == PAYER_DENIED || reason == MODEL_DENIED);
		reason = payers_enter(payers, &strangers[i], &amount, 1700000000, &retry_after_s);
		assert((retry_after_s == 0) == (reason == REASON_OK));
		if (reason == REASON_OK)
			payers_leave(payers, &strangers[i], &amount, &spent, 1700000001);
	}
	free(mistakes);
	payers_fini(payers);
	return 0;
}
