// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TESTS_CONFIG_FIXTURE_H
#define TOLLBAR_TESTS_CONFIG_FIXTURE_H
/* config_fixture.h: a configuration from its text. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config;

/* Parses; mistakes come back as one text. */
static int parse(const char *text, char **mistakes)
{
	static char *kept;
	size_t bytes;

	free(kept);
	kept = NULL;
	FILE *out = open_memstream(&kept, &bytes);
	int cnt = config_parse(&config, "f", text, strlen(text), out);
	fclose(out);
	*mistakes = kept;
	return cnt;
}

#endif
