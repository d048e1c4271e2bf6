/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_PAY_H
#define TOLLBAR_CMD_PAY_H
/* pay.h: what the files of `tollbar pay` share: what is wished for, and how an answer over HTTP is had and printed.
 * The answer's body goes to standard output as it arrives; everything about it goes to standard error. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "limits.h"
#include "pay_client.h"
#include "payment.h"
#include "sys/fetch.h"

enum { SERVED = 0, REFUSED = 1, USAGE = 2, NETWORK = 3 }; /* exit status */
enum { HEADERS_MAX = 32, KEPT_BYTES_MAX = 65536 };

struct pay_wishes {
	const char *key_file, *header_file;
	const char *terms, *save_terms;	      /* files */
	const char *ca_file;		      /* PEM, of who may vouch for the node; NULL: the system's list */
	const char *url;		      /* over UDP it may be HOST:PORT */
	char *body;			      /* ours */
	const char *headers[HEADERS_MAX + 3]; /* ours: content type, payment, salt */
	size_t header_cnt, body_bytes;
	enum method method;
	struct word max;
	bool has_max, stream, v1, bind, bad_signature, dump, udp, tee;
	uint64_t valid_for_s, wait_s;
};

/* Says why, after "tollbar pay: "; returns the status. */
int pay_complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All of a file of at most bytes_max, zero-terminated; NULL after saying why.  The caller frees it. */
char *pay_read_file(const char *path, size_t bytes_max, size_t *bytes);

/* The first offer that fits the wishes, printed; NULL after saying why there is none. */
const struct pay_offer *pay_pick(const struct pay_challenge *challenge, const struct pay_wishes *wishes);

/* --- pay_http.c --- */

/* What is kept of an answer: its body only when it is not what was asked for. */
struct pay_answer {
	struct fetch_call call;					 /* its status */
	char challenge[HEAD_BYTES_MAX], receipt[HEAD_BYTES_MAX]; /* base64; "" when absent */
	char body[KEPT_BYTES_MAX + 1];
	size_t body_bytes;
};

/* False after saying why: no answer, or not all of it.  body.at NULL: GET. */
bool pay_ask(struct pay_answer *answer, const char *url, const char *ca_file, const char *const *headers,
	     size_t header_cnt, struct span body);
/* Prints what is left to print; the exit status. */
int pay_conclude(const struct pay_answer *answer);

/* --- pay_native.c --- */

/* Pays in one datagram for what is in wishes->body, and prints the result; the exit status. */
int pay_native(const struct pay_wishes *wishes, const struct signer *signer);

#endif
