// SPDX-License-Identifier: Apache-2.0
/* doctor: everything an operator could have wrong on this machine and with those it talks to, and what to do about it. */
#include "cmd/doctor.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd/check_files.h"
#include "cmd/cmd.h"

#define CONFIG_PATH "/etc/tollbar/tollbar.conf"

static const char usage_text[] =
	"usage: tollbar doctor [-c FILE] [--offline] [--json]\n\n"
	"Looks at the kernel, the limits, the disk, the interface and its filter, and asks the daemon, the model "
	"servers, the\n"
	"facilitators and the nodes of the configuration, as the daemon would.  One line for each thing: ok, warn or "
	"bad, and\n"
	"below what is not ok, what to do.  Changes nothing; as root, or as the daemon's user, it sees most.\n\n"
	"  -c, --config FILE  the daemon's configuration; default " CONFIG_PATH "\n"
	"  --offline          ask nobody: neither the daemon nor anything the configuration names\n"
	"  --json             the same as JSON\n\n"
	"Exit status: 0 nothing is bad, 1 something is, 2 usage.\n";

static const char *const words[DOCTOR_STATES] = {"ok", "warn", "bad"};

static void say_json(bool first, const char *state, const char *area, const char *text, const char *remedy)
{
	char out[4096];
	struct json_writer json;

	json_write_init(&json, out, sizeof out);
	json_write(&json, first ? "{\"checks\":[\n{\"state\":" : ",\n{\"state\":");
	json_write_string(&json, span_str(state));
	json_write(&json, ",\"area\":");
	json_write_string(&json, span_str(area));
	json_write(&json, ",\"text\":");
	json_write_string(&json, span_str(text));
	json_write(&json, ",\"remedy\":");
	if (remedy != NULL)
		json_write_string(&json, span_str(remedy));
	else
		json_write(&json, "null");
	json_write(&json, "}");
	fwrite(out, 1, json_write_done(&json), stdout);
}

void doctor_say(struct doctor *doctor, enum doctor_state state, const char *area, const char *remedy,
		const char *format, ...)
{
	bool first = doctor->cnt[DOCTOR_OK] + doctor->cnt[DOCTOR_WARN] + doctor->cnt[DOCTOR_BAD] == 0;
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	doctor->cnt[state]++;
	if (doctor->as_json) {
		say_json(first, words[state], area, text, remedy);
	} else {
		printf("%-4s  %-11s %s\n", words[state], area, text);
		if (remedy != NULL)
			printf("%18s-> %s\n", "", remedy);
	}
	fflush(stdout); /* the next one may take seconds */
}

/* --- the configuration --- */

/* The mistakes, one a line, are findings each. */
static void say_mistakes(struct doctor *doctor, FILE *mistakes)
{
	char line[1024];

	rewind(mistakes);
	while (fgets(line, sizeof line, mistakes) != NULL) {
		line[strcspn(line, "\n")] = 0;
		doctor_say(doctor, DOCTOR_BAD, "config", "mend that line; tollbar.conf(5) has every setting", "%s",
			   line);
	}
}

static void look_at_config(struct doctor *doctor)
{
	FILE *mistakes = tmpfile();

	if (mistakes == NULL) {
		doctor_say(doctor, DOCTOR_BAD, "config", "make room in /tmp", "no temporary file can be made");
		return;
	}
	int cnt = config_load(&doctor->config, doctor->config_path, mistakes);
	if (cnt >= 0)
		cnt += check_files(&doctor->config, doctor->config_path, mistakes);
	if (cnt < 0)
		doctor_say(doctor, DOCTOR_BAD, "config", "tollbar init writes one; -c FILE names another", "%s: %s",
			   doctor->config_path, strerror(-cnt));
	say_mistakes(doctor, mistakes);
	fclose(mistakes);
	doctor->has_config = cnt == 0;
	if (doctor->has_config)
		doctor_say(doctor, DOCTOR_OK, "config", NULL, "%s: %zu routes, %zu offers", doctor->config_path,
			   doctor->config.route_cnt, doctor->config.offer_cnt);
}

static int examine(struct doctor *doctor)
{
	log_level = LOG_ERROR;
	look_at_config(doctor);
	doctor_machine(doctor);
	if (doctor->has_config) {
		doctor_files(doctor);
		doctor_interface(doctor);
		doctor_peers(doctor);
	}
	unsigned ok = doctor->cnt[DOCTOR_OK], warn = doctor->cnt[DOCTOR_WARN], bad = doctor->cnt[DOCTOR_BAD];
	printf(doctor->as_json ? "\n],\"ok\":%u,\"warn\":%u,\"bad\":%u}\n" : "%u ok, %u warn, %u bad\n", ok, warn, bad);
	return bad == 0 ? 0 : 1;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"offline", no_argument, NULL, 'o'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	static struct doctor doctor; /* large, and there is one */
	int option;

	doctor = (struct doctor){.config_path = CONFIG_PATH};
	optind = 0; /* tests call this more than once */
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c') {
			doctor.config_path = optarg;
		} else if (option == 'o') {
			doctor.offline = true;
		} else if (option == 'j') {
			doctor.as_json = true;
		} else {
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind == argc)
		return examine(&doctor);
	fputs(usage_text, stderr);
	return 2;
}
