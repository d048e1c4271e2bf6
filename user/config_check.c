// SPDX-License-Identifier: Apache-2.0
/* config_check.c: what only the whole file shows: settings that are missing, names that nobody has, settings that
 * contradict each other.  Also fills what is made of several settings. */
#include <arpa/inet.h>

#include "base/u256.h"
#include "config_reader.h"

static void mistake_at_key(struct reader *reader, const struct section *section, const char *key, const char *what)
{
	inifile_mistake(reader->ini, config_key_line(section, key), "%s: %s", key, what);
}

/* At the section's line; 0 when the whole section is missing. */
static void check_required(struct reader *reader, const struct section *section, const char *kind, const char *name)
{
	const struct setting *settings = config_settings(section->kind);

	for (size_t i = 0; settings[i].key != NULL; i++)
		if (settings[i].required && section->key_line[i] == 0)
			inifile_mistake(reader->ini, section->line, "[%s%s%s]: %s is missing", kind,
					*name != 0 ? " " : "", name, settings[i].key);
}

/* [node], [facilitator], ...: there is one, or an empty one stands for it. */
static const struct section *find_single(const struct reader *reader, enum section_kind kind)
{
	static const struct section missing[SECTION_UPSTREAM] = {
		[SECTION_NODE] = {.kind = SECTION_NODE},
		[SECTION_FILTER] = {.kind = SECTION_FILTER},
		[SECTION_FACILITATOR] = {.kind = SECTION_FACILITATOR},
		[SECTION_TIMEOUTS] = {.kind = SECTION_TIMEOUTS},
		[SECTION_NATIVE] = {.kind = SECTION_NATIVE},
		[SECTION_TLS] = {.kind = SECTION_TLS},
	};

	for (size_t i = 0; i < reader->section_cnt; i++)
		if (reader->sections[i].kind == kind)
			return &reader->sections[i];
	return &missing[kind];
}

static void check_offer_method(struct reader *reader, const struct section *section, const struct offer *offer)
{
	static const struct {
		const char *key;
		enum method method;
		bool exclusive; /* no other method may have it */
	} rules[] = {
		{"token_name", METHOD_EIP3009, false},
		{"token_version", METHOD_EIP3009, false},
		{"facilitator", METHOD_UPTO, true},
	};

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		bool has = config_has_key(section, rules[i].key);
		if (offer->method == rules[i].method && !has)
			inifile_mistake(reader->ini, section->line, "[offer %s]: %s is missing", offer->name,
					rules[i].key);
		if (offer->method != rules[i].method && rules[i].exclusive && has)
			mistake_at_key(reader, section, rules[i].key, "only an upto offer has it");
	}
	if (offer->method == METHOD_EIP3009 && config_has_key(section, "token_name") && offer->token_name[0] == 0)
		mistake_at_key(reader, section, "token_name", "empty");
	if (offer->method == METHOD_EIP3009 && config_has_key(section, "token_version") && offer->token_version[0] == 0)
		mistake_at_key(reader, section, "token_version", "empty");
}

/* An upto offer has prices of its own, or goes by model; no other offer meters. */
static void check_offer_price(struct reader *reader, const struct section *section, const struct offer *offer)
{
	static const char *const own[] = {"input_per_mtok", "output_per_mtok"};
	static const char *const model[] = {"token_usd", "token_decimals"};
	bool by_model = config_has_key(section, model[0]) || config_has_key(section, model[1]);

	for (size_t i = 0; i < 2; i++) {
		const char *wanted = by_model ? model[i] : own[i];
		if (offer->method == METHOD_UPTO && !config_has_key(section, wanted))
			inifile_mistake(reader->ini, section->line, "[offer %s]: %s is missing", offer->name, wanted);
		if (offer->method == METHOD_UPTO && by_model && config_has_key(section, own[i]))
			mistake_at_key(reader, section, own[i], "the offer goes by model: it has token_usd");
		if (offer->method != METHOD_UPTO && config_has_key(section, own[i]))
			mistake_at_key(reader, section, own[i], "only an upto offer has it");
		if (offer->method != METHOD_UPTO && config_has_key(section, model[i]))
			mistake_at_key(reader, section, model[i], "only an upto offer has it");
	}
	if (by_model && reader->config->price_cnt == 0)
		mistake_at_key(reader, section, "token_usd", "there is no [price NAME]: nothing could be bought");
}

/* Whether a session is ever opened is the routes' business. */
static void check_offer_session(struct reader *reader, const struct section *section, struct offer *offer)
{
	bool given = config_has_key(section, "session_reserve");

	if (given && offer->method != METHOD_UPTO)
		mistake_at_key(reader, section, "session_reserve", "only an upto offer has it");
	if (given && u256_compare(offer->session_reserve.at, offer->amount.at) > 0)
		mistake_at_key(reader, section, "session_reserve", "more than the amount: no request would fit");
	if (!given && offer->method == METHOD_UPTO)
		u256_tenth(offer->session_reserve.at, offer->amount.at);
}

static void check_price(struct reader *reader, const struct section *section)
{
	struct model_price *price = section->target;

	check_required(reader, section, "price", price->name);
	if (price->model[0] == 0)
		memcpy(price->model, price->name, sizeof price->model);
	for (const struct model_price *other = reader->config->prices; other < price; other++)
		if (strcmp(other->model, price->model) == 0)
			inifile_mistake(reader->ini, config_key_line(section, "model"),
					"model: [price %s] has the same", other->name);
}

#define FIRST_FACILITATOR "default" /* in settle_by: the one without a name */

/* Its number; FACILITATORS_MAX: there is none of that name. */
static size_t find_facilitator(const struct config *config, const char *name)
{
	if (strcmp(name, FIRST_FACILITATOR) == 0)
		return 0;
	for (size_t i = 0; i < config->alternate_cnt; i++)
		if (strcmp(config->alternates[i].name, name) == 0)
			return i + 1;
	return FACILITATORS_MAX;
}

/* The next of a list of names, without the space around it; NULL at the end. */
static char *next_name(char **rest)
{
	char *name = strsep(rest, ",");

	if (name == NULL)
		return NULL;
	name += strspn(name, " \t");
	for (size_t bytes = strlen(name); bytes > 0 && (name[bytes - 1] == ' ' || name[bytes - 1] == '\t'); bytes--)
		name[bytes - 1] = 0;
	return name;
}

static void resolve_settle_by(struct reader *reader, const struct section *section, struct offer *offer)
{
	unsigned line = config_key_line(section, "settle_by");
	char *rest = section->settle_by, *name;

	while (rest != NULL && (name = next_name(&rest)) != NULL) {
		size_t idx = find_facilitator(reader->config, name);
		if (idx == FACILITATORS_MAX)
			inifile_mistake(reader->ini, line, "settle_by: there is no [facilitator %s]", name);
		else if (memchr(offer->settle_by, (int)idx, offer->settle_by_cnt) != NULL)
			inifile_mistake(reader->ini, line, "settle_by: %s again", name);
		else
			offer->settle_by[offer->settle_by_cnt++] = (uint8_t)idx;
	}
	if (offer->settle_by_cnt == 0)
		offer->settle_by_cnt = 1; /* facilitator 0 */
}

static void check_alternate(struct reader *reader, const struct section *section)
{
	const struct config_facilitator *facilitator = section->target;

	check_required(reader, section, "facilitator", facilitator->name);
	if (strcmp(facilitator->name, FIRST_FACILITATOR) == 0)
		inifile_mistake(reader->ini, section->line, "[facilitator %s]: this is the one without a name",
				facilitator->name);
}

/* A limit below one request would refuse every one. */
static void check_unsettled(struct reader *reader, const struct section *section, const char *key,
			    const struct offer *offer, const struct word *max)
{
	static const struct word none;

	if (memcmp(max, &none, sizeof none) != 0 && memcmp(max, &offer->amount, sizeof *max) < 0)
		mistake_at_key(reader, section, key, "smaller than amount: every request would be refused");
}

/* Sums of amounts are kept in 128 bits. */
static void check_amount(struct reader *reader, const struct section *section, const struct offer *offer)
{
	unsigned __int128 amount;

	for (size_t i = 0; i < reader->config->chain_cnt; i++) {
		const struct config_chain *chain = &reader->config->chains[i];
		if (chain->funds != FUNDS_OFF && chain->chain_id == offer->chain_id && offer->chain_id != 0 &&
		    (!u256_to_u128(&amount, offer->amount.at) || amount >> 127 != 0))
			mistake_at_key(reader, section, "amount", "2^127 or more, which no balance is compared with");
	}
}

static void check_offer(struct reader *reader, const struct section *section)
{
	struct offer *offer = section->target;

	check_required(reader, section, "offer", offer->name);
	resolve_settle_by(reader, section, offer);
	check_amount(reader, section, offer);
	check_unsettled(reader, section, "unsettled_max", offer, &offer->unsettled_max);
	check_unsettled(reader, section, "payer_unsettled_max", offer, &offer->payer_unsettled_max);
	if (offer->method == METHOD_NONE) /* missing or wrong: nothing can be said of the rest */
		return;
	check_offer_method(reader, section, offer);
	check_offer_price(reader, section, offer);
	check_offer_session(reader, section, offer);
}

/* Another chain before this one that is the same. */
static void check_chain(struct reader *reader, const struct section *section)
{
	const struct config_chain *chain = section->target;

	check_required(reader, section, "chain", chain->name);
	for (const struct config_chain *other = reader->config->chains; other < chain; other++)
		if (chain->chain_id != 0 && other->chain_id == chain->chain_id)
			inifile_mistake(reader->ini, config_key_line(section, "network"),
					"network: [chain %s] has the same", other->name);
	if (chain->exposure != 0 && chain->funds != FUNDS_CACHED)
		mistake_at_key(reader, section, "exposure", "only with funds = cached");
	if (chain->factory_cnt > 0 && !chain->contracts)
		mistake_at_key(reader, section, "erc6492_factories", "only with contracts = yes");
	if (chain->contracts && chain->in_flight < 2)
		mistake_at_key(reader, section, "in_flight",
			       "1 with contracts = yes: a stranger's code could keep everybody waiting");
}

static const struct offer *find_offer(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->offer_cnt; i++)
		if (strcmp(config->offers[i].name, name) == 0)
			return &config->offers[i];
	return NULL;
}

/* What permit_offer goes by.  Zero fields are mistakes already reported. */
static bool offers_alike(const struct offer *a, const struct offer *b)
{
	return a->method != METHOD_NONE && a->chain_id != 0 && a->method == b->method && a->chain_id == b->chain_id &&
	       memcmp(&a->asset, &b->asset, sizeof a->asset) == 0;
}

static void add_offer(struct reader *reader, unsigned line, struct config_route *route, const char *name)
{
	const struct offer *offer = find_offer(reader->config, name);

	if (offer == NULL) {
		inifile_mistake(reader->ini, line, "offers: there is no [offer %s]", name);
		return;
	}
	for (size_t i = 0; i < route->offer_cnt; i++) {
		if (offers_alike(route->offers[i], offer) || route->offers[i] == offer) {
			inifile_mistake(reader->ini, line,
					"offers: %s and %s have the same method, network and asset: a payment could be "
					"for either",
					route->offers[i]->name, name);
			return;
		}
	}
	if (route->offer_cnt == ROUTE_OFFERS_MAX)
		inifile_mistake(reader->ini, line, "offers: %s is one too many, at most %d", name, ROUTE_OFFERS_MAX);
	else
		route->offers[route->offer_cnt++] = offer;
}

/* True when the route names offers, known or not. */
static bool resolve_offers(struct reader *reader, const struct section *section, struct config_route *route)
{
	unsigned line = config_key_line(section, "offers");
	char *rest = section->offers, *name;
	bool named = false;

	if (section->offers == NULL || *section->offers == 0)
		return false;
	while ((name = next_name(&rest)) != NULL) {
		named = true;
		if (*name == 0)
			inifile_mistake(reader->ini, line, "offers: an empty name");
		else
			add_offer(reader, line, route, name);
	}
	return named;
}

static void add_upstream(struct reader *reader, unsigned line, struct config_route *route, const char *name)
{
	const struct config *config = reader->config;

	for (size_t i = 0; i < config->upstream_cnt; i++) {
		if (strcmp(config->upstreams[i].name, name) != 0)
			continue;
		if ((route->upstreams >> i & 1) != 0)
			inifile_mistake(reader->ini, line, "upstream: %s again", name);
		route->upstreams |= UINT32_C(1) << i;
		return;
	}
	inifile_mistake(reader->ini, line, "upstream: there is no [upstream %s]", name);
}

static void resolve_upstreams(struct reader *reader, const struct section *section, struct config_route *route)
{
	unsigned line = config_key_line(section, "upstream");
	char *rest = section->upstream, *name;

	if (section->upstream == NULL)
		return;
	while ((name = next_name(&rest)) != NULL)
		add_upstream(reader, line, route, name);
}

/* Another route before this one that matches the same requests. */
static void check_match(struct reader *reader, const struct section *section, const struct config_route *route)
{
	for (const struct config_route *other = reader->config->routes; other < route; other++)
		if (route->path[0] != 0 && strcmp(other->path, route->path) == 0 &&
		    strcmp(other->method, route->method) == 0)
			inifile_mistake(reader->ini, config_key_line(section, "match"),
					"match: [route %s] has the same", other->name);
}

static void check_session(struct reader *reader, const struct section *section, const struct config_route *route)
{
	bool any = false;

	if (!route->session.on)
		return;
	for (size_t i = 0; i < route->offer_cnt; i++) {
		if (route->offers[i]->method != METHOD_UPTO)
			continue;
		any = true;
		if (route->offers[i]->max_timeout_s <= route->session.margin_s)
			inifile_mistake(reader->ini, config_key_line(section, "session"),
					"session: payments of offer %s end within session_margin_s of %u: raise its "
					"max_timeout_s",
					route->offers[i]->name, route->session.margin_s);
	}
	if (!any && route->offer_cnt > 0)
		mistake_at_key(reader, section, "session", "none of the offers is upto");
	if (route->offer_cnt == 0)
		mistake_at_key(reader, section, "session", "the route is free");
	if (route->bind_body == BIND_REQUIRE)
		mistake_at_key(reader, section, "session", "bind_body = require: one payment is for one body there");
}

/* A native request is paid for, and an amount is 16 bytes there. */
static void check_route_native(struct reader *reader, const struct section *section, const struct config_route *route)
{
	unsigned __int128 amount;

	if (route->native == ROUTE_NOT_NATIVE && route->tee)
		mistake_at_key(reader, section, "tee", "only native requests can ask for it");
	if (route->native == ROUTE_NOT_NATIVE)
		return;
	if (reader->config->native.listen_cnt == 0)
		mistake_at_key(reader, section, "native", "there is no listen in [native]");
	if (route->offer_cnt == 0)
		mistake_at_key(reader, section, "native", "the route is free");
	if (route->method[0] != 0 && strcmp(route->method, "POST") != 0)
		mistake_at_key(reader, section, "native", "only a POST has a body to be asked with");
	for (size_t i = 0; i < route->offer_cnt; i++)
		if (!u256_to_u128(&amount, route->offers[i]->amount.at))
			inifile_mistake(reader->ini, config_key_line(section, "native"),
					"native: the amount of offer %s is 2^128 or more", route->offers[i]->name);
	for (const struct config_route *other = reader->config->routes; other < route; other++)
		if (other->native == route->native)
			inifile_mistake(reader->ini, config_key_line(section, "native"),
					"native: [route %s] has the same", other->name);
}

/* True when the route is paid. */
static bool check_route(struct reader *reader, const struct section *section)
{
	struct config_route *route = section->target;

	check_required(reader, section, "route", route->name);
	check_match(reader, section, route);
	resolve_upstreams(reader, section, route);
	bool paid = resolve_offers(reader, section, route);
	if (!paid && route->bind_body != BIND_OFF)
		mistake_at_key(reader, section, "bind_body", "the route is free: there is no payment to bind");
	check_session(reader, section, route);
	check_route_native(reader, section, route);
	return paid;
}

/* True when any route is paid. */
static bool check_named(struct reader *reader)
{
	bool paid = false;

	for (size_t i = 0; i < reader->section_cnt; i++) {
		const struct section *section = &reader->sections[i];
		if (section->kind == SECTION_UPSTREAM)
			check_required(reader, section, "upstream", ((struct config_upstream *)section->target)->name);
		else if (section->kind == SECTION_ALTERNATE)
			check_alternate(reader, section);
		else if (section->kind == SECTION_OFFER)
			check_offer(reader, section);
		else if (section->kind == SECTION_PRICE)
			check_price(reader, section);
		else if (section->kind == SECTION_CHAIN)
			check_chain(reader, section);
		else if (section->kind == SECTION_ROUTE)
			paid |= check_route(reader, section);
	}
	return paid;
}

static void check_paid(struct reader *reader, const struct section *node)
{
	check_required(reader, find_single(reader, SECTION_FACILITATOR), "facilitator", "");
	if (reader->config->state_directory[0] == 0 && !config_has_key(node, "state"))
		inifile_mistake(reader->ini, node->line, "[node]: state is missing: paid routes need a ledger");
	else if (reader->config->state_directory[0] == 0 && config_has_key(node, "state"))
		mistake_at_key(reader, node, "state", "empty: paid routes need a ledger");
}

static void check_node(struct reader *reader, const struct section *node)
{
	const struct config *config = reader->config;

	if (!config_has_key(node, "listen") && !config_has_key(find_single(reader, SECTION_TLS), "listen"))
		inifile_mistake(reader->ini, node->line, "[node]: listen is missing");
	if (config->proxied && config->trusted_proxy_cnt == 0 && !config_has_key(node, "trusted_proxy"))
		mistake_at_key(reader, node, "proxy_protocol", "there is no trusted_proxy to send it");
	for (size_t i = 0; i < config->listen_cnt; i++)
		if (memcmp(&config->admin, &config->listens[i], sizeof config->admin) == 0)
			mistake_at_key(reader, node, "admin", "the same address as a listen");
	if (config->queue_bytes < config->body_bytes_max)
		mistake_at_key(reader, node, "queue_bytes",
			       "smaller than body_bytes_max: the largest body could never wait");
	if (config->route_cnt == 0)
		inifile_mistake(reader->ini, 0, "no [route NAME]: nothing would be served");
}

static void check_tls(struct reader *reader, const struct section *tls)
{
	const struct config *config = reader->config;
	const struct section *node = find_single(reader, SECTION_NODE);

	if (!config_has_key(tls, "listen"))
		return;
	if (config->tls.certificate[0] == 0 || config->tls.key[0] == 0)
		mistake_at_key(reader, tls, "listen", "needs certificate and key");
	if (config->tls.client_ca[0] == 0 && config_has_key(tls, "client"))
		mistake_at_key(reader, tls, "client", "there is no client_ca to vouch for certificates");
	if (config->tls.proxied && config->trusted_proxy_cnt == 0 && !config_has_key(node, "trusted_proxy"))
		mistake_at_key(reader, tls, "proxy_protocol", "there is no trusted_proxy to send it");
}

unsigned config_burst_least(unsigned per_s)
{
	return per_s < 10 ? 1 : 1 + (per_s + 99) / 100;
}

static void check_burst(struct reader *reader, const struct section *section, const char *key, unsigned per_s,
			unsigned burst)
{
	unsigned least = config_burst_least(per_s);
	char problem[96];

	if (burst == 0 || burst >= least)
		return;
	snprintf(problem, sizeof problem, "must be %u or more: one, and what comes in 10 ms", least);
	mistake_at_key(reader, section, key, problem);
}

static void check_filter(struct reader *reader, const struct section *filter)
{
	const struct config_limits *limits = &reader->config->filter.limits;
	const char *first = limits->packets_per_s != 0 ? "packets_per_s" : "connections_per_s";

	if (limits->packets_per_s + limits->connections_per_s != 0 && reader->config->filter.allow_mode &&
	    !limits->limit_listed)
		mistake_at_key(reader, filter, first,
			       "limits nobody: in mode allow every source is listed; set limit_listed = yes");
	check_burst(reader, filter, "packets_burst", limits->packets_per_s, limits->packets_burst);
	check_burst(reader, filter, "connections_burst", limits->connections_per_s, limits->connections_burst);
}

static void default_public_url(struct config *config)
{
	const struct sockaddr_storage *listen = &config->listens[0];
	const char *scheme = config->listen_tls[0] ? "https" : "http";
	char host[INET6_ADDRSTRLEN] = "";

	if (config->public_url[0] != 0 || config->listen_cnt == 0)
		return;
	if (listen->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)listen;
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(config->public_url, sizeof config->public_url, "%s://[%s]:%u", scheme, host,
			 ntohs(v6->sin6_port));
	} else {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)listen;
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		snprintf(config->public_url, sizeof config->public_url, "%s://%s:%u", scheme, host,
			 ntohs(v4->sin_port));
	}
}

void config_check(struct reader *reader)
{
	const struct section *node = find_single(reader, SECTION_NODE);

	check_node(reader, node);
	check_tls(reader, find_single(reader, SECTION_TLS));
	check_filter(reader, find_single(reader, SECTION_FILTER));
	if (check_named(reader))
		check_paid(reader, node);
	default_public_url(reader->config);
}
