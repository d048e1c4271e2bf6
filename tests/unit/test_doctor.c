// SPDX-License-Identifier: Apache-2.0
/* What is the same on every machine: how findings are said, and what is found in a configuration.  What is not, and whoever is
 * asked, are in tests/e2e/doctor.test.mjs and doctor.sh. */
#include "cmd/doctor.c"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_find.h"
#include "capture.h"
#include "check.h"

static char directory[] = "/tmp/tollbar-doctor-XXXXXX";
#define RUN(...) CAPTURE(cmd_doctor, "doctor", __VA_ARGS__)

static const char *file_of(const char *text, mode_t mode)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/conf", directory);
	unlink(path);
	FILE *file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
	return path;
}

#define GOOD                                                                           \
	"[node]\nlisten = 127.0.0.1:8402\n[upstream u]\nurl = http://127.0.0.1:8000\n" \
	"[route r]\nmatch = GET /x\nupstream = u\n"

TEST(as_text)
{
	const char *path = file_of(GOOD, 0600);

	int status = RUN("--offline", "-c", path);
	CHECK(status == 0 || status == 1); /* as the machine is */
	CHECK(strstr(printed, "ok    config      ") == printed);
	CHECK(strstr(printed, "  kernel      Linux ") != NULL);
	CHECK(strstr(printed, "ok    interface   none is named") != NULL);
	CHECK(strstr(printed, "upstream") == NULL); /* nobody was asked */
	const char *last = strstr(printed, " ok, ");
	CHECK(last != NULL && (strstr(last, " 0 bad\n") != NULL) == (status == 0));
}

TEST(as_json)
{
	struct json_value name, value;
	unsigned cnt[DOCTOR_STATES] = {0};
	struct json json;
	const char *path = file_of(GOOD, 0600);

	RUN("--offline", "--json", "-c", path);
	struct span body = span_str(printed);
	json_init(&json, json_find_member(body, "checks"), JSON_DEPTH_MAX, JSON_STRICT);
	CHECK(json_enter(&json, JSON_ARRAY));
	while (json_element(&json)) {
		enum doctor_state state = DOCTOR_STATES;
		bool has_remedy = false;
		CHECK(json_enter(&json, JSON_OBJECT));
		while (json_next(&json, &name)) {
			CHECK(json_read(&json, &value));
			for (unsigned i = 0; json_equals(&name, SPAN("state")) && i < DOCTOR_STATES; i++)
				if (json_equals(&value, span_str(words[i])))
					state = (enum doctor_state)i;
			if (json_equals(&name, SPAN("remedy")))
				has_remedy = value.type == JSON_STRING;
		}
		CHECK(state < DOCTOR_STATES && has_remedy == (state != DOCTOR_OK));
		cnt[state % DOCTOR_STATES]++;
	}
	CHECK(json_end(&json));
	CHECK(cnt[DOCTOR_OK] > 0);
	for (unsigned i = 0; i < DOCTOR_STATES; i++)
		CHECK_EQ(json_find_u64(body, words[i]), cnt[i]);
}

TEST(each_mistake_is_a_finding)
{
	const char *path = file_of("[node]\nlisten = nowhere\nadmin = here\n", 0600);

	CHECK_EQ(RUN("--offline", "-c", path), 1);
	CHECK(strstr(printed, "conf:2: listen = nowhere") != NULL);
	CHECK(strstr(printed, "conf:3: admin = here") != NULL);
	CHECK(strstr(printed, "  interface ") == NULL); /* what follows from it is not looked at */
	CHECK(strstr(printed, "  kernel ") != NULL);
}

TEST(no_file)
{
	CHECK_EQ(RUN("--offline", "-c", "/nonexistent/conf"), 1);
	CHECK(strstr(printed, "bad   config      /nonexistent/conf: No such file") == printed);
	CHECK(strstr(printed, "-> tollbar init writes one") != NULL);
}

TEST(secrets)
{
	static const struct {
		mode_t mode;
		const char *want;
	} rows[] = {
		{0600, "ok    secrets "},
		{0640, "ok    secrets "},
		{0644, "anybody can read it (mode 644)"},
		{0606, "anybody can write to "},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *path = file_of(GOOD "[upstream v]\nurl = http://127.0.0.1:8001\nauthorization = Bearer x\n",
					   rows[i].mode);
		RUN("--offline", "-c", path);
		CHECK_ROW(strstr(printed, rows[i].want) != NULL, rows[i].want);
		CHECK_ROW(strstr(printed, "Bearer") == NULL, rows[i].want);
	}
}

TEST(in_the_wrong_way)
{
	CHECK_EQ(RUN("more"), 2);
	CHECK_EQ(RUN("--nosuch"), 2);
	CHECK_EQ(RUN("-c"), 2);
	CHECK_EQ(RUN("--help"), 0);
	CHECK(strstr(printed, "usage: tollbar doctor") == printed);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mkdtemp(directory) == NULL)
		return 1;
	int status = check_main();
	unlink(file_of("", 0600));
	rmdir(directory);
	return status;
}
