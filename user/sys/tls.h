/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_TLS_H
#define TOLLBAR_SYS_TLS_H
/* tls.h: TLS for accepted connections, by OpenSSL: TLS 1.2 and 1.3, ALPN http/1.1.  The only user of libssl.
 *
 * A struct tls_server is the certificate and its rules, one for all workers; it may be loaded anew at any time, and what
 * runs keeps what it began with.  A struct tls is one connection's session.  It touches no socket: records are fed to it
 * and taken from it, and conn.h, which does both, decides when.  A session belongs to one thread.
 *
 * Sessions are resumed by tickets alone, which nothing is kept of here.  Their keys last an hour, decrypt for another two,
 * and outlive a reload.
 *
 * OpenSSL allocates: what one session takes, at most, is in TLS_SESSION_BYTES, measured by test_tls.c. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define TLS_RECORD_BYTES 16384				     /* plain, of one record */
#define TLS_OUT_BYTES (2 * (TLS_RECORD_BYTES + 256) + 16384) /* two sealed records, and a certificate chain's flight */
#define TLS_SESSION_BYTES 98304
#define TLS_PROBLEM_BYTES 320

struct tls_files {		       /* borrowed while a call lasts */
	const char *certificate, *key; /* PEM; the certificate with its chain */
	const char *client_ca;	       /* PEM: who may vouch for a client's certificate; empty: none is asked for */
	bool client_required;	       /* without one no session; else one that is shown must be good */
	bool only_13;
};

struct tls_server;

/* 0, or -errno (-EINVAL: a file) with one line in `problem`. */
int tls_server_open(struct tls_server **server, const struct tls_files *files, char problem[TLS_PROBLEM_BYTES]);
/* The same for a server that runs; when it fails, nothing changed.  Any one thread. */
int tls_server_load(struct tls_server *server, const struct tls_files *files, char problem[TLS_PROBLEM_BYTES]);
/* At least each minute, from one thread: new ticket keys when they are due.  now_s: of any clock that does not go back. */
void tls_server_tend(struct tls_server *server, uint64_t now_s);
void tls_server_close(struct tls_server *server); /* after the last session; NULL is fine */

enum tls_state {
	TLS_HANDSHAKE,
	TLS_OPEN,
	TLS_OVER,   /* the peer said that nothing follows */
	TLS_FAILED, /* see fault; what is in tls_out still says so to the peer */
};

enum tls_fault {
	TLS_FAULT_BAD,	   /* no TLS, or a broken record or message */
	TLS_FAULT_PLAIN,   /* HTTP without TLS */
	TLS_FAULT_REFUSED, /* no version, cipher or protocol in common, or a certificate that one side does not accept */
};

/* Zeroed memory of the owner; out: TLS_OUT_BYTES, plain: TLS_RECORD_BYTES, which sessions of one thread may share. */
struct tls {
	void *ssl;
	enum tls_state state;
	enum tls_fault fault;
	struct span in; /* fed, and not yet taken by the library */
	uint8_t *out, *plain;
	uint32_t out_begin, out_end;
	uint32_t covers; /* bytes of plain text that what is in `out` stands for */
	bool blocked;	 /* goes on when `out` is empty */
	bool bye;	 /* said by us */
	bool heard;	 /* the peer began */
};

int tls_start(struct tls *tls, struct tls_server *server, uint8_t *out, uint8_t *plain); /* 0 or -ENOMEM */
void tls_end(struct tls *tls);		 /* also one that was never started */
bool tls_resumed(const struct tls *tls); /* a ticket saved the handshake */

/* tls_feed: received bytes, borrowed until tls_unfed is asked how many of them are left.  Between the two, tls_peek
 * shows plain text while there is some, without taking it, and tls_take takes that much of it.  Afterwards look at state. */
void tls_feed(struct tls *tls, struct span records);
bool tls_peek(struct tls *tls, struct span *plain);
void tls_take(struct tls *tls, size_t bytes);
size_t tls_unfed(struct tls *tls);
bool tls_holds(const struct tls *tls); /* bytes that were taken from a feed, and not yet shown or not taken */

/* tls_seal: as much of it as there is room for, when nothing else waits in `out`. */
void tls_seal(struct tls *tls, struct span plain);
struct span tls_out(const struct tls *tls);	 /* what has to be sent */
size_t tls_sent(struct tls *tls, size_t bytes);	 /* so much of it was; returns how much plain text left with it */
bool tls_bye(struct tls *tls);			 /* close_notify into `out`; false: said before, or no session */
void tls_put(struct tls *tls, struct span text); /* as it is, into `out` of a failed session */

#endif
