// SPDX-License-Identifier: Apache-2.0
#include "cmd/moment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void moment_print(char out[MOMENT_BYTES], uint64_t unix_s)
{
	time_t when = (time_t)unix_s;
	struct tm parts;

	if (gmtime_r(&when, &parts) == NULL || strftime(out, MOMENT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		snprintf(out, MOMENT_BYTES, "%" PRIu64, unix_s);
}

static bool read_number(uint64_t *number, const char *text, size_t *digits)
{
	*digits = strspn(text, "0123456789");
	*number = *digits > 0 && *digits <= 18 ? strtoull(text, NULL, 10) : 0;
	return *digits > 0 && *digits <= 18;
}

bool moment_read(uint64_t *unix_s, const char *text, uint64_t now_s)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S"};
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{0, 0}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	uint64_t number;
	size_t digits;

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm parts = {0};
		const char *end = strptime(text, forms[i], &parts);
		if (end != NULL && *end == 0 && parts.tm_year >= 70) {
			*unix_s = (uint64_t)timegm(&parts);
			return true;
		}
	}
	if (!read_number(&number, text, &digits) || (text[digits] != 0 && text[digits + 1] != 0))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (text[digits] != units[i].unit)
			continue;
		uint64_t ago_s = number < 1000000 ? number * units[i].seconds : now_s;
		*unix_s = i == 0 ? number : ago_s < now_s ? now_s - ago_s : 0;
		return true;
	}
	return false;
}
