// SPDX-License-Identifier: Apache-2.0
#include "jansson_names.h"

#include "admin_text.c"

#include <ctype.h>
#include <stdlib.h>

#include "check.h"

static char out[ADMIN_TEXT_BYTES_MAX];
static struct admin_view view; /* 100 KiB */

/* A view in which every number is different. */
static void fill_kernel(void)
{
	view.kernel.attached = view.kernel.generic = true;
	strcpy(view.kernel.interface, "eth0");
	view.kernel.packets[PASS_OPEN] = 5001;
	view.kernel.packets[TCP_FLAGS] = 5002;
	view.kernel.observed[TCP_FLAGS] = 2;
	view.kernel.packets[NOT_ALLOWED] = 5;
	view.kernel.standing_live = 5101;
	view.kernel.standing_over = 5102;
	view.kernel.trace_sent = 5103;
	view.kernel.trace_limited = 5104;
	view.kernel.trace_lost = 5105;
	view.kernel.observed[NOT_ALLOWED] = 6; /* caught between the two */
	view.kernel.packets[SYN_COOKIE] = 5010;
	view.kernel.observed[SYN_COOKIE] = 10;
}

static void fill_money(void)
{
	for (unsigned state = CLAIM_TAKEN; state <= CLAIM_EXPIRED; state++)
		view.ledger.by_state[state] = 3000 + state;
	view.ledger.settled = 3101;
	view.ledger.refused = 3102;
	view.ledger.unknown = 3103;
	view.ledger.released = 3104;
	view.ledger.commits = 3105;
	view.ledger.commit_errors = 3106;
	view.ledger.records = 3107;
	view.ledger.corrupt = 3108;
	view.ledger.unknown_expired = 3109;
	view.ledger.reverted = 3110;
	view.ledger.unchecked = 3111;
	view.ledger.asset_cnt = 1;
	view.ledger.assets[0].chain_id = 8453;
	memset(view.ledger.assets[0].asset.at, 0xab, 20);
	memset(view.ledger.assets[0].unsettled.at, 0xff, 32);
	view.settle = (struct settle_stats){
		.asked = 3201,
		.settled = 3202,
		.refused = 3203,
		.unknown = 3204,
		.facilitator_errors = 3205,
		.data = {.sent = 3206, .failed = 3207, .dropped = 3208, .waiting = 3209, .undone = 3210}};
}

static void fill_native(void)
{
	view.has_native = true;
	view.total.datagrams = 1201;
	view.total.native_taken = 1202;
	view.total.native_repeats = 1203;
	view.total.receipts = 1204;
	view.total.knocks = 1208;
	view.total.replies_dropped = 1205;
	view.total.refused[NATIVE_COOKIE] = 1206;
	view.total.refused[NATIVE_REPLAY] = 1207;
	view.results = (struct results_stats){.running = 1211,
					      .kept = 1212,
					      .unread = 1220,
					      .bytes = 1213,
					      .bytes_max = 1214,
					      .begun = 1215,
					      .full = 1216,
					      .evicted = 1217,
					      .evicted_unread = 1218,
					      .expired_unread = 1219};
}

static void fill_view(void)
{
	uint64_t n = 1000;

	memset(&view, 0, sizeof view);
	view.ready = true;
	view.uptime_s = 3723;
	view.worker_cnt = 2;
	view.loop = "epoll";
	view.sandbox = "on";
	view.engine = ENGINE_AVX512;
	view.total.signatures_repeated = 1101;
	view.total.signatures_hot = 1102;
	view.total.signatures_cold = 1103;
	view.total.signatures_alone = 1104;
	view.total.signatures_undecided = 1105;
	view.total.signer_tables = 1106;
	view.total.connections_accepted = ++n; /* 1001 */
	view.total.connections_open = ++n;
	view.total.requests = ++n;
	view.total.free_served = ++n;
	view.total.verified = ++n;
	view.total.claimed = ++n;
	view.total.queued = ++n;
	view.total.forwarded = ++n;
	view.total.served = ++n;
	view.total.cancelled = ++n;
	view.total.events_relayed = ++n; /* 1011 */
	for (size_t i = 0; i < REASON_DAEMON_CNT; i++)
		view.total.refused[reason_daemon[i]] = 2000 + (uint64_t)reason_daemon[i];
	for (unsigned step = 0; step < STEP_CNT; step++)
		for (unsigned i = 0; i <= step; i++)
			histogram_add(&view.times.steps[step], 10 * step);
	for (unsigned i = 0; i < 100; i++) {
		histogram_add(&view.times.overhead, i < 98 ? 142000 : 310000);
		histogram_add(&view.times.first_token, 35100000);
	}
	fill_native();
	view.has_ledger = view.has_sessions = true;
	view.sessions = (struct session_stats){.open = 3301,
					       .running = 3302,
					       .opened = 3303,
					       .requests = 3304,
					       .ended = {3310, 3311, 3312, 3313, 3314},
					       .given_back = 3305,
					       .cut = 3306};
	fill_money();
	view.queue_requests = 4001;
	view.queue_bytes = 4002;
	view.queue_displaced = 4009;
	view.queue_requests_max = 4003;
	view.queue_bytes_max = 4004;
	view.upstreams[0].name = "gpu";
	view.upstreams[0].queue.in_flight = 4005;
	view.upstreams[0].in_flight_max = 4006;
	view.upstreams[1].name = "a \"b\" \\c";
	view.upstreams[1].queue.in_flight = 4007;
	view.upstreams[1].in_flight_max = 4008;
	view.upstreams[1].queue.state = HEALTH_OUT;
	view.upstreams[1].queue.requests = 4010;
	view.upstreams[1].queue.failures = 4011;
	view.upstreams[1].queue.outages = 4012;
	view.upstreams[1].queue.moved = 4013;
	view.upstream_cnt = 2;
	fill_kernel();
}

static void check_has(const char *text, const char *line)
{
	char with_ends[512];

	snprintf(with_ends, sizeof with_ends, "\n%s\n", line);
	CHECK_ROW(strstr(text, with_ends) != NULL, line);
}

TEST(metrics_hold_every_number_of_a_view)
{
	static const char *const lines[] = {
		"tollbar_uptime_seconds 3723",
		"tollbar_workers 2",
		"tollbar_datagrams_total 1201",
		"tollbar_native_taken_total 1202",
		"tollbar_native_repeats_total 1203",
		"tollbar_receipts_total 1204",
		"tollbar_knocks_total 1208",
		"tollbar_replies_dropped_total 1205",
		"tollbar_datagrams_refused_total{reason=\"native_cookie\"} 1206",
		"tollbar_datagrams_refused_total{reason=\"native_length\"} 0",
		"tollbar_datagrams_refused_total{reason=\"native_replay\"} 1207",
		"tollbar_results_running 1211",
		"# TYPE tollbar_results_kept gauge",
		"tollbar_results_kept 1212",
		"tollbar_results_unread 1220",
		"tollbar_results_bytes 1213",
		"tollbar_results_bytes_max 1214",
		"tollbar_results_begun_total 1215",
		"tollbar_results_full_total 1216",
		"tollbar_results_evicted_total 1217",
		"tollbar_results_evicted_unread_total 1218",
		"tollbar_results_expired_unread_total 1219",
		"# HELP tollbar_connections_total Client connections accepted.",
		"# TYPE tollbar_connections_total counter",
		"tollbar_connections_total 1001",
		"# TYPE tollbar_connections_open gauge",
		"tollbar_connections_open 1002",
		"tollbar_requests_total 1003",
		"tollbar_requests_served_free_total 1004",
		"tollbar_requests_verified_total 1005",
		"tollbar_signatures_total{way=\"repeated\"} 1101",
		"tollbar_signatures_total{way=\"hot\"} 1102",
		"tollbar_signatures_total{way=\"cold\"} 1103",
		"tollbar_signatures_total{way=\"alone\"} 1104",
		"tollbar_signatures_undecided_total 1105",
		"tollbar_signer_tables_total 1106",
		"tollbar_requests_claimed_total 1006",
		"tollbar_requests_queued_total 1007",
		"tollbar_requests_forwarded_total 1008",
		"tollbar_requests_served_total 1009",
		"tollbar_requests_cancelled_total 1010",
		"tollbar_events_relayed_total 1011",
		"tollbar_claims{state=\"taken\"} 3001",
		"tollbar_claims{state=\"released\"} 3008",
		"tollbar_claims_ended_total{outcome=\"settled\"} 3101",
		"tollbar_claims_ended_total{outcome=\"refused\"} 3102",
		"tollbar_claims_ended_total{outcome=\"unknown\"} 3103",
		"tollbar_claims_ended_total{outcome=\"released\"} 3104",
		"tollbar_sessions 3301",
		"tollbar_session_requests 3302",
		"tollbar_sessions_opened_total 3303",
		"tollbar_session_requests_total 3304",
		"tollbar_sessions_ended_total{why=\"idle\"} 3310",
		"tollbar_sessions_ended_total{why=\"spent\"} 3311",
		"tollbar_sessions_ended_total{why=\"deadline\"} 3312",
		"tollbar_sessions_ended_total{why=\"evicted\"} 3313",
		"tollbar_sessions_ended_total{why=\"drained\"} 3314",
		"tollbar_sessions_given_back_total 3305",
		"tollbar_session_requests_cut_total 3306",
		"tollbar_ledger_commits_total 3105",
		"tollbar_ledger_commit_errors_total 3106",
		"tollbar_ledger_records_total 3107",
		"tollbar_ledger_corrupt_total 3108",
		"tollbar_claims_unknown_expired 3109",
		"tollbar_claims_reverted_total 3110",
		"tollbar_claims_unchecked_total 3111",
		"tollbar_unsettled{network=\"eip155:8453\",asset=\"0xabababababababababababababababababababab\"} "
		"115792089237316195423570985008687907853269984665640564039457584007913129639935",
		"tollbar_ledger_up 1",
		"tollbar_ledger_full 0",
		"tollbar_facilitator_calls_total 3201",
		"tollbar_facilitator_answers_total{outcome=\"settled\"} 3202",
		"tollbar_facilitator_answers_total{outcome=\"refused\"} 3203",
		"tollbar_facilitator_answers_total{outcome=\"unknown\"} 3204",
		"tollbar_facilitator_errors_total 3205",
		"tollbar_data_settlements_total{outcome=\"sent\"} 3206",
		"tollbar_data_settlements_total{outcome=\"failed\"} 3207",
		"tollbar_data_settlements_total{outcome=\"dropped\"} 3208",
		"tollbar_data_settlements_total{outcome=\"undone\"} 3210",
		"tollbar_data_settlements_waiting 3209",
		"tollbar_queue_requests 4001",
		"tollbar_queue_bytes 4002",
		"tollbar_queue_requests_max 4003",
		"tollbar_queue_bytes_max 4004",
		"tollbar_queue_displaced_total 4009",
		"tollbar_filter_attached 1",
		"tollbar_filter_generic 1",
		"tollbar_packets_total{reason=\"pass_open\",verdict=\"pass\"} 5001",
		"tollbar_packets_total{reason=\"syn_cookie\",verdict=\"answer\"} 5000",
		"tollbar_packets_total{reason=\"syn_cookie\",verdict=\"observe\"} 10",
		"tollbar_packets_total{reason=\"tcp_flags\",verdict=\"drop\"} 5000",
		"tollbar_packets_total{reason=\"tcp_flags\",verdict=\"observe\"} 2",
		"tollbar_packets_total{reason=\"not_allowed\",verdict=\"drop\"} 0",
		"tollbar_packets_total{reason=\"blocked\",verdict=\"drop\"} 0",
		"tollbar_standing_sources{state=\"dropped\"} 5101",
		"tollbar_standing_sources{state=\"remembered\"} 5102",
		"tollbar_trace_events_total{outcome=\"sent\"} 5103",
		"tollbar_trace_events_total{outcome=\"limited\"} 5104",
		"tollbar_trace_events_total{outcome=\"lost\"} 5105",
		"# TYPE tollbar_step_seconds histogram",
		"tollbar_step_seconds_bucket{step=\"verify\",le=\"1.024e-06\"} 7",
		"tollbar_step_seconds_bucket{step=\"verify\",le=\"+Inf\"} 7",
		"tollbar_step_seconds_sum{step=\"verify\"} 0.000000420",
		"tollbar_step_seconds_count{step=\"verify\"} 7",
		"# TYPE tollbar_overhead_seconds histogram",
		"tollbar_overhead_seconds_bucket{le=\"6.5536e-05\"} 0",
		"tollbar_overhead_seconds_bucket{le=\"0.000262144\"} 98",
		"tollbar_overhead_seconds_bucket{le=\"0.001048576\"} 100",
		"tollbar_overhead_seconds_bucket{le=\"68.719476736\"} 100",
		"tollbar_overhead_seconds_sum 0.014536000",
		"tollbar_overhead_seconds_count 100",
		"tollbar_first_token_seconds_bucket{le=\"0.067108864\"} 100",
	};

	fill_view();
	CHECK(admin_metrics(out, sizeof out, &view) > 0);
	CHECK(strncmp(out, "# HELP tollbar_ready ", 21) == 0);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		check_has(out, lines[i]);
	for (size_t i = 0; i < REASON_DAEMON_CNT; i++) {
		char line[128];

		snprintf(line, sizeof line, "tollbar_requests_refused_total{reason=\"%s\"} %u",
			 reason_word(reason_daemon[i]), 2000 + (unsigned)reason_daemon[i]);
		check_has(out, line);
	}
}

/* name of a sample line up to its labels or value */
static size_t name_bytes(const char *line)
{
	return strcspn(line, "{ ");
}

/* The exposition's rules: each family has HELP and TYPE once, before its samples, which stand together; counters end in
 * _total; names and values are well-formed. */
TEST(metrics_keep_the_rules_of_the_format)
{
	char family[128] = "", type[32] = "", *save = NULL, seen[8192] = "\n";

	fill_view();
	CHECK(admin_metrics(out, sizeof out, &view) > 0);
	for (char *line = strtok_r(out, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		char again[130], *end;

		if (sscanf(line, "# HELP %127s", family) == 1) {
			snprintf(again, sizeof again, "\n%s\n", family);
			CHECK_ROW(strstr(seen, again) == NULL, line);
			snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s", again + 1);
			line = strtok_r(NULL, "\n", &save);
			CHECK_ROW(sscanf(line, "# TYPE %127s %31s", again, type) == 2 && strcmp(again, family) == 0,
				  line);
			CHECK_ROW((strcmp(type, "counter") == 0) ==
					  (strcmp(family + strlen(family) - strlen("_total"), "_total") == 0),
				  line);
			continue;
		}
		CHECK_ROW(strncmp(line, family, strlen(family)) == 0, line);
		CHECK_ROW(strcmp(type, "histogram") == 0 ? name_bytes(line) > strlen(family)
							 : name_bytes(line) == strlen(family),
			  line);
		strtod(strrchr(line, ' ') + 1, &end);
		CHECK_ROW(*end == '\0', line);
		for (size_t i = 0; i < name_bytes(line); i++)
			CHECK_ROW(islower(line[i]) || line[i] == '_', line);
	}
}

TEST(without_filter_and_ledger_their_families_are_absent)
{
	fill_view();
	view.kernel.attached = false;
	view.has_ledger = view.has_sessions = false;
	CHECK(admin_metrics(out, sizeof out, &view) > 0);
	check_has(out, "tollbar_filter_attached 0");
	CHECK(strstr(out, "tollbar_packets_total") == NULL);
	CHECK(strstr(out, "tollbar_claims") == NULL);
	CHECK(strstr(out, "tollbar_facilitator") == NULL);
	CHECK(admin_status(out, sizeof out, &view) > 0);
	CHECK(strstr(out, "\"claims\"") == NULL);
}

/* The number at a path of dots. */
static long long at_path(json_t *json, const char *path)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof copy, "%s", path);
	for (char *name = strtok_r(copy, ".", &save); name != NULL; name = strtok_r(NULL, ".", &save)) {
		json = isdigit(*name) ? json_array_get(json, (size_t)atoi(name)) : json_object_get(json, name);
		CHECK_ROW(json != NULL, path);
	}
	return json_is_true(json) ? 1 : json_integer_value(json);
}

TEST(status_holds_every_number_of_a_view)
{
	static const struct {
		const char *path;
		long long value;
	} rows[] = {
		{"ready", 1},
		{"uptime_s", 3723},
		{"workers", 2},
		{"kernel.attached", 1},
		{"kernel.generic", 1},
		{"kernel.passed.pass_open", 5001},
		{"kernel.answered.syn_cookie", 5000},
		{"kernel.observed.syn_cookie", 10},
		{"kernel.dropped.tcp_flags", 5000},
		{"kernel.observed.tcp_flags", 2},
		{"kernel.observed.not_allowed", 6},
		{"kernel.packets", 5001 + 5010 + 5000 + 8},
		{"kernel.packets_passed", 5001},
		{"kernel.packets_answered", 5000},
		{"kernel.packets_dropped", 5000},
		{"kernel.packets_observed", 8 + 10},
		{"kernel.standing.dropped", 5101},
		{"kernel.standing.remembered", 5102},
		{"kernel.trace.sent", 5103},
		{"kernel.trace.limited", 5104},
		{"kernel.trace.lost", 5105},
		{"connections.accepted", 1001},
		{"connections.open", 1002},
		{"requests.begun", 1003},
		{"requests.served_free", 1004},
		{"requests.verified", 1005},
		{"requests.claimed", 1006},
		{"requests.queued", 1007},
		{"requests.forwarded", 1008},
		{"requests.served", 1009},
		{"requests.cancelled", 1010},
		{"requests.events_relayed", 1011},
		{"requests.refused.signature_bad", 2102},
		{"verify.ways.repeated", 1101},
		{"verify.ways.hot", 1102},
		{"verify.ways.cold", 1103},
		{"verify.ways.alone", 1104},
		{"verify.undecided", 1105},
		{"verify.tables", 1106},
		{"native.datagrams", 1201},
		{"native.taken", 1202},
		{"native.repeats", 1203},
		{"native.receipts", 1204},
		{"native.knocks", 1208},
		{"native.replies_dropped", 1205},
		{"native.refused.native_cookie", 1206},
		{"native.refused.native_replay", 1207},
		{"results.running", 1211},
		{"results.kept", 1212},
		{"results.unread", 1220},
		{"results.bytes", 1213},
		{"results.bytes_max", 1214},
		{"results.begun", 1215},
		{"results.full", 1216},
		{"results.evicted", 1217},
		{"results.evicted_unread", 1218},
		{"results.expired_unread", 1219},
		{"claims.taken", 3001},
		{"claims.forwarded", 3002},
		{"claims.owed", 3003},
		{"claims.settling", 3004},
		{"claims.settled", 3005},
		{"claims.refused", 3006},
		{"claims.unknown", 3007},
		{"claims.released", 3008},
		{"claims.expired", 3009},
		{"claims.unknown_expired", 3109},
		{"ledger.settled", 3101},
		{"sessions.open", 3301},
		{"sessions.idle", 3310},
		{"sessions.drained", 3314},
		{"sessions.cut", 3306},
		{"ledger.refused", 3102},
		{"ledger.unknown", 3103},
		{"ledger.released", 3104},
		{"ledger.commits", 3105},
		{"ledger.commit_errors", 3106},
		{"ledger.records", 3107},
		{"ledger.corrupt", 3108},
		{"ledger.reverted", 3110},
		{"ledger.unchecked", 3111},
		{"ledger.up", 1},
		{"facilitator.asked", 3201},
		{"facilitator.settled", 3202},
		{"facilitator.refused", 3203},
		{"facilitator.unknown", 3204},
		{"facilitator.errors", 3205},
		{"facilitator.data_sent", 3206},
		{"facilitator.data_failed", 3207},
		{"facilitator.data_dropped", 3208},
		{"facilitator.data_waiting", 3209},
		{"facilitator.data_undone", 3210},
		{"queue.requests", 4001},
		{"queue.bytes", 4002},
		{"queue.requests_max", 4003},
		{"queue.bytes_max", 4004},
		{"upstreams.0.in_flight", 4005},
		{"upstreams.0.in_flight_max", 4006},
		{"upstreams.1.in_flight", 4007},
		{"upstreams.1.in_flight_max", 4008},
		{"queue.displaced", 4009},
		{"upstreams.1.requests", 4010},
		{"upstreams.1.failures", 4011},
		{"upstreams.1.outages", 4012},
		{"upstreams.1.moved", 4013},
		{"steps.verify.count", 7},
		{"steps.verify.p50_ns", 61}, /* 60 and 61 share a bucket */
		{"steps.verify.mean_ns", 60},
		{"overhead.count", 100},
		{"overhead.p50_ns", 147455},
		{"overhead.p99_ns", 311295},
		{"overhead.mean_ns", 145360},
		{"first_token.p50_ns", 35651583},
	};
	json_t *json;
	long long refused = 0;

	fill_view();
	CHECK(admin_status(out, sizeof out, &view) > 0);
	json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json != NULL);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(at_path(json, rows[i].path) == rows[i].value, rows[i].path);
	CHECK(json_is_null(json_object_get(json, "not_ready")));
	CHECK_EQ(json_object_size(json_object_get(json, "steps")), STEP_CNT);
	for (size_t i = 0; i < REASON_DAEMON_CNT; i++)
		refused += 2000 + (long long)reason_daemon[i];
	CHECK_EQ(at_path(json, "requests.refused_total"), refused);
	CHECK(strcmp(json_string_value(json_object_get(json_array_get(json_object_get(json, "upstreams"), 1), "name")),
		     "a \"b\" \\c") == 0);
	CHECK(fabs(json_real_value(json_object_get(json, "overhead_share")) - 147455.0 / 35651583) < 1e-6);
	json_decref(json);
}

static void fill_chains(const char *name)
{
	view.total.funds_known = 7001;
	view.total.funds_asked = 7002;
	view.total.funds_blind = 7003;
	view.funds.accounts = 7004;
	view.funds.chain_cnt = 2;
	view.funds.chains[0].name = name;
	view.funds.chains[0].asker =
		(struct asker_stats){.requests = 7101, .calls = 7102, .errors = 7103, .ahead = 7104, .down = true};
	view.funds.chains[1].name = "two";
	for (size_t i = 0; i < LOOK_END_CNT; i++)
		view.found[i] = 7301 + i;
}

TEST(funds_are_shown_where_a_chain_is_asked)
{
	static const char *const lines[] = {
		"tollbar_funds_total{way=\"known\"} 7001\n",
		"tollbar_funds_total{way=\"asked\"} 7002\n",
		"tollbar_funds_total{way=\"blind\"} 7003\n",
		"tollbar_funds_accounts 7004\n",
		"tollbar_chain_requests_total{chain=\"one\"} 7101\n",
		"tollbar_chain_calls_total{chain=\"one\"} 7102\n",
		"tollbar_chain_errors_total{chain=\"one\"} 7103\n",
		"tollbar_chain_ahead_total{chain=\"one\"} 7104\n",
		"tollbar_chain_up{chain=\"one\"} 0\n",
		"tollbar_chain_up{chain=\"two\"} 1\n",
		"tollbar_chain_found_total{found=\"chain_unclear\"} 7301\n",
		"tollbar_chain_found_total{found=\"chain_nonce_cancelled\"} 7303\n",
		"tollbar_chain_found_total{found=\"chain_never_paid\"} 7305\n",
		"tollbar_chain_found_total{found=\"chain_reorganised\"} 7306\n",
	};

	fill_view();
	CHECK(admin_metrics(out, sizeof out, &view) > 0);
	CHECK(strstr(out, "tollbar_funds") == NULL && strstr(out, "tollbar_chain") == NULL);
	fill_chains("one");
	CHECK(admin_metrics(out, sizeof out, &view) > 0);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		CHECK_ROW(strstr(out, lines[i]) != NULL, lines[i]);
	CHECK(admin_status(out, sizeof out, &view) > 0);
	json_t *json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	CHECK_NEED(json != NULL);
	CHECK_EQ(at_path(json, "funds.held"), 7001 + 7002 + 7003);
	CHECK_EQ(at_path(json, "funds.ways.blind"), 7003);
	CHECK_EQ(at_path(json, "funds.accounts"), 7004);
	CHECK_EQ(at_path(json, "funds.chains.one.up"), 0);
	CHECK_EQ(at_path(json, "funds.chains.one.calls"), 7102);
	CHECK_EQ(at_path(json, "funds.chains.two.up"), 1);
	json_decref(json);
}

TEST(status_before_anything_happened)
{
	json_t *json;

	memset(&view, 0, sizeof view);
	view.sandbox = "on";
	view.loop = "io_uring";
	view.not_ready = "starting";
	CHECK(admin_status(out, sizeof out, &view) > 0);
	json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json != NULL);
	CHECK_EQ(at_path(json, "ready"), 0);
	CHECK(strcmp(json_string_value(json_object_get(json, "not_ready")), "starting") == 0);
	CHECK(json_is_null(json_object_get(json, "overhead_share")));
	CHECK_EQ(json_object_size(json_object_get(json_object_get(json, "requests"), "refused")), 0);
	json_decref(json);
}

TEST(the_largest_texts_fit_and_smaller_buffers_say_so)
{
	static char name[NAME_BYTES_MAX];
	size_t metrics_bytes, status_bytes;

	fill_view();
	memset(&view.total, 0xff, sizeof view.total); /* the longest numbers */
	memset(name, '\1', sizeof name - 1);
	for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
		view.upstreams[i].name = name;
		view.upstreams[i].in_flight_max = UINT64_MAX;
		view.upstreams[i].queue = (struct queue_upstream_stats){UINT32_MAX, HEALTH_TRIED, UINT64_MAX,
									UINT64_MAX, UINT64_MAX,	  UINT64_MAX};
	}
	view.upstream_cnt = UPSTREAMS_MAX;
	memset(&view.funds, 0xff, sizeof view.funds);
	view.funds.chain_cnt = CHAINS_MAX;
	for (size_t i = 0; i < CHAINS_MAX; i++) {
		view.funds.chains[i].name = name;
		view.funds.chains[i].asker.down = true;
	}
	metrics_bytes = admin_metrics(out, sizeof out, &view);
	status_bytes = admin_status(out, sizeof out, &view);
	CHECK(metrics_bytes > 0 && metrics_bytes < sizeof out / 2);
	CHECK(status_bytes > 0 && status_bytes < sizeof out / 2);
	CHECK_EQ(admin_metrics(out, metrics_bytes, &view), 0);
	CHECK_EQ(admin_metrics(out, metrics_bytes + 1, &view), metrics_bytes);
	CHECK_EQ(admin_status(out, status_bytes, &view), 0);
	CHECK_EQ(admin_status(out, status_bytes + 1, &view), status_bytes);
}

CHECK_MAIN
