// SPDX-License-Identifier: Apache-2.0
/* The session against OpenSSL's own client, both in memory: what one has to send is fed to the other, in pieces. */
#include "sys/tls.c"

#include <malloc.h>
#include <unistd.h>

#include "check.h"
#include "tls_pair.h"

static char folder[] = "/tmp/tollbar-tls-XXXXXX";
static char cert_a[128], key_a[128], cert_b[128], key_b[128], chain[128], garbage[128], locked[128], missing[128];
static struct tls_server *server;
static uint8_t out[TLS_OUT_BYTES], plain[TLS_RECORD_BYTES];
static struct tls tls;
static SSL_CTX *client_context;
static SSL *client;
static BIO *to_client, *from_client;
static size_t piece;	     /* bytes of one feed */
static uint8_t got[1 << 18]; /* what the server side took */
static size_t got_bytes, take_max;
static bool counted; /* the library works for the server's side */

/* --- certificates --- */

static void write_pair(const char *name, char cert_path[128], char key_path[128], unsigned copies, const char *password)
{
	snprintf(cert_path, 128, "%s/%s.pem", folder, name);
	snprintf(key_path, 128, "%s/%s.key", folder, name);
	tls_pair_write(cert_path, key_path, name, copies, password);
}

static struct tls_files files_a(void)
{
	return (struct tls_files){.certificate = cert_a, .key = key_a, .client_ca = "", .client_required = true};
}

static void open_server(const struct tls_files *files)
{
	char problem[TLS_PROBLEM_BYTES];

	CHECK_NEED(tls_server_open(&server, files, problem) == 0);
	tls_server_tend(server, 1000);
}

/* --- the other side --- */

static void begin_client(SSL_SESSION *session)
{
	client = SSL_new(client_context);
	to_client = BIO_new(BIO_s_mem());
	from_client = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(to_client, -1);
	SSL_set_bio(client, to_client, from_client);
	SSL_set_connect_state(client);
	if (session != NULL)
		SSL_set_session(client, session);
	got_bytes = 0;
	piece = take_max = SIZE_MAX;
	counted = true;
	CHECK_NEED(tls_start(&tls, server, out, plain) == 0);
	counted = false;
}

static void end_client(void)
{
	counted = true;
	tls_end(&tls);
	counted = false;
	SSL_free(client);
	client = NULL;
}

/* As a connection would. */
static void feed(struct span records)
{
	struct span shown;

	counted = true;
	tls_feed(&tls, records);
	while (tls_peek(&tls, &shown)) {
		size_t take = shown.bytes < take_max ? shown.bytes : take_max;
		CHECK_NEED(got_bytes + take <= sizeof got);
		memcpy(got + got_bytes, shown.at, take);
		got_bytes += take;
		tls_take(&tls, take);
	}
	CHECK_EQ(tls_unfed(&tls), 0);
	CHECK(!tls_holds(&tls));
	counted = false;
}

/* All that either side has to say; returns the plain bytes that left. */
static size_t carry(void)
{
	size_t credit = 0;
	uint8_t buffer[4096];

	for (bool any = true; any;) {
		int bytes = BIO_read(from_client, buffer, piece < sizeof buffer ? (int)piece : (int)sizeof buffer);
		any = bytes > 0;
		if (any)
			feed(span_of(buffer, (size_t)bytes));
		struct span sent = tls_out(&tls);
		if (sent.bytes > 0) {
			size_t some = sent.bytes < piece ? sent.bytes : piece;
			BIO_write(to_client, sent.at, (int)some);
			credit += tls_sent(&tls, some);
			any = true;
		}
		if (tls.blocked && tls_out(&tls).bytes == 0) {
			tls.blocked = false;
			feed((struct span){0});
			any = true;
		}
	}
	return credit;
}

static bool shake(void)
{
	for (unsigned i = 0; i < 10 && !SSL_is_init_finished(client); i++) {
		SSL_do_handshake(client);
		ERR_clear_error();
		carry();
	}
	SSL_read(client, (char[1]){0}, 1); /* tickets, alerts */
	carry();
	return SSL_is_init_finished(client) && tls.state == TLS_OPEN;
}

static void fresh_context(int version_max)
{
	SSL_CTX_free(client_context);
	client_context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(client_context, version_max);
	SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

TEST(bytes_both_ways_in_any_pieces)
{
	static const size_t pieces[] = {1, 5, 100, 4096};
	static uint8_t said[100000], heard[100000];
	struct tls_files files = files_a();

	for (size_t i = 0; i < sizeof said; i++)
		said[i] = (uint8_t)(i * 7 + i / 251);
	open_server(&files);
	for (size_t row = 0; row < 2 * sizeof pieces / sizeof *pieces; row++) {
		fresh_context(versions[row % 2]);
		begin_client(NULL);
		piece = pieces[row / 2];
		take_max = row % 3 == 0 ? 1000 : SIZE_MAX;
		CHECK(shake());
		CHECK_EQ(SSL_write(client, said, sizeof said), sizeof said);
		carry();
		CHECK_EQ(got_bytes, sizeof said);
		CHECK_BYTES(got, said, sizeof said);
		size_t left = 0, back = 0;
		while (left < sizeof said) { /* what left is taken off, as conn.c does */
			tls_seal(&tls, span_of(said + left, sizeof said - left));
			CHECK(tls_out(&tls).bytes > 0 && tls_out(&tls).bytes <= TLS_OUT_BYTES);
			size_t credit = carry();
			CHECK(credit > 0 && credit <= sizeof said - left);
			left += credit;
			for (int bytes; (bytes = SSL_read(client, heard + back, (int)(sizeof heard - back))) > 0;)
				back += (size_t)bytes;
		}
		CHECK_EQ(back, sizeof said);
		CHECK_BYTES(heard, said, sizeof said);
		CHECK(tls_bye(&tls) && !tls_bye(&tls));
		carry();
		CHECK_EQ(SSL_get_error(client, SSL_read(client, heard, 1)), SSL_ERROR_ZERO_RETURN);
		SSL_shutdown(client);
		carry();
		CHECK_EQ(tls.state, TLS_OVER);
		end_client();
	}
	tls_server_close(server);
}

/* Partial progress counts, and never more than was sealed. */
TEST(credit_comes_as_records_leave)
{
	struct tls_files files = files_a();
	size_t credit = 0;

	open_server(&files);
	fresh_context(TLS1_3_VERSION);
	begin_client(NULL);
	CHECK(shake());
	tls_seal(&tls, span_of(got, 20000));
	size_t sealed = tls_out(&tls).bytes;
	CHECK(sealed > 20000 && sealed < 20100);
	CHECK_EQ(tls_sent(&tls, 1), 1);
	CHECK_EQ(tls_sent(&tls, 15000), 15000);
	credit = 15001 + tls_sent(&tls, sealed - 15002);
	CHECK(credit == 20000 && tls_out(&tls).bytes == 1); /* the last byte is the seal's */
	CHECK_EQ(tls_sent(&tls, 1), 0);
	end_client();
	tls_server_close(server);
}

TEST(a_reader_who_takes_nothing_loses_nothing)
{
	struct tls_files files = files_a();
	struct span shown;
	uint8_t buffer[4096];

	open_server(&files);
	fresh_context(TLS1_3_VERSION);
	begin_client(NULL);
	CHECK(shake());
	SSL_write(client, "abcdefgh", 8);
	SSL_write(client, "ijkl", 4);
	int bytes = BIO_read(from_client, buffer, sizeof buffer);
	tls_feed(&tls, span_of(buffer, (size_t)bytes));
	CHECK(tls_peek(&tls, &shown) && shown.bytes == 8);
	tls_take(&tls, 3);
	CHECK(tls_holds(&tls));
	size_t left = tls_unfed(&tls);
	CHECK(left > 0 && left < (size_t)bytes); /* the second record stays where it is */
	tls_feed(&tls, span_of(buffer + bytes - left, left));
	CHECK(tls_peek(&tls, &shown) && span_equal(shown, SPAN("defgh")));
	tls_take(&tls, 5);
	CHECK(tls_peek(&tls, &shown) && span_equal(shown, SPAN("ijkl")));
	tls_take(&tls, 4);
	CHECK(!tls_peek(&tls, &shown) && tls_unfed(&tls) == 0);
	end_client();
	tls_server_close(server);
}

/* --- who is refused, and how it is called --- */

static enum tls_fault fault_after(const void *at, size_t bytes)
{
	begin_client(NULL);
	feed(span_of(at, bytes));
	CHECK_EQ(tls.state, TLS_FAILED);
	enum tls_fault fault = tls.fault;
	end_client();
	return fault;
}

TEST(what_is_no_tls)
{
	struct tls_files files = files_a();
	static const uint8_t large[] = {22, 3, 1, 0xff, 0xff, 1}, old[] = {0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10};
	uint8_t junk[64];

	open_server(&files);
	fresh_context(TLS1_3_VERSION);
	CHECK_EQ(fault_after("GET / HTTP/1.1\r\n\r\n", 18), TLS_FAULT_PLAIN);
	CHECK_EQ(fault_after("POST /v1/chat", 13), TLS_FAULT_PLAIN);
	CHECK_EQ(fault_after("CONNECT a:1 HTTP/1.1\r\n", 22), TLS_FAULT_PLAIN);
	CHECK_EQ(fault_after(large, sizeof large), TLS_FAULT_BAD);
	memset(junk, 0xff, sizeof junk);
	CHECK_EQ(fault_after(junk, sizeof junk), TLS_FAULT_BAD);
	memset(junk, 0, sizeof junk);
	CHECK_EQ(fault_after(junk, sizeof junk), TLS_FAULT_BAD);
	begin_client(NULL);
	feed(span_of(old, sizeof old));
	CHECK(tls.state != TLS_OPEN);
	end_client();
	tls_server_close(server);
}

TEST(nothing_in_common)
{
	struct tls_files files = files_a();
	static const unsigned char h2[] = "\2h2", both[] = "\2h2\x08http/1.1";
	const unsigned char *chosen;
	unsigned chosen_bytes;

	open_server(&files);
	fresh_context(TLS1_3_VERSION);
	SSL_CTX_set_alpn_protos(client_context, h2, 3);
	begin_client(NULL);
	CHECK(!shake() && tls.state == TLS_FAILED && tls.fault == TLS_FAULT_REFUSED);
	end_client();
	SSL_CTX_set_alpn_protos(client_context, both, 12);
	begin_client(NULL);
	CHECK(shake());
	SSL_get0_alpn_selected(client, &chosen, &chosen_bytes);
	CHECK(chosen_bytes == 8 && memcmp(chosen, "http/1.1", 8) == 0);
	end_client();
	fresh_context(TLS1_1_VERSION);
	SSL_CTX_set_security_level(client_context, 0);
	begin_client(NULL);
	CHECK(!shake() && tls.fault == TLS_FAULT_REFUSED);
	end_client();
	tls_server_close(server);
	files.only_13 = true;
	open_server(&files);
	fresh_context(TLS1_2_VERSION);
	begin_client(NULL);
	CHECK(!shake() && tls.fault == TLS_FAULT_REFUSED);
	end_client();
	tls_server_close(server);
}

TEST(each_turned_bit_of_a_record_is_noticed)
{
	struct tls_files files = files_a();
	uint8_t record[512];

	open_server(&files);
	for (size_t at = 0; at < 60; at += 7) {
		fresh_context(versions[at % 2]);
		begin_client(NULL);
		CHECK(shake());
		SSL_write(client, "GET / HTTP/1.1\r\n\r\n and more", 27);
		int bytes = BIO_read(from_client, record, sizeof record);
		CHECK(bytes > 32);
		record[at % (size_t)bytes] ^= 0x40;
		feed(span_of(record, (size_t)bytes));
		CHECK(got_bytes == 0 && tls.state != TLS_OVER);
		if (at < 3 || at > 4) /* a length that lies wants more, or too much */
			CHECK(tls.state == TLS_FAILED && tls.fault == TLS_FAULT_BAD && tls_out(&tls).bytes > 0);
		tls_seal(&tls, SPAN("nothing more"));
		end_client();
	}
	tls_server_close(server);
}

/* --- tickets --- */

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(kept);
	kept = session;
	return 1;
}

static void get_ticket(int version)
{
	SSL_SESSION_free(kept);
	kept = NULL;
	fresh_context(version);
	SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(client_context, keep_session);
	begin_client(NULL);
	CHECK(shake() && !tls_resumed(&tls) && kept != NULL);
	SSL_CTX_sess_set_new_cb(client_context, NULL);
	SSL_shutdown(client); /* else the client calls its session bad */
	end_client();
}

static bool resumes(void)
{
	SSL_SESSION *own = SSL_SESSION_dup(kept); /* a client spoils one that it used */
	begin_client(own);
	SSL_SESSION_free(own);
	CHECK(shake());
	bool resumed = tls_resumed(&tls);
	CHECK_EQ(resumed, SSL_session_reused(client));
	SSL_shutdown(client);
	end_client();
	return resumed;
}

TEST(tickets_last_for_three_keys_and_over_a_reload)
{
	struct tls_files files = files_a();
	char problem[TLS_PROBLEM_BYTES];

	for (unsigned i = 0; i < 2; i++) {
		open_server(&files);
		get_ticket(versions[i]);
		CHECK(resumes());
		CHECK_EQ(tls_server_load(server, &files, problem), 0);
		CHECK(resumes());
		tls_server_tend(server, 1000 + TICKET_ROTATE_S - 1);
		CHECK(resumes());
		for (unsigned hour = 1; hour < TICKET_KEYS; hour++) {
			tls_server_tend(server, 1000 + hour * TICKET_ROTATE_S);
			CHECK(resumes());
		}
		tls_server_tend(server, 1000 + TICKET_KEYS * TICKET_ROTATE_S);
		CHECK(!resumes());
		tls_server_close(server);
	}
}

/* A client that was let in by one authority does not stay in under another. */
TEST(tickets_end_with_their_authority)
{
	struct tls_files files = files_a();
	char problem[TLS_PROBLEM_BYTES];

	open_server(&files);
	get_ticket(TLS1_3_VERSION);
	CHECK(resumes());
	files.client_ca = cert_b;
	files.client_required = false;
	CHECK_EQ(tls_server_load(server, &files, problem), 0);
	CHECK(!resumes());
	tls_server_close(server);
}

/* --- files --- */

TEST(files_that_are_no_good_change_nothing)
{
	struct tls_files good = files_a();
	const struct {
		const char *what;
		struct tls_files files;
	} rows[] = {
		{"certificate", {.certificate = missing, .key = key_a, .client_ca = ""}},
		{"certificate", {.certificate = garbage, .key = key_a, .client_ca = ""}},
		{"certificate", {.certificate = key_a, .key = key_a, .client_ca = ""}},
		{"key", {.certificate = cert_a, .key = missing, .client_ca = ""}},
		{"key", {.certificate = cert_a, .key = key_b, .client_ca = ""}},
		{"key", {.certificate = cert_a, .key = locked, .client_ca = ""}},
		{"client_ca", {.certificate = cert_a, .key = key_a, .client_ca = missing}},
		{"client_ca", {.certificate = cert_a, .key = key_a, .client_ca = garbage}},
		{"certificate", {.certificate = folder, .key = key_a, .client_ca = ""}},
	};
	char problem[TLS_PROBLEM_BYTES];
	struct tls_server *other = NULL;

	open_server(&good);
	SSL_CTX *before = server->context;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_ROW(tls_server_load(server, &rows[i].files, problem) == -EINVAL, problem);
		CHECK_ROW(strncmp(problem, rows[i].what, strlen(rows[i].what)) == 0 && strchr(problem, '/') != NULL,
			  problem);
		CHECK(tls_server_open(&other, &rows[i].files, problem) == -EINVAL && other == NULL);
	}
	CHECK(server->context == before);
	fresh_context(TLS1_3_VERSION);
	begin_client(NULL);
	CHECK(shake());
	end_client();
	tls_server_close(server);
	tls_server_close(NULL);
}

TEST(a_chain_longer_than_the_buffer)
{
	struct tls_files files = {.certificate = chain, .key = locked, .client_ca = ""};

	write_pair("chain", chain, locked, 130, NULL); /* 52 KiB: more than leaves at once */
	open_server(&files);
	for (unsigned i = 0; i < 2; i++) {
		fresh_context(versions[i]);
		begin_client(NULL);
		CHECK(shake());
		end_client();
	}
	tls_server_close(server);
}

/* --- memory --- */

static size_t now_bytes, most_bytes;

static void *count_up(void *at)
{
	if (at != NULL && counted)
		now_bytes += malloc_usable_size(at);
	most_bytes = now_bytes > most_bytes ? now_bytes : most_bytes;
	return at;
}

static void count_down(void *at)
{
	if (at != NULL && counted)
		now_bytes -= malloc_usable_size(at);
}

static void *on_malloc(size_t bytes, const char *file, int line)
{
	return count_up(malloc(bytes));
}

static void *on_realloc(void *at, size_t bytes, const char *file, int line)
{
	count_down(at);
	return count_up(realloc(at, bytes));
}

static void on_free(void *at, const char *file, int line)
{
	count_down(at);
	free(at);
}

/* What the library takes for one session: while it shakes hands, while half a record is inside, while it writes. */
TEST(a_session_stays_within_what_is_printed_for_it)
{
	static uint8_t text[16000];
	struct tls_files files = files_a();
	uint8_t records[8192];

	files.client_ca = cert_b;
	files.client_required = false;
	open_server(&files);
	for (unsigned i = 0; i < 8; i++) {
		fresh_context(versions[i % 2]);
		now_bytes = most_bytes = 0;
		begin_client(NULL);
		CHECK(shake());
		SSL_write(client, text, sizeof text);
		int bytes = BIO_read(from_client, records, sizeof records);
		feed(span_of(records, (size_t)bytes));
		counted = true;
		tls_seal(&tls, span_of(text, sizeof text));
		counted = false;
		CHECK(most_bytes > 8192 && most_bytes <= TLS_SESSION_BYTES);
		end_client();
		CHECK(i < 2 || now_bytes < 1024); /* the first of a kind leaves what the library keeps */
	}
	printf("TLS: a session took %zu bytes at most\n", most_bytes);
	tls_server_close(server);
}

static void remove_files(void)
{
	static const char *const names[] = {"a", "b", "locked", "chain"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[128];
		snprintf(path, sizeof path, "%s/%s.pem", folder, names[i]);
		unlink(path);
		snprintf(path, sizeof path, "%s/%s.key", folder, names[i]);
		unlink(path);
	}
	unlink(garbage);
	rmdir(folder);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	CRYPTO_set_mem_functions(on_malloc, on_realloc, on_free);
	CHECK_NEED(mkdtemp(folder) != NULL);
	write_pair("a", cert_a, key_a, 1, NULL);
	write_pair("b", cert_b, key_b, 1, NULL);
	write_pair("locked", chain, locked, 1, "secret");
	snprintf(missing, sizeof missing, "%s/missing", folder);
	snprintf(garbage, sizeof garbage, "%s/garbage", folder);
	FILE *file = fopen(garbage, "w");
	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", file);
	fclose(file);
	int failed = check_main();
	remove_files();
	SSL_CTX_free(client_context);
	SSL_SESSION_free(kept);
	return failed;
}
