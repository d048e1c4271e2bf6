// SPDX-License-Identifier: Apache-2.0
/* What others say of themselves: never read outside its bytes, and what is taken from it keeps its form. */
// link: user/survey.c user/network.c user/base/json.c user/base/hex.c user/base/utf8.c user/base/log.c
#include "survey.h"

#include <stdlib.h>
#include <string.h>

#define MUST(expression) ((expression) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes == 0 ? 1 : bytes); /* of its own, so that the sanitizer sees its end */
	static const struct address zero;
	char first[NAME_BYTES_MAX];
	struct address settler;
	uint64_t unix_s = 0;

	MUST(copy != NULL);
	memcpy(copy, data, bytes);
	struct span text = span_of(copy, bytes);
	bool upto = survey_supported(&settler, text, true, 8453) == SURVEY_YES;
	MUST(upto || memcmp(&settler, &zero, sizeof zero) == 0);
	if (survey_supported(&settler, text, false, 84532) == SURVEY_UNREADABLE)
		MUST(!upto);
	int cnt = survey_models(first, text);
	MUST(cnt > 0 || first[0] == 0);
	for (size_t i = 0; first[i] != 0; i++)
		MUST(first[i] > 0x20 && first[i] < 0x7f);
	MUST(!survey_date(&unix_s, text) || unix_s < 253402387200);
	free(copy);
	return 0;
}
