// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "config_reader.h"

static const char *const log_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const loop_words[] = {"auto", "io_uring", "epoll", NULL};
static const char *const engine_words[] = {"auto", "libsecp256k1", "portable", "avx512ifma", NULL};
static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const fail_words[] = {"open", "closed", NULL};
static const char *const mode_words[] = {"open", "allow", NULL};
static const char *const syn_words[] = {"off", "auto", "on", NULL};
static const char *const off_on[] = {"off", "on", NULL};
static const char *const proxy_words[] = {"off", "v2", NULL};
static const char *const client_words[] = {"required", "optional", NULL};
static const char *const version_words[] = {"1.2", "1.3", NULL};
static const char *const from_words[] = {"auto", "kernel", "daemon", NULL};
static const char *const bind_words[] = {"off", "accept", "require", NULL};
static const char *const final_words[] = {"confirmations", "safe", "finalized", NULL};
static const char *const funds_words[] = {"off", "cached", "strict", NULL};
static const char *const priority_words[] = {"route", "high", "normal", "low", NULL}; /* route: of an offer */
static const char *const method_words[] = {"eip3009", "permit2", "upto", NULL};

#define FIELD(type, field) .offset = offsetof(type, field), .bytes = sizeof(((type *)0)->field)
#define NODE(field) FIELD(struct config, field)
#define NUMBER(type, name, least, most)                                                    \
	{                                                                                  \
#name, config_set_number, FIELD(type, name), .min = (least), .max = (most) \
	}
#define MINUTES_MS(n) ((n)*60000u)

static const struct setting node_settings[] = {
	{"listen", config_set_listen, .repeatable = true},
	{"admin", config_set_socket, NODE(admin)},
	{"interface", config_set_interface, NODE(interface)},
	{"public_url", config_set_base_url, NODE(public_url)},
	{"state", config_set_text, NODE(state_directory)},
	{"payers", config_set_text, NODE(payers_file)},
	{"access_log", config_set_text, NODE(access_log)},
	{"server_timing", config_set_choice, NODE(server_timing), .words = no_yes},
	NUMBER(struct config, workers, 0, 256),
	NUMBER(struct config, connections, 1, 1 << 20),
	NUMBER(struct config, body_bytes_max, 1 << 10, 1 << 30),
	NUMBER(struct config, response_bytes_max, 1 << 10, 1 << 30),
	NUMBER(struct config, queue_requests, 1, 1 << 20),
	NUMBER(struct config, queue_bytes, 1 << 10, 1ull << 40),
	NUMBER(struct config, claims, 1 << 10, 1 << 28),
	NUMBER(struct config, sessions, 1, 1 << 20),
	NUMBER(struct config, ledger_bytes, 1 << 20, 1ull << 42),
	NUMBER(struct config, keep_s, 86400,
	       10 * 366 * 86400ull), /* a day at least: today's spend is rebuilt from it */
	{"event_loop", config_set_choice, NODE(event_loop), .words = loop_words},
	{"sandbox", config_set_choice, NODE(sandbox), .words = off_on},
	{"engine", config_set_choice, NODE(engine), .words = engine_words},
	NUMBER(struct config, signer_cache_bytes, 1 << 20, 1ull << 36),
	{"trusted_proxy", config_set_proxy, .repeatable = true},
	{"proxy_protocol", config_set_choice, NODE(proxied), .words = proxy_words},
	{"log", config_set_choice, NODE(log_level), .words = log_words, .min = LOG_ERROR},
	{0},
};

#define LIMIT(name, least, most)                                                                  \
	{                                                                                         \
#name, config_set_number, NODE(filter.limits.name), .min = (least), .max = (most) \
	}

static const struct setting filter_settings[] = {
	{"mode", config_set_choice, NODE(filter.allow_mode), .words = mode_words},
	{"observe", config_set_choice, NODE(filter.observe), .words = no_yes},
	{"allow", config_set_text, NODE(filter.allow_file)},
	{"deny", config_set_text, NODE(filter.deny_file)},
	{"penalty_failures", config_set_number, NODE(filter.penalty_failures), .max = 1 << 20},
	{"penalty_window_s", config_set_number, NODE(filter.penalty_window_s), .min = 1, .max = 86400},
	{"penalty_s", config_set_number, NODE(filter.penalty_s), .min = 1, .max = 7 * 86400},
	{"fail", config_set_choice, NODE(filter.fail_closed), .words = fail_words},
	{"fail_s", config_set_number, NODE(filter.fail_s), .min = 3, .max = 3600},
	{"checksum", config_set_choice, NODE(filter.checksum), .words = no_yes},
	LIMIT(packets_per_s, 0, RATE_MAX),
	LIMIT(packets_burst, 0, BURST_MAX),
	LIMIT(connections_per_s, 0, RATE_MAX),
	LIMIT(connections_burst, 0, BURST_MAX),
	LIMIT(limit_ip4_bits, 1, 32),
	LIMIT(limit_ip6_bits, 1, 64),
	{"limit_listed", config_set_choice, NODE(filter.limits.limit_listed), .words = no_yes},
	{"syn_cookies", config_set_choice, NODE(filter.syn_cookies), .words = syn_words},
	{"syn_cookies_per_s", config_set_number, NODE(filter.syn_cookies_per_s), .min = 1, .max = RATE_MAX},
	{0},
};

#define FACILITATOR(field) FIELD(struct config_facilitator, field)
static const struct setting facilitator_settings[] = {
	{"url", config_set_base_url, FACILITATOR(url), .required = true},
	{"authorization", config_set_text, FACILITATOR(authorization), .secret = true},
	{"ca_file", config_set_text, FACILITATOR(ca_file)},
	{"timeout_ms", config_set_number, FACILITATOR(timeout_ms), .min = 100, .max = MINUTES_MS(10)},
	{"in_flight", config_set_number, FACILITATOR(in_flight), .min = 1, .max = 1024},
	{"settle_data", config_set_choice, FACILITATOR(settle_data), .words = off_on},
	{0},
};

#define NATIVE(field) FIELD(struct config_native, field)
static const struct setting native_settings[] = {
	{"listen", config_set_native_listen, .repeatable = true},
	NUMBER(struct config_native, requests, 1, 1 << 20),
	NUMBER(struct config_native, results, 1, 1 << 22),
	NUMBER(struct config_native, results_bytes, 1 << 20, 1ull << 40),
	NUMBER(struct config_native, keep_s, 1, 86400),
	{"cookies", config_set_choice, NATIVE(cookies), .words = syn_words},
	NUMBER(struct config_native, cookies_per_s, 1, RATE_MAX),
	{"cookies_from", config_set_choice, NATIVE(cookies_from), .words = from_words},
	{"knock", config_set_choice, NATIVE(knock), .words = no_yes},
	NUMBER(struct config_native, knock_s, 1, 86400),
	{0},
};

#define TLS(field) NODE(tls.field)
static const struct setting tls_settings[] = {
	{"listen", config_set_tls_listen, .repeatable = true},
	{"certificate", config_set_text, TLS(certificate)},
	{"key", config_set_text, TLS(key)},
	{"client_ca", config_set_text, TLS(client_ca)},
	{"client", config_set_choice, TLS(client_optional), .words = client_words},
	{"min", config_set_choice, TLS(only_13), .words = version_words},
	{"proxy_protocol", config_set_choice, TLS(proxied), .words = proxy_words},
	{0},
};

#define TIMEOUT(name) NUMBER(struct config_timeouts, name, 1, MINUTES_MS(24 * 60))
static const struct setting timeout_settings[] = {
	TIMEOUT(head_ms),  TIMEOUT(body_ms),	TIMEOUT(idle_ms),	TIMEOUT(send_ms),
	TIMEOUT(queue_ms), TIMEOUT(connect_ms), TIMEOUT(first_byte_ms), TIMEOUT(token_ms),
	TIMEOUT(total_ms), TIMEOUT(settle_ms),	TIMEOUT(drain_ms),	{0},
};

#define UPSTREAM(field) FIELD(struct config_upstream, field)
static const struct setting upstream_settings[] = {
	{"url", config_set_upstream_url, UPSTREAM(url), .required = true},
	{"in_flight", config_set_number, UPSTREAM(in_flight), .min = 1, .max = 1 << 16},
	{"check", config_set_check, UPSTREAM(check)},
	NUMBER(struct config_upstream, check_ms, 100, MINUTES_MS(60)),
	NUMBER(struct config_upstream, check_timeout_ms, 10, MINUTES_MS(1)),
	{"authorization", config_set_text, UPSTREAM(authorization), .secret = true},
	{0},
};

#define OFFER(field) FIELD(struct offer, field)
static const struct setting offer_settings[] = {
	{"method", config_set_choice, OFFER(method), .words = method_words, .min = METHOD_EIP3009, .required = true},
	{"network", config_set_network, OFFER(chain_id), .required = true},
	{"asset", config_set_address, OFFER(asset), .required = true},
	{"pay_to", config_set_address, OFFER(pay_to), .required = true},
	{"amount", config_set_amount, OFFER(amount), .required = true},
	{"unsettled_max", config_set_limit, OFFER(unsettled_max)},
	{"payer_unsettled_max", config_set_limit, OFFER(payer_unsettled_max)},
	{"max_timeout_s", config_set_number, OFFER(max_timeout_s), .min = SETTLE_MARGIN_S + 1, .max = 86400},
	{"token_name", config_set_text, OFFER(token_name)},
	{"token_version", config_set_text, OFFER(token_version)},
	{"facilitator", config_set_address, OFFER(facilitator)},
	{"settle_by", config_set_names, FIELD(struct section, settle_by)},
	{"priority", config_set_choice, OFFER(priority), .words = priority_words},
	{"input_per_mtok", config_set_price, OFFER(input_per_mtok)},
	{"output_per_mtok", config_set_price, OFFER(output_per_mtok)},
	{"session_reserve", config_set_amount, OFFER(session_reserve)},
	{"token_usd", config_set_usd, OFFER(token_usd), .min = 1},
	{"token_decimals", config_set_number, OFFER(token_decimals), .max = TOKEN_DECIMALS_MAX},
	{0},
};

#define PRICE(field) FIELD(struct model_price, field)
static const struct setting price_settings[] = {
	{"model", config_set_text, PRICE(model)},
	{"input_usd_per_mtok", config_set_usd, PRICE(input_usd), .required = true},
	{"output_usd_per_mtok", config_set_usd, PRICE(output_usd), .required = true},
	{0},
};

#define CHAIN(field) FIELD(struct config_chain, field)
static const struct setting chain_settings[] = {
	{"network", config_set_network, CHAIN(chain_id), .required = true},
	{"rpc", config_set_base_url, CHAIN(rpc), .required = true, .secret = true}, /* keys are often part of it */
	{"authorization", config_set_text, CHAIN(authorization), .secret = true},
	{"ca_file", config_set_text, CHAIN(ca_file)},
	{"funds", config_set_choice, CHAIN(funds), .words = funds_words},
	NUMBER(struct config_chain, max_age_s, 1, 3600),
	NUMBER(struct config_chain, lag_s, 0, 600),
	NUMBER(struct config_chain, suspect_s, 0, 86400),
	{"timeout_ms", config_set_number, CHAIN(timeout_ms), .min = 100, .max = MINUTES_MS(1)},
	NUMBER(struct config_chain, in_flight, 1, 64),
	NUMBER(struct config_chain, batch, 1, CHAIN_BATCH_MAX),
	{"exposure", config_set_price, CHAIN(exposure)},
	{"final", config_set_choice, CHAIN(final), .words = final_words},
	NUMBER(struct config_chain, confirmations, 0, 100),
	NUMBER(struct config_chain, recheck_s, 0, 3600),
	{"contracts", config_set_choice, CHAIN(contracts), .words = no_yes},
	{"erc6492_factories", config_set_factories, CHAIN(factories)},
	{0},
};

#define ROUTE(field) FIELD(struct config_route, field)
static const struct setting route_settings[] = {
	{"match", config_set_match, .required = true},
	{"offers", config_set_names, FIELD(struct section, offers)},
	{"upstream", config_set_names, FIELD(struct section, upstream), .required = true},
	{"priority", config_set_choice, ROUTE(priority), .words = priority_words + 1, .min = PRIORITY_HIGH},
	{"bind_body", config_set_choice, ROUTE(bind_body), .words = bind_words},
	{"session", config_set_choice, ROUTE(session.on), .words = off_on},
	{"session_idle_s", config_set_number, ROUTE(session.idle_s), .min = 1, .max = 86400},
	{"session_margin_s", config_set_number, ROUTE(session.margin_s), .min = 2 * (SETTLE_MARGIN_S + 4),
	 .max = 86400},
	{"native", config_set_number, ROUTE(native), .max = ROUTE_NATIVE_MAX},
	{"tee", config_set_choice, ROUTE(tee), .words = no_yes},
	{"description", config_set_text, ROUTE(description)},
	{"mime_type", config_set_text, ROUTE(mime_type)},
	{0},
};

static const struct kind {
	const char *name;
	const struct setting *settings;
	/* one per name: */
	size_t array, stride, max,
		count; /* in struct config: offset of the array, size and number of elements, its count */
} kinds[SECTION_KINDS] = {
#define MANY(array, limit, counter) \
	offsetof(struct config, array), sizeof(((struct config *)0)->array[0]), limit, offsetof(struct config, counter)
	[SECTION_NODE] = {"node", node_settings, 0, 0, 0, 0},
	[SECTION_FILTER] = {"filter", filter_settings, 0, 0, 0, 0},
	[SECTION_FACILITATOR] = {"facilitator", facilitator_settings, 0, 0, 0, 0},
	[SECTION_TIMEOUTS] = {"timeouts", timeout_settings, 0, 0, 0, 0},
	[SECTION_NATIVE] = {"native", native_settings, 0, 0, 0, 0},
	[SECTION_TLS] = {"tls", tls_settings, 0, 0, 0, 0},
	[SECTION_UPSTREAM] = {"upstream", upstream_settings, MANY(upstreams, UPSTREAMS_MAX, upstream_cnt)},
	[SECTION_OFFER] = {"offer", offer_settings, MANY(offers, OFFERS_MAX, offer_cnt)},
	[SECTION_CHAIN] = {"chain", chain_settings, MANY(chains, CHAINS_MAX, chain_cnt)},
	[SECTION_ROUTE] = {"route", route_settings, MANY(routes, ROUTES_MAX, route_cnt)},
	[SECTION_ALTERNATE] = {"facilitator", facilitator_settings,
			       MANY(alternates, FACILITATORS_MAX - 1, alternate_cnt)},
	[SECTION_PRICE] = {"price", price_settings, MANY(prices, PRICES_MAX, price_cnt)},
};
_Static_assert(sizeof node_settings / sizeof node_settings[0] <= SECTION_KEYS_MAX,
	       "key_line covers the largest section");
/* Every named struct starts with its name, so that one function gives and finds names. */
_Static_assert(offsetof(struct config_facilitator, name) == 0 && offsetof(struct config_upstream, name) == 0 &&
		       offsetof(struct offer, name) == 0 && offsetof(struct config_route, name) == 0 &&
		       offsetof(struct model_price, name) == 0 && offsetof(struct config_chain, name) == 0,
	       "name comes first");

/* Of each section that may be there several times. */
static void set_named_defaults(struct config *config)
{
	for (size_t i = 0; i < FACILITATORS_MAX - 1; i++)
		config->alternates[i] = config->facilitator;
	for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
		config->upstreams[i].in_flight = 64;
		config->upstreams[i].check_ms = 5000;
		config->upstreams[i].check_timeout_ms = 2000;
	}
	for (size_t i = 0; i < OFFERS_MAX; i++)
		config->offers[i].max_timeout_s = 60;
	for (size_t i = 0; i < CHAINS_MAX; i++) {
		struct config_chain *chain = &config->chains[i];
		chain->funds = FUNDS_CACHED;
		chain->max_age_s = 30;
		chain->lag_s = 5;
		chain->suspect_s = 300;
		chain->timeout_ms = 2000;
		chain->in_flight = 4;
		chain->confirmations = 12;
		chain->recheck_s = 60;
		chain->batch = 32;
	}
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		memcpy(config->routes[i].mime_type, "application/json", sizeof "application/json");
		config->routes[i].priority = PRIORITY_NORMAL;
		config->routes[i].session = (struct config_session){.idle_s = 100, .margin_s = 60};
		config->routes[i].native = ROUTE_NOT_NATIVE;
	}
}

static void set_defaults(struct config *config)
{
	*config = (struct config){
		.connections = 1024,
		.body_bytes_max = 1 << 20,
		.response_bytes_max = 4 << 20,
		.queue_requests = 256,
		.queue_bytes = 64 << 20,
		.claims = 262144,
		.sessions = 4096,
		.ledger_bytes = 1 << 30,
		.keep_s = 604800,
		.sandbox = true,
		.signer_cache_bytes = 64 << 20,
		.log_level = LOG_INFO,
		.filter = {.penalty_failures = 20,
			   .penalty_window_s = 10,
			   .penalty_s = 60,
			   .fail_s = 10,
			   .limits = {.limit_ip4_bits = 32, .limit_ip6_bits = 64},
			   .syn_cookies_per_s = 1000},
		.native = {.requests = 4096,
			   .results = 8192,
			   .results_bytes = 64 << 20,
			   .keep_s = 300,
			   .cookies = SYN_COOKIES_AUTO,
			   .cookies_per_s = 20000,
			   .knock_s = 300},
		.facilitator = {.timeout_ms = 10000, .in_flight = 32},
		.timeouts =
			{
				.head_ms = 5000,
				.body_ms = 30000,
				.idle_ms = 60000,
				.send_ms = 30000,
				.queue_ms = 30000,
				.connect_ms = 2000,
				.first_byte_ms = 120000,
				.token_ms = 30000,
				.total_ms = 600000,
				.settle_ms = 30000,
				.drain_ms = 300000,
			},
	};
	const struct sockaddr_in admin = {
		.sin_family = AF_INET, .sin_port = htons(9402), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	memcpy(&config->admin, &admin, sizeof admin);
	set_named_defaults(config);
}

const struct setting *config_settings(enum section_kind kind)
{
	return kinds[kind].settings;
}

bool config_has_key(const struct section *section, const char *key)
{
	const struct setting *settings = kinds[section->kind].settings;

	for (size_t i = 0; settings[i].key != NULL; i++)
		if (strcmp(settings[i].key, key) == 0)
			return section->key_line[i] != 0;
	return false;
}

unsigned config_key_line(const struct section *section, const char *key)
{
	const struct setting *settings = kinds[section->kind].settings;

	for (size_t i = 0; settings[i].key != NULL; i++)
		if (strcmp(settings[i].key, key) == 0 && section->key_line[i] != 0)
			return section->key_line[i];
	return section->line;
}

static bool name_good(const char *name)
{
	size_t bytes = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return bytes > 0 && name[bytes] == 0;
}

/* The section of that kind and name seen before, or NULL. */
static struct section *section_find(struct reader *reader, enum section_kind kind, const char *name)
{
	for (size_t i = 0; i < reader->section_cnt; i++) {
		struct section *section = &reader->sections[i];
		if (section->kind == kind && (kind < SECTION_UPSTREAM || strcmp(section->target, name) == 0))
			return section;
	}
	return NULL;
}

static void section_open(struct reader *reader, struct section *section, enum section_kind kind, void *target)
{
	free(section->offers);
	free(section->settle_by);
	free(section->upstream);
	*section = (struct section){.kind = kind, .line = reader->line, .target = target};
	reader->current = section;
}

static void *element(struct config *config, const struct kind *kind, size_t idx)
{
	return (char *)config + kind->array + idx * kind->stride;
}

/* Where the settings of a section go of which there is one. */
static void *single(struct config *config, enum section_kind kind)
{
	switch (kind) {
	case SECTION_TIMEOUTS:
		return &config->timeouts;
	case SECTION_FACILITATOR:
		return &config->facilitator;
	case SECTION_NATIVE:
		return &config->native;
	default:
		return config;
	}
}

static void section_start(struct reader *reader, enum section_kind kind_idx, const char *name)
{
	const struct kind *kind = &kinds[kind_idx];
	size_t *count = (size_t *)((char *)reader->config + kind->count);
	struct section *before = section_find(reader, kind_idx, name);

	if (before == NULL && (kind->max == 0 || *count < kind->max)) {
		void *target = single(reader->config, kind_idx);
		if (kind->max != 0) {
			target = element(reader->config, kind, (*count)++);
			memcpy(target, name, strlen(name) + 1);
		}
		section_open(reader, &reader->sections[reader->section_cnt++], kind_idx, target);
		return;
	}
	if (before != NULL)
		inifile_mistake(reader->ini, reader->line, "[%s%s%s] again; it began at line %u", kind->name,
				*name != 0 ? " " : "", name, before->line);
	else
		inifile_mistake(reader->ini, reader->line, "[%s %s]: at most %zu sections of this kind", kind->name,
				name, kind->max);
	set_defaults(&reader->spare_config);
	section_open(reader, &reader->spare, kind_idx,
		     kind->max != 0 ? element(&reader->spare_config, kind, 0)
				    : single(&reader->spare_config, kind_idx));
}

static void take_section(struct reader *reader, const char *text)
{
	size_t kind_bytes = strcspn(text, " \t");
	const char *name = text + kind_bytes + strspn(text + kind_bytes, " \t");

	reader->current = NULL;
	for (unsigned kind = 0; kind < SECTION_KINDS; kind++) {
		if (strlen(kinds[kind].name) != kind_bytes || memcmp(kinds[kind].name, text, kind_bytes) != 0)
			continue;
		if (kind == SECTION_FACILITATOR && *name != 0)
			continue; /* SECTION_ALTERNATE has the same word, and a name */
		if (kinds[kind].max == 0 && *name != 0)
			inifile_mistake(reader->ini, reader->line, "[%s]: this section takes no name", text);
		else if (kinds[kind].max != 0 && !name_good(name))
			inifile_mistake(reader->ini, reader->line,
					"[%s]: needs a name of letters, digits, '.', '_', '-'", text);
		else
			section_start(reader, (enum section_kind)kind, name);
		return;
	}
	inifile_mistake(reader->ini, reader->line, "unknown section [%s]", text);
}

static void take_setting(struct reader *reader, const char *key, const char *value)
{
	struct section *section = reader->current;
	const struct setting *settings = kinds[section->kind].settings;
	size_t i = 0;

	while (settings[i].key != NULL && strcmp(settings[i].key, key) != 0)
		i++;
	const struct setting *setting = &settings[i];
	if (setting->key == NULL) {
		inifile_mistake(reader->ini, reader->line, "unknown setting %s in [%s]", key,
				kinds[section->kind].name);
		return;
	}
	if (section->key_line[i] != 0 && !setting->repeatable) {
		inifile_mistake(reader->ini, reader->line, "%s again; it was set at line %u", key,
				section->key_line[i]);
		return;
	}
	section->key_line[i] = reader->line;
	reader->setting = setting;
	/* Names of other sections wait in the reader; everything else goes into the configuration. */
	char *base = setting->set == config_set_names ? (char *)section : section->target;
	setting->set(reader, setting, base + setting->offset, value);
}

static void take(void *ctx, unsigned line, const char *section, const char *key, const char *value)
{
	struct reader *reader = ctx;

	reader->line = line;
	if (key == NULL)
		take_section(reader, section);
	else if (reader->current != NULL)
		take_setting(reader, key, value);
}

void config_value_mistake(struct reader *reader, const char *value, const char *what)
{
	if (reader->setting->secret)
		inifile_mistake(reader->ini, reader->line, "%s: %s", reader->setting->key, what);
	else
		inifile_mistake(reader->ini, reader->line, "%s = %s: %s", reader->setting->key, value, what);
}

static void reader_fini(struct reader *reader)
{
	for (size_t i = 0; i < reader->section_cnt; i++) {
		free(reader->sections[i].offers);
		free(reader->sections[i].settle_by);
		free(reader->sections[i].upstream);
	}
	free(reader->spare.offers);
	free(reader->spare.settle_by);
	free(reader->spare.upstream);
	free(reader);
}

int config_parse(struct config *config, const char *name, const char *text, size_t text_bytes, FILE *mistakes)
{
	struct reader *reader = calloc(1, sizeof *reader);

	if (reader == NULL)
		return -ENOMEM;
	struct inifile ini = {.name = name, .mistakes = mistakes, .take = take, .ctx = reader};
	reader->ini = &ini;
	reader->config = config;
	set_defaults(config);
	inifile_parse(&ini, text, text_bytes);
	config_check(reader);
	reader_fini(reader);
	return ini.mistake_cnt;
}

int config_load(struct config *config, const char *path, FILE *mistakes)
{
	char *text;
	size_t text_bytes;
	int err = inifile_slurp(path, &text, &text_bytes);

	if (err != 0)
		return err;
	int mistake_cnt = config_parse(config, path, text, text_bytes, mistakes);
	free(text);
	return mistake_cnt;
}
