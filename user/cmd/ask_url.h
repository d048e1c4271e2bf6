/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_ASK_URL_H
#define TOLLBAR_CMD_ASK_URL_H
/* ask_url.h: one GET, waited for, for the commands that look around. */
#include "base/span.h"

#define ASK_URL_ANSWER_BYTES_MAX (256 << 10)

struct asked {
	const char *authorization; /* in: value of that header; NULL or empty: none */
	const char *ca_file;	   /* in: PEM; NULL or empty: the system's list */
	unsigned ms;		   /* in: for all of it */
	int error;	  /* out: 0, or -errno as of sys/fetch.h; an answer that is too large or breaks off is one */
	long status;	  /* out: 0 without an answer */
	uint64_t date_s;  /* out: its Date, Unix seconds; 0: none */
	struct span body; /* out: until the next call */
};

/* GET base and path, one behind the other. */
void ask_url(struct asked *asked, const char *base, const char *path);

#endif
