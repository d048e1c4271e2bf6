// SPDX-License-Identifier: Apache-2.0
#include "cmd/init.c"
#include "cmd/init_text.c"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/u256.h"
#include "capture.h"
#include "check.h"

#define PAYEE "0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"

TEST(amounts)
{
	static const struct {
		const char *price;
		unsigned decimals;
		const char *want; /* NULL: none */
	} rows[] = {
		{"0.01", 6, "10000"},
		{"1", 6, "1000000"},
		{"12.5", 6, "12500000"},
		{".5", 1, "5"},
		{"7.", 0, "7"},
		{"0.000001", 6, "1"},
		{"0.1", 18, "100000000000000000"},
		{"007", 0, "7"},
		{"0", 6, NULL},
		{"0.000", 6, NULL},
		{"0.0000001", 6, NULL},
		{"1.2.3", 6, NULL},
		{"-1", 6, NULL},
		{"1e3", 6, NULL},
		{"1,5", 6, NULL},
		{" 1", 6, NULL},
		{"", 6, NULL},
		{".", 6, NULL},
		{"1234567890123456789012345678901234567890123456789012345678901", 6, NULL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[128] = "";
		bool is = init_amount(out, sizeof out, rows[i].price, rows[i].decimals);
		CHECK_ROW(is == (rows[i].want != NULL), rows[i].price);
		CHECK_ROW(!is || strcmp(out, rows[i].want) == 0, rows[i].price);
	}
}

static struct init_plan plan_of(const struct init_asset *asset)
{
	struct init_plan plan = {.asset = asset,
				 .pay_to = PAYEE,
				 .facilitator = "https://127.0.0.1",
				 .upstream = "http://127.0.0.1:8000",
				 .listen = "127.0.0.1:8402",
				 .state = "/var/lib/tollbar"};

	snprintf(plan.price, sizeof plan.price, "%s", asset->price);
	return plan;
}

TEST(what_is_written_is_a_configuration)
{
	static struct config config;
	char text[INIT_TEXT_BYTES_MAX], amount[U256_DECIMAL_BYTES];

	for (size_t i = 0; i < 2 * INIT_ASSETS; i++) {
		struct init_plan plan = plan_of(&init_assets[i / 2]);
		if (i % 2 == 1) {
			snprintf(plan.rpc, sizeof plan.rpc, "http://127.0.0.1:8545");
			snprintf(plan.interface, sizeof plan.interface, "eth1");
			snprintf(plan.public_url, sizeof plan.public_url, "https://node.example.com");
		}
		size_t bytes = init_text(text, sizeof text, &plan);
		CHECK(bytes > 0);
		CHECK_EQ(config_parse(&config, "init", text, bytes, stdout), 0);
		CHECK_EQ(config.offer_cnt, 1);
		CHECK_EQ(config.route_cnt, 2);
		CHECK_EQ(config.routes[0].offer_cnt, 1);
		CHECK_EQ(config.routes[1].offer_cnt, 0);
		CHECK_EQ(config.chain_cnt, i % 2);
		CHECK(strcmp(config.interface, plan.interface) == 0);
		CHECK_EQ(config.offers[0].chain_id, network_of_caip2(span_str(plan.asset->network)));
		CHECK_EQ(config.offers[0].method, plan.asset->token_name != NULL ? METHOD_EIP3009 : METHOD_PERMIT2);
		u256_print(amount, config.offers[0].amount.at);
		char want[128];
		CHECK(init_amount(want, sizeof want, plan.price, plan.asset->decimals) && strcmp(amount, want) == 0);
	}
}

static char directory[] = "/tmp/tollbar-init-XXXXXX";

/* Runs the command, quietly.  words: what follows the file's name. */
static int run_init(const char *path, const char *const *words)
{
	const char *given[24] = {"--offline", "-o", path};

	for (int i = 3; *words != NULL; words++)
		given[i++] = *words;
	return capture_run(cmd_init, "init", given);
}
#define RUN(path, ...) run_init(path, (const char *const[]){"--yes", __VA_ARGS__, NULL})

TEST(a_file_is_made_once)
{
	static struct config config;
	char path[128];
	struct stat about;

	snprintf(path, sizeof path, "%s/conf", directory);
	CHECK_EQ(RUN(path, "--pay-to", PAYEE), 0);
	CHECK_EQ(config_load(&config, path, stdout), 0);
	CHECK(stat(path, &about) == 0 && (about.st_mode & 0137) == 0);
	CHECK_EQ(RUN(path, "--pay-to", PAYEE, "--price", "5"), 1);
	struct stat again;
	CHECK(stat(path, &again) == 0 && again.st_ino == about.st_ino && again.st_size == about.st_size);
	unlink(path);
	/* nor through a link to nowhere */
	CHECK(symlink("/nonexistent/x", path) == 0);
	CHECK_EQ(RUN(path, "--pay-to", PAYEE), 1);
	unlink(path);
	CHECK_EQ(RUN("/nonexistent/conf", "--pay-to", PAYEE), 1);
}

TEST(what_is_missing_or_wrong)
{
	static const struct {
		const char *words[6];
		int want;
	} rows[] = {
		{{NULL}, 2},
		{{"--pay-to", "0x17"}, 2},
		{{"--pay-to", "0x17c5185167401ed00cF5F5b2fc97D9BBfDb7D025"}, 2}, /* the checksum */
		{{"--pay-to", PAYEE, "--asset", "gold"}, 2},
		{{"--pay-to", PAYEE, "--asset", "usdc-base"}, 2}, /* which facilitator? */
		{{"--pay-to", PAYEE, "--price", "0"}, 2},
		{{"--pay-to", PAYEE, "--price", "0.0000001"}, 2},
		{{"--pay-to", PAYEE, "--upstream", "http://127.0.0.1:1\n[x]"}, 2},
		{{"--pay-to", PAYEE, "--state", "/a ;b"}, 2},
		{{"--pay-to", PAYEE, "--listen", "nowhere"}, 1},
		{{"--pay-to", PAYEE, "--upstream", "ftp://127.0.0.1"}, 1},
		{{"--pay-to", PAYEE, "--interface", "far-too-long-a-name"}, 2},
		{{"--pay-to", PAYEE, "more"}, 2},
		{{"--nosuch"}, 2},
	};
	char path[128];

	snprintf(path, sizeof path, "%s/conf", directory);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_EQ(RUN(path, rows[i].words[0], rows[i].words[1], rows[i].words[2], rows[i].words[3]),
			 rows[i].want);
		CHECK_ROW(access(path, F_OK) != 0, rows[i].words[0] != NULL ? rows[i].words[0] : "nothing");
	}
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
