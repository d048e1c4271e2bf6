/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_TOOLS_LOAD_TLS_H
#define TOLLBAR_TESTS_TOOLS_LOAD_TLS_H
/* load_tls.h: load's connections over TLS, by OpenSSL.  Whose certificate it is, is not asked: the other side is this
 * machine's. */
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/uio.h>

#include "challenge.h"

enum { LOAD_TLS_WRITE_MAX = 65536 };

/* Shakes hands on a descriptor that blocks. */
static SSL *load_tls_open(int fd)
{
	static SSL_CTX *context;

	if (context == NULL)
		context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = context != NULL ? SSL_new(context) : NULL;
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		fail("TLS handshake");
	return ssl;
}

/* All of the parts in one write; as sendmsg, but for the whole. */
static ssize_t load_tls_send(SSL *ssl, const struct iovec *parts, size_t part_cnt)
{
	static char all[LOAD_TLS_WRITE_MAX];
	size_t bytes = 0;

	for (size_t i = 0; i < part_cnt; i++) {
		if (parts[i].iov_len > sizeof(all) - bytes)
			fail("request too long for TLS");
		memcpy(all + bytes, parts[i].iov_base, parts[i].iov_len);
		bytes += parts[i].iov_len;
	}
	return SSL_write(ssl, all, (int)bytes);
}

/* As recv. */
static ssize_t load_tls_recv(SSL *ssl, void *out, size_t room)
{
	int got = SSL_read(ssl, out, (int)room);

	if (got > 0)
		return got;
	int why = SSL_get_error(ssl, got);
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
	return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

#endif
