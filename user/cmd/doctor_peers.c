// SPDX-License-Identifier: Apache-2.0
/* doctor_peers.c: does everybody answer that the daemon needs, and as the configuration has it? */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/eip55.h"
#include "cmd/ask_url.h"
#include "cmd/check_chain.h"
#include "cmd/doctor.h"
#include "survey.h"

#define PATIENCE_MS 5000
#define SKEW_WARN_S 5 /* a payment must be valid for SETTLE_MARGIN_S, 6, when it comes */
#define SKEW_BAD_S 30 /* DEADLINE_SLACK_S: from here on good payments are refused, or nobody settles them */

static const char *failure(int error)
{
	switch (error) {
	case -EHOSTUNREACH:
		return "no such host";
	case -ECONNREFUSED:
		return "nobody listens there";
	case -ETIMEDOUT:
		return "no answer in time";
	case -ECONNRESET:
		return "the connection broke";
	case -EPROTO:
		return "TLS or HTTP went wrong: is the certificate's authority known (ca_file)?";
	case -EMSGSIZE:
		return "the answer is far too large";
	default:
		return strerror(-error);
	}
}

/* Somebody else's clock against this one: who is wrong nobody can say, but they must agree. */
static void compare_clock(struct doctor *doctor, const char *whose, uint64_t date_s)
{
	uint64_t now_s = clock_unix_s();
	long long ahead_s = (long long)(now_s - date_s), off_s = ahead_s < 0 ? -ahead_s : ahead_s;

	if (date_s == 0)
		return;
	if (off_s <= SKEW_WARN_S)
		doctor_say(doctor, DOCTOR_OK, "clock", NULL, "agrees with %s", whose);
	else
		doctor_say(doctor, off_s >= SKEW_BAD_S ? DOCTOR_BAD : DOCTOR_WARN, "clock",
			   "set it by NTP (timedatectl), here or there", "%lld s %s of %s: payments are dated", off_s,
			   ahead_s > 0 ? "ahead" : "behind", whose);
}

/* --- the daemon --- */

static void socket_text(char text[80], const struct sockaddr_storage *address)
{
	char host[64] = "?", port[8] = "?";
	bool v6 = address->ss_family == AF_INET6;

	getnameinfo((const struct sockaddr *)address, v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
		    host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, 80, v6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* Where no daemon listens, could one? */
static void try_port(struct doctor *doctor, const struct sockaddr_storage *address, int type)
{
	int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0), yes = 1;
	char text[80];

	socket_text(text, address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	int error = bind(fd, (const struct sockaddr *)address,
			 address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) == 0
			    ? 0
			    : errno;
	if (fd >= 0)
		close(fd);
	if (error == 0)
		doctor_say(doctor, DOCTOR_OK, "daemon", NULL, "%s is free to listen on", text);
	else
		doctor_say(doctor, DOCTOR_BAD, "daemon",
			   error == EADDRINUSE	    ? "ss -lntup shows who has it"
			   : error == EADDRNOTAVAIL ? "listen on an address of this machine"
			   : error == EACCES	    ? "use tollbar.socket, or a port from 1024 on"
						    : "look at the address",
			   "nothing can listen on %s: %s", text, strerror(error));
}

static void look_at_daemon(struct doctor *doctor)
{
	const struct config *config = &doctor->config;
	struct asked asked = {.ms = PATIENCE_MS};
	char text[80], base[96];

	if (config->admin.ss_family == AF_UNSPEC)
		return;
	socket_text(text, &config->admin);
	snprintf(base, sizeof base, "http://%s", text);
	ask_url(&asked, base, "/readyz");
	if (asked.error == 0 && asked.status == 200) {
		doctor_say(doctor, DOCTOR_OK, "daemon", NULL, "it answers at %s, and is ready", text);
	} else if (asked.error == 0) {
		doctor_say(doctor, DOCTOR_BAD, "daemon", "look at its log, and at tollbar status",
			   "who answers at %s says %ld: %.*s", text, asked.status,
			   (int)(asked.body.bytes < 200 ? asked.body.bytes : 200), (const char *)asked.body.at);
	} else {
		doctor_say(doctor, DOCTOR_WARN, "daemon", "systemctl start tollbar, or tollbar run -c FILE",
			   "none answers at %s: %s", text, failure(asked.error));
		for (size_t i = 0; i < config->listen_cnt; i++)
			try_port(doctor, &config->listens[i], SOCK_STREAM);
		for (size_t i = 0; i < config->native.listen_cnt; i++)
			try_port(doctor, &config->native.listens[i], SOCK_DGRAM);
	}
}

/* --- model servers --- */

static void look_at_upstream(struct doctor *doctor, const struct config_upstream *upstream)
{
	struct asked asked = {.authorization = upstream->authorization, .ms = PATIENCE_MS};
	char first[NAME_BYTES_MAX], whose[NAME_BYTES_MAX + 32];

	ask_url(&asked, upstream->url, "/v1/models");
	int cnt = asked.error == 0 && asked.status == 200 ? survey_models(first, asked.body) : -1;
	snprintf(whose, sizeof whose, "model server %s", upstream->name);
	if (asked.error != 0)
		doctor_say(doctor, DOCTOR_BAD, "upstream", "start the model server, or mend url = of its section",
			   "%s, %s: %s", upstream->name, upstream->url, failure(asked.error));
	else if (asked.status == 401 || asked.status == 403)
		doctor_say(doctor, DOCTOR_BAD, "upstream", "set authorization = of its section to what it wants",
			   "%s, %s: it lets nobody in (%ld)", upstream->name, upstream->url, asked.status);
	else if (asked.status >= 500)
		doctor_say(doctor, DOCTOR_WARN, "upstream", "look at its log", "%s, %s: it answers %ld", upstream->name,
			   upstream->url, asked.status);
	else if (cnt < 0)
		doctor_say(doctor, DOCTOR_WARN, "upstream", "nothing, if it is no OpenAI-compatible server",
			   "%s, %s: it answers, but with no list of models", upstream->name, upstream->url);
	else if (cnt == 0)
		doctor_say(doctor, DOCTOR_WARN, "upstream", "load a model", "%s, %s: it has no model", upstream->name,
			   upstream->url);
	else
		doctor_say(doctor, DOCTOR_OK, "upstream", NULL, "%s, %s: %d models, the first is %s", upstream->name,
			   upstream->url, cnt, first);
	compare_clock(doctor, whose, asked.date_s);
}

/* --- facilitators --- */

static bool settles(const struct offer *offer, size_t idx)
{
	for (size_t i = 0; i < offer->settle_by_cnt; i++)
		if (offer->settle_by[i] == idx)
			return true;
	return false;
}

static void look_at_support(struct doctor *doctor, const char *who, const struct offer *offer, struct span body)
{
	static const struct address zero;
	bool upto = offer->method == METHOD_UPTO;
	char want[EIP55_BYTES], has[EIP55_BYTES];
	struct address settler;
	enum survey support = survey_supported(&settler, body, upto, offer->chain_id);

	if (support == SURVEY_UNREADABLE)
		doctor_say(doctor, DOCTOR_BAD, "facilitator", "is its url right?",
			   "%s: what it answers to GET /supported is no list of what it settles", who);
	else if (support == SURVEY_NO)
		doctor_say(doctor, DOCTOR_BAD, "facilitator", "name another one in settle_by, or change the offer",
			   "%s does not settle %s on eip155:%llu, as offer %s wants", who, upto ? "upto" : "exact",
			   (unsigned long long)offer->chain_id, offer->name);
	else if (upto && memcmp(&settler, &zero, sizeof zero) != 0 &&
		 memcmp(&settler, &offer->facilitator, sizeof settler) != 0)
		doctor_say(doctor, DOCTOR_BAD, "facilitator", "write the second address into the offer",
			   "%s: offer %s has facilitator = %s, and it settles by %s", who, offer->name,
			   eip55_encode(want, offer->facilitator.at), eip55_encode(has, settler.at));
	else
		doctor_say(doctor, DOCTOR_OK, "facilitator", NULL, "%s settles offer %s", who, offer->name);
}

/* False: there is nothing to hold the offers against. */
static bool ask_supported(struct doctor *doctor, struct asked *asked, const char *who, const char *url)
{
	ask_url(asked, url, "/supported");
	compare_clock(doctor, who, asked->date_s);
	if (asked->error != 0)
		doctor_say(doctor, DOCTOR_BAD, "facilitator", "is its url right, and the way there open?", "%s, %s: %s",
			   who, url, failure(asked->error));
	else if (asked->status != 200)
		doctor_say(doctor, DOCTOR_BAD, "facilitator", "is its url right, and does it want authorization =?",
			   "%s, %s: it answers %ld to GET /supported", who, url, asked->status);
	return asked->error == 0 && asked->status == 200;
}

static void look_at_facilitator(struct doctor *doctor, size_t idx)
{
	const struct config *config = &doctor->config;
	const struct config_facilitator *facilitator = idx == 0 ? &config->facilitator : &config->alternates[idx - 1];
	const char *who = facilitator->name[0] != 0 ? facilitator->name : "the facilitator";
	struct asked asked = {.authorization = facilitator->authorization,
			      .ca_file = facilitator->ca_file,
			      .ms = facilitator->timeout_ms};
	bool asked_yet = false;

	for (size_t i = 0; i < config->offer_cnt; i++) {
		if (!settles(&config->offers[i], idx))
			continue;
		if (!asked_yet && !ask_supported(doctor, &asked, who, facilitator->url))
			return;
		asked_yet = true;
		look_at_support(doctor, who, &config->offers[i], asked.body);
	}
}

/* --- chains --- */

static void say_of_chain(void *doctor, const char *text)
{
	doctor_say(doctor, DOCTOR_BAD, "chain", "mend rpc =, network = or the offer's token_name and token_version",
		   "%s", text);
}

static void look_at_chain(struct doctor *doctor, const struct config_chain *chain)
{
	if (chain->funds != FUNDS_OFF && check_chain(&doctor->config, chain, say_of_chain, doctor) == 0)
		doctor_say(doctor, DOCTOR_OK, "chain", NULL,
			   "%s: its node is of eip155:%llu, and the offers' tokens are there", chain->name,
			   (unsigned long long)chain->chain_id);
}

void doctor_peers(struct doctor *doctor)
{
	const struct config *config = &doctor->config;

	if (doctor->offline)
		return;
	look_at_daemon(doctor);
	for (size_t i = 0; i < config->upstream_cnt; i++)
		look_at_upstream(doctor, &config->upstreams[i]);
	for (size_t i = 0; i <= config->alternate_cnt; i++)
		look_at_facilitator(doctor, i);
	for (size_t i = 0; i < config->chain_cnt; i++)
		look_at_chain(doctor, &config->chains[i]);
}
