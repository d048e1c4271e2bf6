// SPDX-License-Identifier: Apache-2.0
/* admin_text.c: the texts of admin.h: a view of the process → Prometheus exposition, and → JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "admin_funds.h"
#include "admin_native.h"
#include "admin_overhead.h"
#include "admin_queue.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/text.h"
#include "base/u256.h"
#include "claim_record.h"
#include "reason.h"

static const char *const session_words[END_CNT] = {
	[END_IDLE] = "idle",	   [END_SPENT] = "spent",     [END_DEADLINE] = "deadline",
	[END_EVICTED] = "evicted", [END_DRAINED] = "drained",
};

static uint64_t load(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static const char *const verdicts[PACKET_ENDS] = {
	[PACKET_PASSED] = "pass", [PACKET_ANSWERED] = "answer", [PACKET_DROPPED] = "drop"};

/* Without those observed.  The two are counted one after the other, so a picture may catch them in between. */
static uint64_t decided(const struct admin_kernel *kernel, enum reason reason)
{
	uint64_t packets = kernel->packets[reason], observed = kernel->observed[reason];

	return packets > observed ? packets - observed : 0;
}

/* --- Prometheus --- */

static void put_family(struct text *text, const char *name, const char *type, const char *help)
{
	text_put(text, "# HELP tollbar_%s %s\n# TYPE tollbar_%s %s\n", name, help, name, type);
}

static void put_counter(struct text *text, const char *name, const char *help, uint64_t value)
{
	put_family(text, name, "counter", help);
	text_put(text, "tollbar_%s %" PRIu64 "\n", name, value);
}

static void put_gauge(struct text *text, const char *name, const char *help, uint64_t value)
{
	put_family(text, name, "gauge", help);
	text_put(text, "tollbar_%s %" PRIu64 "\n", name, value);
}

/* label: one pair, or "".  Edges are powers of four from 2^10 ns (1 us) to 2^36 ns (69 s), where the histogram's own
 * buckets end. */
static void put_histogram(struct text *text, const char *name, const char *label, const struct histogram *histogram)
{
	const char *comma = *label != '\0' ? "," : "", *open = *label != '\0' ? "{" : "",
		   *close = *label != '\0' ? "}" : "";
	uint64_t count = load(&histogram->count);

	for (unsigned exponent = 10; exponent <= 36; exponent += 2)
		text_put(text, "tollbar_%s_bucket{%s%sle=\"%.12g\"} %" PRIu64 "\n", name, label, comma,
			 ldexp(1e-9, (int)exponent), histogram_below(histogram, exponent));
	text_put(text, "tollbar_%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, label, comma, count);
	text_put(text, "tollbar_%s_sum%s%s%s %.9f\n", name, open, label, close, (double)load(&histogram->sum_ns) / 1e9);
	text_put(text, "tollbar_%s_count%s%s%s %" PRIu64 "\n", name, open, label, close, count);
}

static void put_steps(struct text *text, const struct times *times)
{
	put_family(text, "step_seconds", "histogram",
		   "Time of one step of a request, from the end of the step before.");
	for (unsigned step = 0; step < STEP_CNT; step++) {
		char label[32];

		snprintf(label, sizeof label, "step=\"%s\"", step_words[step]);
		put_histogram(text, "step_seconds", label, &times->steps[step]);
	}
	put_family(text, "overhead_seconds", "histogram",
		   "Paid requests: first byte in to request sent to the model server, but for waiting on the client.");
	put_histogram(text, "overhead_seconds", "", &times->overhead);
	put_family(text, "first_token_seconds", "histogram", "Paid requests: first byte in to first byte out.");
	put_histogram(text, "first_token_seconds", "", &times->first_token);
}

static void put_watching(struct text *text, const struct admin_kernel *kernel)
{
	put_family(text, "standing_sources", "gauge",
		   "Penalised sources: dropped now, or over and remembered for the next time.");
	text_put(text,
		 "tollbar_standing_sources{state=\"dropped\"} %" PRIu64 "\n"
		 "tollbar_standing_sources{state=\"remembered\"} %" PRIu64 "\n",
		 kernel->standing_live, kernel->standing_over);
	put_family(text, "trace_events_total", "counter",
		   "Sampled drops: shown to a tracer, over its rate, or lost because it was too slow.");
	text_put(text,
		 "tollbar_trace_events_total{outcome=\"sent\"} %" PRIu64 "\n"
		 "tollbar_trace_events_total{outcome=\"limited\"} %" PRIu64 "\n"
		 "tollbar_trace_events_total{outcome=\"lost\"} %" PRIu64 "\n",
		 kernel->trace_sent, kernel->trace_limited, kernel->trace_lost);
}

static void put_kernel(struct text *text, const struct admin_kernel *kernel)
{
	put_gauge(text, "filter_attached", "1 when counters come from a filter on the interface.", kernel->attached);
	if (!kernel->attached)
		return;
	put_gauge(text, "filter_generic", "1 when the filter runs in the kernel's slow, generic mode.",
		  kernel->generic);
	put_family(text, "packets_total", "counter",
		   "Packets by the one reason each ended with; with verdict observe they passed.");
	for (size_t i = 0; i < REASON_KERNEL_CNT; i++) {
		enum reason reason = reason_kernel[i];
		enum packet_end end = reason_packet_end(reason);

		text_put(text, "tollbar_packets_total{reason=\"%s\",verdict=\"%s\"} %" PRIu64 "\n", reason_word(reason),
			 verdicts[end], decided(kernel, reason));
		if (end != PACKET_PASSED)
			text_put(text, "tollbar_packets_total{reason=\"%s\",verdict=\"observe\"} %" PRIu64 "\n",
				 reason_word(reason), kernel->observed[reason]);
	}
	put_watching(text, kernel);
}

static uint64_t in_flight(const struct stats *stats)
{
	uint64_t begun = load(&stats->requests);
	uint64_t ended = load(&stats->ended_answered) + load(&stats->ended_refused) + load(&stats->ended_left);

	return begun > ended ? begun - ended : 0; /* each worker is looked at while it goes on */
}

static void put_requests(struct text *text, const struct stats *stats)
{
	put_counter(text, "connections_total", "Client connections accepted.", load(&stats->connections_accepted));
	put_gauge(text, "connections_open", "Client connections open now.", load(&stats->connections_open));
	put_counter(text, "tls_sessions_total", "TLS sessions in which something was asked.",
		    load(&stats->tls_sessions));
	put_counter(text, "tls_resumed_total", "Of them, those that a ticket resumed.", load(&stats->tls_resumed));
	put_counter(text, "requests_total", "Requests of which the first byte arrived.", load(&stats->requests));
	put_family(text, "requests_ended_total", "counter",
		   "Requests that are over; of left ones the client went before its head was whole.");
	text_put(text,
		 "tollbar_requests_ended_total{outcome=\"answered\"} %" PRIu64 "\n"
		 "tollbar_requests_ended_total{outcome=\"refused\"} %" PRIu64 "\n"
		 "tollbar_requests_ended_total{outcome=\"left\"} %" PRIu64 "\n",
		 load(&stats->ended_answered), load(&stats->ended_refused), load(&stats->ended_left));
	put_gauge(text, "requests_in_flight", "Requests that began and are not over.", in_flight(stats));
	put_family(text, "requests_refused_total", "counter", "Requests refused, by reason.");
	for (size_t i = 0; i < REASON_DAEMON_CNT; i++)
		text_put(text, "tollbar_requests_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			 reason_word(reason_daemon[i]), load(&stats->refused[reason_daemon[i]]));
	put_counter(text, "requests_verified_total", "Requests whose signature held.", load(&stats->verified));
	put_family(text, "signatures_total", "counter",
		   "Signatures of good form by the way they were verified; alone is libsecp256k1.");
	text_put(text,
		 "tollbar_signatures_total{way=\"repeated\"} %" PRIu64 "\n"
		 "tollbar_signatures_total{way=\"hot\"} %" PRIu64 "\n"
		 "tollbar_signatures_total{way=\"cold\"} %" PRIu64 "\n"
		 "tollbar_signatures_total{way=\"alone\"} %" PRIu64 "\n",
		 load(&stats->signatures_repeated), load(&stats->signatures_hot), load(&stats->signatures_cold),
		 load(&stats->signatures_alone));
	put_counter(text, "signatures_undecided_total", "Of the hot and cold ones, those libsecp256k1 had to decide.",
		    load(&stats->signatures_undecided));
	put_counter(text, "signer_tables_total", "Tables built for payers seen before.", load(&stats->signer_tables));
	put_counter(text, "requests_claimed_total", "Requests whose payment was claimed.", load(&stats->claimed));
	put_counter(text, "requests_queued_total", "Requests put in line for a model server.", load(&stats->queued));
	put_counter(text, "requests_forwarded_total", "Requests sent to a model server.", load(&stats->forwarded));
	put_counter(text, "requests_served_total", "Paid requests of whose answer a byte was sent.",
		    load(&stats->served));
	put_counter(text, "requests_served_free_total", "Answers on free routes.", load(&stats->free_served));
	put_counter(text, "requests_cancelled_total", "Model server requests cancelled because the client left.",
		    load(&stats->cancelled));
	put_counter(text, "events_relayed_total", "Server-sent events passed on.", load(&stats->events_relayed));
}

static void put_ledger(struct text *text, const struct ledger_stats *ledger)
{
	put_family(text, "claims", "gauge", "Claims by state now.");
	for (unsigned state = CLAIM_TAKEN; state < CLAIM_STATE_CNT; state++)
		text_put(text, "tollbar_claims{state=\"%s\"} %" PRIu64 "\n", claim_words[state],
			 ledger->by_state[state]);
	put_family(text, "claims_ended_total", "counter",
		   "Claims by how they ended; unknown ones are asked for again.");
	text_put(text,
		 "tollbar_claims_ended_total{outcome=\"settled\"} %" PRIu64 "\n"
		 "tollbar_claims_ended_total{outcome=\"refused\"} %" PRIu64 "\n"
		 "tollbar_claims_ended_total{outcome=\"unknown\"} %" PRIu64 "\n"
		 "tollbar_claims_ended_total{outcome=\"released\"} %" PRIu64 "\n",
		 ledger->settled, ledger->refused, ledger->unknown, ledger->released);
	put_gauge(text, "claims_unknown_expired",
		  "Claims on disk whose deadline passed without an answer: somebody must look.",
		  ledger->unknown_expired);
	put_counter(text, "claims_reverted_total",
		    "Settled ones that the chain took back; what can be is settled again.", ledger->reverted);
	put_counter(text, "claims_unchecked_total",
		    "Settled ones not looked up on the chain, for want of room or of an answer.", ledger->unchecked);
	put_family(text, "unsettled", "gauge", "Taken or owed and not settled yet, in atomic units of the asset.");
	for (size_t i = 0; i < ledger->asset_cnt; i++) {
		char asset[HEX_BYTES(sizeof(struct address)) + 1], amount[U256_DECIMAL_BYTES];
		hex_encode(asset, ledger->assets[i].asset.at, sizeof(struct address));
		u256_print(amount, ledger->assets[i].unsettled.at);
		text_put(text, "tollbar_unsettled{network=\"eip155:%" PRIu64 "\",asset=\"%s\"} %s\n",
			 ledger->assets[i].chain_id, asset, amount);
	}
	put_counter(text, "ledger_commits_total", "Group commits of the journal.", ledger->commits);
	put_counter(text, "ledger_commit_errors_total", "Group commits that failed.", ledger->commit_errors);
	put_counter(text, "ledger_records_total", "Records written in group commits.", ledger->records);
	put_counter(text, "ledger_corrupt_total",
		    "Records not trusted, and places where the log lost commits: somebody must look.", ledger->corrupt);
	put_gauge(text, "ledger_up", "0 while the journal cannot be written.", !ledger->store_down);
	put_gauge(text, "ledger_full", "1 while the journal has no room for new claims.", ledger->journal_full);
}

static void put_sessions(struct text *text, const struct session_stats *sessions)
{
	put_gauge(text, "sessions", "Sessions open now.", sessions->open);
	put_gauge(text, "session_requests", "Requests in them now.", sessions->running);
	put_counter(text, "sessions_opened_total", "Sessions opened.", sessions->opened);
	put_counter(text, "session_requests_total", "Requests that drew on a session.", sessions->requests);
	put_family(text, "sessions_ended_total", "counter", "Sessions settled, by why.");
	for (unsigned why = 0; why < END_CNT; why++)
		text_put(text, "tollbar_sessions_ended_total{why=\"%s\"} %" PRIu64 "\n", session_words[why],
			 sessions->ended[why]);
	put_counter(text, "sessions_given_back_total", "Sessions on which nothing was served: not charged.",
		    sessions->given_back);
	put_counter(text, "session_requests_cut_total", "Requests that outlived their session.", sessions->cut);
}

static void put_settle(struct text *text, const struct settle_stats *settle)
{
	put_counter(text, "facilitator_calls_total", "Settlements the facilitator was asked for.", settle->asked);
	put_family(text, "facilitator_answers_total", "counter",
		   "Its answers; unknown is none, or one that says nothing.");
	text_put(text,
		 "tollbar_facilitator_answers_total{outcome=\"settled\"} %" PRIu64 "\n"
		 "tollbar_facilitator_answers_total{outcome=\"refused\"} %" PRIu64 "\n"
		 "tollbar_facilitator_answers_total{outcome=\"unknown\"} %" PRIu64 "\n",
		 settle->settled, settle->refused, settle->unknown);
	put_counter(text, "facilitator_errors_total", "Calls that failed, timed out or were answered by nonsense.",
		    settle->facilitator_errors);
	put_family(text, "data_settlements_total", "counter",
		   "Proofs of nodes: told to the facilitator, given up, without room to wait.");
	text_put(text,
		 "tollbar_data_settlements_total{outcome=\"sent\"} %" PRIu64 "\n"
		 "tollbar_data_settlements_total{outcome=\"failed\"} %" PRIu64 "\n"
		 "tollbar_data_settlements_total{outcome=\"dropped\"} %" PRIu64 "\n"
		 "tollbar_data_settlements_total{outcome=\"undone\"} %" PRIu64 "\n",
		 settle->data.sent, settle->data.failed, settle->data.dropped, settle->data.undone);
	put_gauge(text, "data_settlements_waiting", "Proofs that wait to be told, now.", settle->data.waiting);
}

size_t admin_metrics(char *out, size_t out_bytes, const struct admin_view *view)
{
	struct text text;

	text_init(&text, out, out_bytes);
	put_gauge(&text, "ready", "1 while requests are taken.", view->ready);
	put_gauge(&text, "uptime_seconds", "Since the process started.", view->uptime_s);
	put_gauge(&text, "workers", "Worker threads.", view->worker_cnt);
	put_kernel(&text, &view->kernel);
	put_requests(&text, &view->total);
	if (view->has_ledger) {
		put_ledger(&text, &view->ledger);
		put_settle(&text, &view->settle);
	}
	if (view->has_sessions)
		put_sessions(&text, &view->sessions);
	if (view->funds.chain_cnt > 0)
		admin_funds_metrics(&text, &view->total, &view->funds, view->found);
	if (view->has_native)
		admin_native_metrics(&text, &view->total, &view->results);
	put_family(&text, "access_lines_total", "counter", "Lines of the access log: written, or lost to a full disk.");
	text_put(&text,
		 "tollbar_access_lines_total{outcome=\"written\"} %" PRIu64 "\n"
		 "tollbar_access_lines_total{outcome=\"lost\"} %" PRIu64 "\n",
		 view->access.lines, view->access.lost);
	admin_queue_metrics(&text, view);
	put_steps(&text, &view->times);
	return text_done(&text);
}

/* --- JSON --- */

/* `before` is what stands before the number: comma, name, colon. */
static void write_count(struct json_writer *json, const char *before, uint64_t number)
{
	json_write(json, before);
	json_write_u64(json, number);
}

static void write_bool(struct json_writer *json, const char *before, bool value)
{
	json_write(json, before);
	json_write(json, value ? "true" : "false");
}

static void write_string(struct json_writer *json, const char *before, const char *text)
{
	json_write(json, before);
	json_write_string(json, span_str(text));
}

/* One member of an object of counts; zeros are left out. */
static void write_word(struct json_writer *json, const char **comma, const char *word, uint64_t number)
{
	if (number == 0)
		return;
	write_string(json, *comma, word);
	write_count(json, ":", number);
	*comma = ",";
}

/* The packets that ended one way, by reason; their sum. */
static uint64_t write_ended(struct json_writer *json, const struct admin_kernel *kernel, enum packet_end end)
{
	const char *comma = "";
	uint64_t sum = 0;

	for (size_t i = 0; i < REASON_KERNEL_CNT; i++) {
		enum reason reason = reason_kernel[i];

		if (reason_packet_end(reason) != end)
			continue;
		sum += decided(kernel, reason);
		write_word(json, &comma, reason_word(reason), decided(kernel, reason));
	}
	return sum;
}

static uint64_t write_observed(struct json_writer *json, const struct admin_kernel *kernel)
{
	const char *comma = "";
	uint64_t sum = 0;

	for (size_t i = 0; i < REASON_KERNEL_CNT; i++) {
		sum += kernel->observed[reason_kernel[i]];
		write_word(json, &comma, reason_word(reason_kernel[i]), kernel->observed[reason_kernel[i]]);
	}
	return sum;
}

static void write_packets(struct json_writer *json, const struct admin_kernel *kernel)
{
	json_write(json, ",\"passed\":{");
	uint64_t passed = write_ended(json, kernel, PACKET_PASSED);
	json_write(json, "},\"answered\":{");
	uint64_t answered = write_ended(json, kernel, PACKET_ANSWERED);
	json_write(json, "},\"dropped\":{");
	uint64_t dropped = write_ended(json, kernel, PACKET_DROPPED);
	json_write(json, "},\"observed\":{");
	uint64_t observed = write_observed(json, kernel);
	write_count(json, "},\"packets\":", passed + answered + dropped + observed);
	write_count(json, ",\"packets_passed\":", passed);
	write_count(json, ",\"packets_answered\":", answered);
	write_count(json, ",\"packets_dropped\":", dropped);
	write_count(json, ",\"packets_observed\":", observed);
}

static void write_kernel(struct json_writer *json, const struct admin_kernel *kernel)
{
	write_bool(json, ",\"kernel\":{\"attached\":", kernel->attached);
	write_string(json, ",\"interface\":", kernel->interface);
	write_bool(json, ",\"generic\":", kernel->generic);
	write_packets(json, kernel);
	write_count(json, ",\"standing\":{\"dropped\":", kernel->standing_live);
	write_count(json, ",\"remembered\":", kernel->standing_over);
	write_count(json, "},\"trace\":{\"sent\":", kernel->trace_sent);
	write_count(json, ",\"limited\":", kernel->trace_limited);
	write_count(json, ",\"lost\":", kernel->trace_lost);
	json_write(json, "}}");
}

static void write_requests(struct json_writer *json, const struct stats *stats)
{
	const char *comma = "";
	uint64_t refused = 0;

	write_count(json, ",\"connections\":{\"accepted\":", load(&stats->connections_accepted));
	write_count(json, ",\"open\":", load(&stats->connections_open));
	write_count(json, "},\"requests\":{\"begun\":", load(&stats->requests));
	write_count(json, ",\"in_flight\":", in_flight(stats));
	write_count(json, ",\"ended\":{\"answered\":", load(&stats->ended_answered));
	write_count(json, ",\"refused\":", load(&stats->ended_refused));
	write_count(json, ",\"left\":", load(&stats->ended_left));
	json_write(json, "},\"refused\":{");
	for (size_t i = 0; i < REASON_DAEMON_CNT; i++) {
		uint64_t number = load(&stats->refused[reason_daemon[i]]);

		refused += number;
		write_word(json, &comma, reason_word(reason_daemon[i]), number);
	}
	write_count(json, "},\"refused_total\":", refused);
	write_count(json, ",\"verified\":", load(&stats->verified));
	write_count(json, ",\"claimed\":", load(&stats->claimed));
	write_count(json, ",\"queued\":", load(&stats->queued));
	write_count(json, ",\"forwarded\":", load(&stats->forwarded));
	write_count(json, ",\"served\":", load(&stats->served));
	write_count(json, ",\"served_free\":", load(&stats->free_served));
	write_count(json, ",\"cancelled\":", load(&stats->cancelled));
	write_count(json, ",\"events_relayed\":", load(&stats->events_relayed));
	json_write(json, "}");
}

static void write_verify(struct json_writer *json, const struct admin_view *view)
{
	const struct stats *stats = &view->total;

	write_string(json, ",\"verify\":{\"engine\":", verify_engine_name(view->engine));
	write_count(json, ",\"ways\":{\"repeated\":", load(&stats->signatures_repeated));
	write_count(json, ",\"hot\":", load(&stats->signatures_hot));
	write_count(json, ",\"cold\":", load(&stats->signatures_cold));
	write_count(json, ",\"alone\":", load(&stats->signatures_alone));
	write_count(json, "},\"undecided\":", load(&stats->signatures_undecided));
	write_count(json, ",\"tables\":", load(&stats->signer_tables));
	json_write(json, "}");
}

/* Amounts as strings: JSON's numbers end at 2^53 for many readers. */
static void write_unsettled(struct json_writer *json, const struct ledger_stats *ledger, size_t i)
{
	char asset[HEX_BYTES(sizeof(struct address)) + 1], amount[U256_DECIMAL_BYTES], network[32];

	hex_encode(asset, ledger->assets[i].asset.at, sizeof(struct address));
	u256_print(amount, ledger->assets[i].unsettled.at);
	snprintf(network, sizeof network, "eip155:%" PRIu64, ledger->assets[i].chain_id);
	write_string(json, i == 0 ? "{\"network\":" : ",{\"network\":", network);
	write_string(json, ",\"asset\":", asset);
	write_string(json, ",\"amount\":", amount);
	json_write(json, "}");
}

static void write_sessions(struct json_writer *json, const struct session_stats *sessions)
{
	write_count(json, ",\"sessions\":{\"open\":", sessions->open);
	write_count(json, ",\"running\":", sessions->running);
	write_count(json, ",\"opened\":", sessions->opened);
	write_count(json, ",\"requests\":", sessions->requests);
	for (unsigned why = 0; why < END_CNT; why++) {
		write_string(json, ",", session_words[why]);
		write_count(json, ":", sessions->ended[why]);
	}
	write_count(json, ",\"given_back\":", sessions->given_back);
	write_count(json, ",\"cut\":", sessions->cut);
	json_write(json, "}");
}

static void write_ledger(struct json_writer *json, const struct admin_view *view)
{
	const struct ledger_stats *ledger = &view->ledger;

	json_write(json, ",\"claims\":{");
	for (unsigned state = CLAIM_TAKEN; state < CLAIM_STATE_CNT; state++) {
		write_string(json, state == CLAIM_TAKEN ? "" : ",", claim_words[state]);
		write_count(json, ":", ledger->by_state[state]);
	}
	write_count(json, ",\"unknown_expired\":", ledger->unknown_expired);
	json_write(json, ",\"unsettled\":[");
	for (size_t i = 0; i < ledger->asset_cnt; i++)
		write_unsettled(json, ledger, i);
	write_count(json, "]},\"ledger\":{\"settled\":", ledger->settled);
	write_count(json, ",\"refused\":", ledger->refused);
	write_count(json, ",\"unknown\":", ledger->unknown);
	write_count(json, ",\"released\":", ledger->released);
	write_count(json, ",\"reverted\":", ledger->reverted);
	write_count(json, ",\"unchecked\":", ledger->unchecked);
	write_count(json, ",\"commits\":", ledger->commits);
	write_count(json, ",\"commit_errors\":", ledger->commit_errors);
	write_count(json, ",\"records\":", ledger->records);
	write_count(json, ",\"corrupt\":", ledger->corrupt);
	write_bool(json, ",\"up\":", !ledger->store_down);
	write_bool(json, ",\"full\":", ledger->journal_full);
	write_count(json, "},\"facilitator\":{\"asked\":", view->settle.asked);
	write_count(json, ",\"settled\":", view->settle.settled);
	write_count(json, ",\"refused\":", view->settle.refused);
	write_count(json, ",\"unknown\":", view->settle.unknown);
	write_count(json, ",\"errors\":", view->settle.facilitator_errors);
	write_count(json, ",\"data_sent\":", view->settle.data.sent);
	write_count(json, ",\"data_failed\":", view->settle.data.failed);
	write_count(json, ",\"data_dropped\":", view->settle.data.dropped);
	write_count(json, ",\"data_undone\":", view->settle.data.undone);
	write_count(json, ",\"data_waiting\":", view->settle.data.waiting);
	json_write(json, "}");
}

size_t admin_status(char *out, size_t out_bytes, const struct admin_view *view)
{
	struct json_writer json;

	json_write_init(&json, out, out_bytes);
	write_bool(&json, "{\"ready\":", view->ready);
	if (view->not_ready != NULL)
		write_string(&json, ",\"not_ready\":", view->not_ready);
	else
		json_write(&json, ",\"not_ready\":null");
	write_count(&json, ",\"uptime_s\":", view->uptime_s);
	write_count(&json, ",\"workers\":", view->worker_cnt);
	write_string(&json, ",\"event_loop\":", view->loop);
	write_string(&json, ",\"sandbox\":", view->sandbox);
	write_kernel(&json, &view->kernel);
	write_requests(&json, &view->total);
	write_verify(&json, view);
	if (view->has_ledger)
		write_ledger(&json, view);
	if (view->has_sessions)
		write_sessions(&json, &view->sessions);
	if (view->funds.chain_cnt > 0)
		admin_funds_status(&json, &view->total, &view->funds);
	if (view->has_native)
		admin_native_status(&json, &view->total, &view->results);
	admin_queue_status(&json, view);
	admin_times(&json, &view->times);
	json_write(&json, "}\n");
	return json_write_done(&json);
}
