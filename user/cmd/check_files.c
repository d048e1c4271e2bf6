// SPDX-License-Identifier: Apache-2.0
#include "cmd/check_files.h"

#include <errno.h>
#include <string.h>

#include "lists.h"
#include "node_tls.h"
#include "payers.h"

int check_unreadable(const char *path, int error, FILE *mistakes)
{
	fprintf(mistakes, "%s:0: cannot be read: %s\n", path, strerror(-error));
	return 1;
}

/* What a loader returned → the number of mistakes. */
static int count(const char *path, int result, FILE *mistakes)
{
	return result >= 0 ? result : check_unreadable(path, result, mistakes);
}

static int check_payers(const char *path, FILE *mistakes)
{
	struct payers *payers = path[0] != 0 ? payers_init(1) : NULL;

	if (path[0] == 0)
		return 0;
	int result = count(path, payers != NULL ? payers_load(payers, path, mistakes) : -ENOMEM, mistakes);
	payers_fini(payers);
	return result;
}

static int check_list(const char *path, FILE *mistakes)
{
	struct prefix_list list = {0};

	if (path[0] == 0)
		return 0;
	int result = count(path, lists_load(&list, path, mistakes), mistakes);
	lists_fini(&list);
	return result;
}

static int check_tls(const struct config *config, const char *path, FILE *mistakes)
{
	char problem[TLS_PROBLEM_BYTES];

	if (node_tls_check(config, problem) == 0)
		return 0;
	fprintf(mistakes, "%s:0: [tls]: %s\n", path, problem);
	return 1;
}

int check_files(const struct config *config, const char *path, FILE *mistakes)
{
	return check_payers(config->payers_file, mistakes) + check_list(config->filter.allow_file, mistakes) +
	       check_list(config->filter.deny_file, mistakes) + check_tls(config, path, mistakes);
}
