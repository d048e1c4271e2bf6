// SPDX-License-Identifier: Apache-2.0
// link: user/base/log.c -lssl -lcrypto
/* fuzz_tls.c: what anybody may send to a TLS port, in pieces, answered by a session with a certificate of its own: it never
 * shows a byte of plain text to who has not shaken hands, keeps to its buffer, and once it failed it stays so.  The input's
 * first byte is how long a piece is. */
#include "../../user/sys/tls.c"

#include <unistd.h>

#include "tls_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static struct tls_server *server;

static void open_server(void)
{
	char folder[] = "/tmp/tollbar-fuzz-tls-XXXXXX", cert[64], key[64], problem[TLS_PROBLEM_BYTES];
	struct tls_files files = {.certificate = cert, .key = key, .client_ca = ""};

	ASSERT(mkdtemp(folder) != NULL);
	snprintf(cert, sizeof cert, "%s/cert", folder);
	snprintf(key, sizeof key, "%s/key", folder);
	tls_pair_write(cert, key, "fuzzed", 1, NULL);
	ASSERT(tls_server_open(&server, &files, problem) == 0);
	unlink(cert);
	unlink(key);
	rmdir(folder);
}

static void check_after(const struct tls *tls, bool had_failed, size_t left)
{
	ASSERT(!had_failed || tls->state == TLS_FAILED);
	ASSERT(tls->state != TLS_OPEN && !tls_holds(tls)); /* nobody guesses a Finished */
	ASSERT(tls->out_begin <= tls->out_end && tls->out_end <= TLS_OUT_BYTES && tls->covers == 0);
	ASSERT(left == 0 || tls->blocked);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static uint8_t out[TLS_OUT_BYTES], plain[TLS_RECORD_BYTES];
	struct tls tls;
	struct span shown;

	if (server == NULL)
		open_server();
	if (bytes == 0)
		return -1;
	size_t piece = at[0] == 0 ? bytes : at[0];
	ASSERT(tls_start(&tls, server, out, plain) == 0);
	for (size_t begin = 1; begin < bytes; begin += piece) {
		bool had_failed = tls.state == TLS_FAILED;
		tls_feed(&tls, span_of(at + begin, bytes - begin < piece ? bytes - begin : piece));
		ASSERT(!tls_peek(&tls, &shown));
		check_after(&tls, had_failed, tls_unfed(&tls));
		tls_seal(&tls, span_str("nothing leaves before the handshake"));
		ASSERT(tls.covers == 0);
		if (begin % 3 == 0)
			tls_sent(&tls, tls_out(&tls).bytes);
	}
	tls_bye(&tls);
	tls_end(&tls);
	return 0;
}
