/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CONFIG_H
#define TOLLBAR_CONFIG_H
/* config.h: one INI file → struct config.  Every mistake is reported with its line, not only the first; a file with a
 * mistake gives no configuration.  tollbar.example.conf in the repo shows every setting with its default.
 *
 * Offers come with domain_separator zero: hashing is a step above this one, so whoever loads a configuration fills it
 * with hash_domain before the first payment. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "limits.h"
#include "payment.h"

struct config_upstream { /* [upstream NAME] */
	char name[NAME_BYTES_MAX];
	char url[URL_BYTES_MAX];	 /* http://host:port, no path */
	char host_header[URL_BYTES_MAX]; /* host:port as written */
	struct sockaddr_storage address; /* resolved at load; a name that does not resolve is a mistake */
	socklen_t address_bytes;
	unsigned in_flight;		   /* requests at one time; default 64 */
	char check[PATH_BYTES_MAX];	   /* path asked to see how it is; empty: only requests show it */
	unsigned check_ms;		   /* 5000: from one check to the next */
	unsigned check_timeout_ms;	   /* 2000: for its answer's head */
	char authorization[URL_BYTES_MAX]; /* sent instead of the client's; empty = client's is passed on */
};

enum bind_mode { /* bind_body = off | accept | require: see bind.h */
		 BIND_OFF,
		 BIND_ACCEPT,  /* checked when there is a salt */
		 BIND_REQUIRE, /* a payment without one buys nothing */
};

struct config_session {	   /* of a route */
	bool on;	   /* session = off | on: upto payments open sessions, see session.h */
	unsigned idle_s;   /* 100: settled when nobody used it for so long */
	unsigned margin_s; /* 60: no more requests so long before its payment's deadline */
};

#define ROUTE_NATIVE_MAX 255
#define ROUTE_NOT_NATIVE (ROUTE_NATIVE_MAX + 1)

struct config_route { /* [route NAME] */
	char name[NAME_BYTES_MAX];
	char method[16];			      /* "POST" */
	char path[PATH_BYTES_MAX];		      /* matched byte for byte against the whole target */
	const struct offer *offers[ROUTE_OFFERS_MAX]; /* none: the route is free */
	size_t offer_cnt;
	uint32_t upstreams; /* bit 1 << i: config.upstreams[i] may serve it */
	uint8_t priority;   /* enum priority; default normal */
	uint8_t bind_body;  /* enum bind_mode; default off */
	struct config_session session;
	unsigned native; /* its number over the native transport; ROUTE_NOT_NATIVE: not offered there */
	bool tee;	 /* tee = yes | no: may a native request ask for a trusted execution environment? */
	char description[URL_BYTES_MAX];
	char mime_type[NAME_BYTES_MAX]; /* default application/json */
};

struct config_facilitator {	   /* [facilitator], and [facilitator NAME] for offers that name it in settle_by */
	char name[NAME_BYTES_MAX]; /* empty: the first */
	char url[URL_BYTES_MAX];
	char authorization[URL_BYTES_MAX];
	char ca_file[PATH_BYTES_MAX]; /* PEM: who may vouch for an https url; empty: the system's list */
	unsigned timeout_ms;	      /* 10000: of one call */
	unsigned in_flight;	      /* 32 */
	bool settle_data;	      /* settle_data = off | on: told what nodes sign of their answers */
};

enum config_funds { FUNDS_OFF, FUNDS_CACHED, FUNDS_STRICT };
enum config_final { FINAL_CONFIRMATIONS, FINAL_SAFE, FINAL_FINALIZED };

struct config_chain { /* [chain NAME]: what is looked up of payers there, and where */
	char name[NAME_BYTES_MAX];
	uint64_t chain_id;	 /* network */
	char rpc[URL_BYTES_MAX]; /* of a node: JSON-RPC over HTTP */
	char authorization[URL_BYTES_MAX];
	char ca_file[PATH_BYTES_MAX]; /* as of the facilitator */
	uint8_t funds;		      /* enum config_funds; default cached */
	unsigned max_age_s;	      /* 30: how old an answer may be (cached) */
	unsigned lag_s;		      /* 5: how far behind the chain's end the node may be */
	unsigned suspect_s;	      /* 300: after a refused settlement, every payment is asked about for so long */
	unsigned timeout_ms;	      /* 2000: of one request to the node */
	unsigned in_flight;	      /* 4: requests to the node at one time */
	unsigned batch;		      /* 32: payers in one request */
	unsigned __int128 exposure;   /* most one payer may owe while the node is down (cached); default 0: refused */
	uint8_t final;		      /* enum config_final: which block will not be replaced any more */
	unsigned confirmations;	      /* 12: with FINAL_CONFIRMATIONS, the one with so many behind it */
	unsigned recheck_s;	      /* 60: settled, and looked up again so much later; 0: never */
	bool contracts;		      /* contracts = yes | no: accounts with code may pay (ERC-1271, EIP-7702) */
	/* erc6492_factories: whose accounts may pay before they exist; with contracts only */
	struct address factories[FACTORIES_MAX];
	size_t factory_cnt;
};

struct config_timeouts {	/* [timeouts], milliseconds */
	unsigned head_ms;	/* 5000: first byte of a request to the end of its head */
	unsigned body_ms;	/* 30000: end of head to end of body */
	unsigned idle_ms;	/* 60000: keep-alive connection without a request */
	unsigned send_ms;	/* 30000: client takes no byte of the answer */
	unsigned queue_ms;	/* 30000: in line for the upstream */
	unsigned connect_ms;	/* 2000: TCP connect to the upstream */
	unsigned first_byte_ms; /* 120000: request sent to first byte of the answer */
	unsigned token_ms;	/* 30000: between two pieces of an answer */
	unsigned total_ms;	/* 600000: request sent to last byte of the answer */
	unsigned settle_ms;	/* 30000: how long an answer waits for its settlement before 502 settle_unknown */
	unsigned drain_ms;	/* 300000: after SIGTERM, streams and settlements may finish */
};

enum event_loop_choice { CHOOSE_LOOP, CHOOSE_URING, CHOOSE_EPOLL };			   /* auto, or its name */
enum engine_choice { CHOOSE_ENGINE, CHOOSE_LIBSECP256K1, CHOOSE_PORTABLE, CHOOSE_AVX512 }; /* auto, or its name */

#define RATE_MAX 10000000 /* the kernel keeps whole nanoseconds for one: here off by 1 % at most */
#define BURST_MAX 1000000000

struct config_limits {				       /* in [filter]: what one source may send; 0: no limit */
	unsigned packets_per_s, packets_burst;	       /* burst: at once; 0: as many as in a second */
	unsigned connections_per_s, connections_burst; /* TCP connections opened */
	unsigned limit_ip4_bits, limit_ip6_bits;       /* how long a prefix is one source: 32 and 64 */
	bool limit_listed;			       /* limit sources on the allow list, too */
};

enum config_syn_cookies { SYN_COOKIES_OFF, SYN_COOKIES_AUTO, SYN_COOKIES_ON };

enum config_cookies_from { COOKIES_FROM_AUTO, COOKIES_FROM_KERNEL, COOKIES_FROM_DAEMON };

struct config_native {				      /* [native]: requests by UDP, see native.h */
	struct sockaddr_storage listens[LISTENS_MAX]; /* may be repeated */
	size_t listen_cnt;			      /* 0: not offered */
	unsigned requests;			      /* 4096: in flight and in line, per worker */
	unsigned results;			      /* 8192: answers kept, over all workers */
	size_t results_bytes;			      /* 64 MiB: of all of them */
	unsigned keep_s;			      /* 300: how long, after their end */
	uint8_t cookies;			      /* enum config_syn_cookies; default auto: asked of requests */
	unsigned cookies_per_s; /* 20000: with auto, requests on one CPU above which cookies are asked for */
	uint8_t cookies_from;	/* enum config_cookies_from: who sends them; auto: the filter, where the driver can */
	bool knock;		/* knock = yes | no: knocks open TCP ports */
	unsigned knock_s;	/* 300: for how long at most */
};

struct config_tls {			  /* [tls]: what its listeners show and ask for, see sys/tls.h */
	char certificate[PATH_BYTES_MAX]; /* PEM, with its chain */
	char key[PATH_BYTES_MAX];
	char client_ca[PATH_BYTES_MAX]; /* empty: no certificate is asked of clients */
	bool client_optional;		/* client = required | optional */
	bool only_13;			/* min = 1.2 | 1.3 */
	bool proxied;			/* proxy_protocol = off | v2 */
};

struct config {
	/* [node] */
	struct sockaddr_storage
		listens[LISTENS_MAX]; /* listen = 0.0.0.0:8402 or [::]:8402; of [tls], too; may be repeated */
	bool listen_tls[LISTENS_MAX]; /* it is one of [tls] */
	size_t listen_cnt;
	bool proxied;			      /* proxy_protocol = off | v2: its own listeners */
	struct sockaddr_storage admin;	      /* default 127.0.0.1:9402 */
	char interface[16];		      /* empty: no BPF at all */
	char public_url[URL_BYTES_MAX];	      /* prefix of resource.url in offers; default http://<first listen> */
	char state_directory[PATH_BYTES_MAX]; /* ledger */
	char payers_file[PATH_BYTES_MAX];     /* empty: every payer, default limits */
	char access_log[PATH_BYTES_MAX];      /* empty: none */
	bool server_timing;		      /* server_timing = yes | no: answers say what the node took */
	unsigned workers;		      /* 0: one per core */
	unsigned connections;		      /* per worker; default 1024 */
	size_t body_bytes_max;		      /* default 1 MiB */
	size_t response_bytes_max;	      /* of an answer held back until it is settled; default 4 MiB */
	unsigned queue_requests;	      /* default 256 */
	size_t queue_bytes;		      /* default 64 MiB: bodies in line */
	size_t claims;			      /* default 262144 */
	unsigned sessions;		      /* open at one time; default 4096 */
	size_t ledger_bytes;		      /* default 1 GiB */
	uint64_t keep_s;		      /* default 604800 */
	int event_loop;			      /* enum event_loop_choice: how the kernel is asked to do things */
	bool sandbox;			      /* sandbox = on | off; default on */
	int engine;			      /* enum engine_choice: who verifies signatures */
	size_t signer_cache_bytes;	      /* per worker, for signers' tables; default 64 MiB */
	struct in6_addr trusted_proxies[TRUSTED_PROXIES_MAX]; /* v4 as mapped; never penalised */
	size_t trusted_proxy_cnt;
	int log_level; /* enum log_level */

	/* [filter]: what the daemon writes into the attached program's maps at start (only with interface =) */
	struct {
		bool allow_mode;		 /* mode = open | allow */
		bool observe;			 /* observe = yes | no */
		char allow_file[PATH_BYTES_MAX]; /* one prefix a line */
		char deny_file[PATH_BYTES_MAX];
		unsigned
			penalty_failures; /* failed requests of one source within penalty_window_s; 0 = never; default 20 */
		unsigned penalty_window_s; /* 10 */
		unsigned penalty_s;	   /* 60: how long the kernel drops the source */
		bool fail_closed;	   /* fail = open | closed: service ports are shut when no daemon lives */
		unsigned fail_s;	   /* 10: so long after its last sign of life */
		bool checksum;		   /* checksum = yes | no */
		struct config_limits limits;
		uint8_t syn_cookies;	    /* enum config_syn_cookies; default off */
		unsigned syn_cookies_per_s; /* 1000: with auto, SYNs on one CPU above which they are answered */
	} filter;

	struct config_native native;
	struct config_tls tls;

	/* Facilitator 0 is `facilitator`, number i + 1 is alternates[i]. */
	struct config_facilitator facilitator;
	struct config_facilitator alternates[FACILITATORS_MAX - 1];
	size_t alternate_cnt;

	struct config_timeouts timeouts;
	struct config_upstream upstreams[UPSTREAMS_MAX];
	size_t upstream_cnt;
	struct offer offers[OFFERS_MAX]; /* [offer NAME]; max_timeout_s defaults to 60 */
	size_t offer_cnt;
	struct config_chain chains[CHAINS_MAX];
	size_t chain_cnt;
	struct config_route routes[ROUTES_MAX];
	size_t route_cnt;
	struct model_price prices[PRICES_MAX]; /* [price NAME] */
	size_t price_cnt;
};

/* Does the connection at this listener begin with a PROXY header? */
static inline bool config_proxied(const struct config *config, size_t listen)
{
	return config->listen_tls[listen] ? config->tls.proxied : config->proxied;
}
static inline bool config_has_tls(const struct config *config)
{
	for (size_t i = 0; i < config->listen_cnt; i++)
		if (config->listen_tls[i])
			return true;
	return false;
}

/* config_load: file → config.  Each mistake is one line "FILE:LINE: what is wrong" on `mistakes` (line 0 for something
 * missing from the whole file).  Returns the number of mistakes, or -errno when the file cannot be read. */
int config_load(struct config *config, const char *path, FILE *mistakes);
/* config_burst_least: what a burst must hold at this rate: one, and what comes in 10 ms, for so long the kernel's coarse
 * clock may stand still.  Below 10 a second one is enough: the pace is then at most a tenth too slow. */
unsigned config_burst_least(unsigned per_s);
/* config_parse: the same from memory; `name` stands for the file in messages. */
int config_parse(struct config *config, const char *name, const char *text, size_t text_bytes, FILE *mistakes);

#endif
