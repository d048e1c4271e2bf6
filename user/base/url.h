/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_URL_H
#define TOLLBAR_BASE_URL_H
/* url.h: the parts of an http or https URL, and of HOST:PORT.  Spans borrow from the text.  Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "limits.h"

struct url {
	bool tls;		  /* https:// */
	char host[URL_BYTES_MAX]; /* without brackets */
	uint16_t port;		  /* the scheme's own when the URL names none */
	struct span authority;	  /* HOST[:PORT] as written: what a Host field says */
	struct span path;	  /* from its slash; may be empty */
};

/* url_parse: false unless http://HOST[:PORT][/PATH] or https://..., shorter than URL_BYTES_MAX, of the bytes that RFC 3986
 * has in URLs, without user info, query and fragment. */
bool url_parse(struct url *url, const char *text);

/* url_split_host: "HOST:PORT" or "[V6]:PORT" → host without brackets, port.  Without a port: *port stays as it is, if
 * port_optional.  False: in no such form. */
bool url_split_host(char host[URL_BYTES_MAX], uint16_t *port, const char *text, bool port_optional);

#endif
