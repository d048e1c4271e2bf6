// SPDX-License-Identifier: Apache-2.0
#include "cmd/check.c"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static char directory[] = "/tmp/tollbar-check-XXXXXX";
static char output[8192];

static const char *file_of(const char *name, const char *text)
{
	static char path[4][128];
	static unsigned next;
	char *at = path[next++ % 4];

	snprintf(at, sizeof path[0], "%s/%s", directory, name);
	FILE *file = fopen(at, "w");
	fputs(text, file);
	fclose(file);
	return at;
}

/* Runs the command; what it printed is in `output`. */
static int run(const char *path)
{
	char name[] = "check", file[128];
	char *argv[] = {name, file, NULL};
	FILE *out = tmpfile();
	int kept = dup(STDOUT_FILENO);

	snprintf(file, sizeof file, "%s", path);
	fflush(stdout);
	dup2(fileno(out), STDOUT_FILENO);
	optind = 1;
	int status = cmd_check(2, argv);
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	rewind(out);
	output[fread(output, 1, sizeof output - 1, out)] = 0;
	fclose(out);
	return status;
}

#define GOOD                                                                           \
	"[node]\nlisten = 127.0.0.1:8402\n[upstream u]\nurl = http://127.0.0.1:8000\n" \
	"[route r]\nmatch = GET /x\nupstream = u\n"

TEST(good_file)
{
	char want[256];
	const char *path = file_of("good.conf", GOOD);

	CHECK_EQ(run(path), 0);
	snprintf(want, sizeof want, "%s: ok\n", path);
	CHECK(strncmp(output, want, strlen(want)) == 0);
	CHECK(strstr(output, "route r: GET /x to upstream u, free\n") != NULL);
	unlink(path);
}

TEST(mistakes_of_all_files_at_once)
{
	char text[1024], want[1024];
	const char *payers = file_of("payers.conf", "[list]\nmode = maybe\n");
	const char *deny = file_of("deny.txt", "10.0.0.0/8\n10.0.0.0/40\n");

	snprintf(text, sizeof text,
		 "[node]\nlisten = nowhere\npayers = %s\n[filter]\nallow = %s/none\ndeny = %s\n"
		 "[tls]\nlisten = 127.0.0.1:8443\ncertificate = %s/none\nkey = %s/none\n",
		 payers, directory, deny, directory, directory);
	const char *path = file_of("bad.conf", text);
	CHECK_EQ(run(path), 1);
	snprintf(want, sizeof want, "%s:2: listen = nowhere", path);
	CHECK(strstr(output, want) != NULL);
	snprintf(want, sizeof want, "%s:0: no [route NAME]", path);
	CHECK(strstr(output, want) != NULL);
	snprintf(want, sizeof want, "%s:2: mode = maybe", payers);
	CHECK(strstr(output, want) != NULL);
	snprintf(want, sizeof want, "%s/none:0: cannot be read: ", directory);
	CHECK(strstr(output, want) != NULL);
	snprintf(want, sizeof want, "%s:0: [tls]: certificate %s/none: No such file", path, directory);
	CHECK(strstr(output, want) != NULL);
	snprintf(want, sizeof want, "%s:2: ", deny);
	CHECK(strstr(output, want) != NULL);
	CHECK(strstr(output, ": ok") == NULL);
	unlink(path);
	unlink(payers);
	unlink(deny);
}

TEST(file_that_is_not_there)
{
	CHECK_EQ(run("/nonexistent/tollbar.conf"), 1);
	CHECK(strcmp(output, "/nonexistent/tollbar.conf:0: cannot be read: No such file or directory\n") == 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mkdtemp(directory) == NULL)
		return 1;
	int status = check_main();
	rmdir(directory);
	return status;
}
