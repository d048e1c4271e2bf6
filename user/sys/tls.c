// SPDX-License-Identifier: Apache-2.0
#include "sys/tls.h"

#include <errno.h>
#define INT_MAX __INT_MAX__ /* <openssl/err.h> wants <limits.h>, and finds ours */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define TICKET_KEYS 3 /* the newest makes tickets, all of them open some */
#define TICKET_ROTATE_S 3600
#define TICKET_LIFE_S 7200 /* of a session: the oldest key is kept as long */

/* TLS 1.2: forward secrecy and authenticated encryption only.  1.3 has nothing else. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"

struct ticket_key {
	uint8_t name[16], cipher[32], mac[32];
};

struct tls_server {
	pthread_rwlock_t lock; /* of all below; held for a few instructions */
	SSL_CTX *context;
	struct ticket_key keys[TICKET_KEYS]; /* newest first */
	uint64_t rotated_s;
	BIO_METHOD *method;
};

/* --- records: a BIO between the library and struct tls --- */

static int bio_read(BIO *bio, char *out, int room)
{
	struct tls *tls = BIO_get_data(bio);
	size_t bytes = tls->in.bytes < (size_t)room ? tls->in.bytes : (size_t)room;

	BIO_clear_retry_flags(bio);
	if (bytes == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, tls->in.at, bytes);
	tls->in = span_of(tls->in.at + bytes, tls->in.bytes - bytes);
	return (int)bytes;
}

static int bio_write(BIO *bio, const char *at, int bytes)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if ((size_t)bytes > TLS_OUT_BYTES - tls->out_end) {
		BIO_set_retry_write(bio);
		return -1;
	}
	memcpy(tls->out + tls->out_end, at, (size_t)bytes);
	tls->out_end += (uint32_t)bytes;
	return bytes;
}

static long bio_ctrl(BIO *bio, int command, long number, void *at)
{
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tollbar");

	if (method == NULL)
		return NULL;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

/* --- tickets --- */

static int new_key(struct ticket_key *key)
{
	return RAND_bytes((uint8_t *)key, sizeof *key) == 1 ? 0 : -EIO;
}

/* The key a ticket is made with (name NULL), or the one of that name; how old it is, or TICKET_KEYS. */
static unsigned find_key(struct tls_server *server, const uint8_t *name, struct ticket_key *key)
{
	unsigned age = 0;

	pthread_rwlock_rdlock(&server->lock);
	while (age < TICKET_KEYS && name != NULL && memcmp(server->keys[age].name, name, sizeof key->name) != 0)
		age++;
	if (age < TICKET_KEYS)
		*key = server->keys[age];
	pthread_rwlock_unlock(&server->lock);
	return age;
}

/* OpenSSL asks for the keys of one ticket: 1 here they are, 2 the same and a newer ticket is due, 0 none, -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		     int make)
{
	struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key key;
	unsigned age = find_key(server, make ? NULL : name, &key);

	if (age == TICKET_KEYS)
		return 0;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string("key", key.mac, sizeof key.mac),
			       OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
			       OSSL_PARAM_construct_end()};
	bool good = !make || RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1;
	if (make)
		memcpy(name, key.name, sizeof key.name);
	good = good && EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, make) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
	OPENSSL_cleanse(&key, sizeof key);
	return good ? age == 0 ? 1 : 2 : -1;
}

void tls_server_tend(struct tls_server *server, uint64_t now_s)
{
	struct ticket_key key;

	if (server->rotated_s != 0 && now_s - server->rotated_s < TICKET_ROTATE_S)
		return;
	bool first = server->rotated_s == 0;
	server->rotated_s = now_s;
	if (first || new_key(&key) != 0)
		return;
	pthread_rwlock_wrlock(&server->lock);
	memmove(server->keys + 1, server->keys, sizeof server->keys - sizeof key);
	server->keys[0] = key;
	pthread_rwlock_unlock(&server->lock);
	OPENSSL_cleanse(&key, sizeof key);
}

/* --- certificate and rules --- */

/* Who offers protocols offers this one, or gets no_application_protocol.  Who offers none speaks it. */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes, const unsigned char *offered,
		   unsigned offered_bytes, void *ctx)
{
	static const char http[] = "http/1.1";

	for (unsigned at = 0; at < offered_bytes; at += 1u + offered[at]) {
		if (offered[at] == sizeof http - 1 && memcmp(offered + at + 1, http, sizeof http - 1) == 0) {
			*chosen = offered + at + 1;
			*chosen_bytes = sizeof http - 1;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int explain(char problem[TLS_PROBLEM_BYTES], const char *what, const char *path)
{
	unsigned long error = ERR_peek_error();
	const char *why = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);

	snprintf(problem, TLS_PROBLEM_BYTES, "%s %s: %s", what, path, why != NULL ? why : "cannot be used");
	ERR_clear_error();
	return -EINVAL;
}

/* An encrypted key must not ask at a terminal. */
static int no_password(char *out, int room, int writing, void *ctx)
{
	return -1;
}

/* Tickets are good only where the same clients would be asked for the same certificates: the hash of who vouches for them. */
static bool set_session_rules(SSL_CTX *context, const struct tls_files *files)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned digest_bytes = 0;
	FILE *file = files->client_ca[0] != 0 ? fopen(files->client_ca, "re") : NULL;
	bool good = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(hash, files->client_required ? "required" : "optional", 8) == 1 &&
		    (file != NULL || files->client_ca[0] == 0);
	char piece[4096];
	size_t bytes;

	while (good && file != NULL && (bytes = fread(piece, 1, sizeof piece, file)) > 0)
		good = EVP_DigestUpdate(hash, piece, bytes) == 1;
	good = good && EVP_DigestFinal_ex(hash, digest, &digest_bytes) == 1 &&
	       SSL_CTX_set_session_id_context(context, digest, digest_bytes) == 1;
	if (file != NULL)
		fclose(file);
	EVP_MD_CTX_free(hash);
	return good;
}

static int load_client_ca(SSL_CTX *context, const struct tls_files *files, char problem[TLS_PROBLEM_BYTES])
{
	if (files->client_ca[0] == 0)
		return 0;
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(files->client_ca);
	if (names == NULL || SSL_CTX_load_verify_file(context, files->client_ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return explain(problem, "client_ca", files->client_ca);
	}
	SSL_CTX_set_client_CA_list(context, names);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (files->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
			   NULL);
	return 0;
}

static int load_files(SSL_CTX *context, const struct tls_files *files, char problem[TLS_PROBLEM_BYTES])
{
	SSL_CTX_set_default_passwd_cb(context, no_password);
	if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1)
		return explain(problem, "certificate", files->certificate);
	if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1)
		return explain(problem, "key", files->key);
	if (SSL_CTX_check_private_key(context) != 1)
		return explain(problem, "key", files->key);
	return load_client_ca(context, files, problem);
}

static bool set_rules(SSL_CTX *context, const struct tls_files *files, struct tls_server *server)
{
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(context, TICKET_LIFE_S);
	SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
	SSL_CTX_set_app_data(context, server);
	return SSL_CTX_set_min_proto_version(context, files->only_13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(context, CIPHERS_12) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}

static int make_context(SSL_CTX **out, struct tls_server *server, const struct tls_files *files,
			char problem[TLS_PROBLEM_BYTES])
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	ERR_clear_error();
	if (context == NULL)
		return -ENOMEM;
	int error = set_rules(context, files, server) ? load_files(context, files, problem)
						      : explain(problem, "OpenSSL", "settings");
	if (error == 0 && !set_session_rules(context, files))
		error = explain(problem, "client_ca", files->client_ca);
	if (error != 0) {
		SSL_CTX_free(context);
		return error;
	}
	*out = context;
	return 0;
}

int tls_server_load(struct tls_server *server, const struct tls_files *files, char problem[TLS_PROBLEM_BYTES])
{
	SSL_CTX *context, *before;
	int error = make_context(&context, server, files, problem);

	if (error != 0)
		return error;
	pthread_rwlock_wrlock(&server->lock);
	before = server->context;
	server->context = context;
	pthread_rwlock_unlock(&server->lock);
	SSL_CTX_free(before); /* sessions that run hold it still */
	return 0;
}

int tls_server_open(struct tls_server **out, const struct tls_files *files, char problem[TLS_PROBLEM_BYTES])
{
	struct tls_server *server = calloc(1, sizeof *server);
	int error = -ENOMEM;

	snprintf(problem, TLS_PROBLEM_BYTES, "OpenSSL: cannot be set up");
	if (server == NULL)
		return -ENOMEM;
	pthread_rwlock_init(&server->lock, NULL);
	server->method = make_method();
	if (server->method != NULL)
		error = 0;
	for (unsigned i = 0; error == 0 && i < TICKET_KEYS; i++)
		error = new_key(&server->keys[i]);
	if (error == 0)
		error = tls_server_load(server, files, problem);
	if (error != 0) {
		tls_server_close(server);
		return error;
	}
	*out = server;
	return 0;
}

void tls_server_close(struct tls_server *server)
{
	if (server == NULL)
		return;
	SSL_CTX_free(server->context);
	BIO_meth_free(server->method);
	pthread_rwlock_destroy(&server->lock);
	OPENSSL_cleanse(server->keys, sizeof server->keys);
	free(server);
}

/* --- a session --- */

int tls_start(struct tls *tls, struct tls_server *server, uint8_t *out, uint8_t *plain)
{
	pthread_rwlock_rdlock(&server->lock);
	SSL *ssl = SSL_new(server->context);
	pthread_rwlock_unlock(&server->lock);
	BIO *bio = ssl != NULL ? BIO_new(server->method) : NULL;

	if (bio == NULL) {
		SSL_free(ssl);
		return -ENOMEM;
	}
	*tls = (struct tls){.ssl = ssl, .out = out, .plain = plain};
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	return 0;
}

void tls_end(struct tls *tls)
{
	SSL_free(tls->ssl);
	tls->ssl = NULL;
}

bool tls_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl);
}

static enum tls_fault fault_of(unsigned long error)
{
	int reason = ERR_GET_REASON(error);

	switch (reason) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return TLS_FAULT_PLAIN;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_APPLICATION_PROTOCOL:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return TLS_FAULT_REFUSED;
	default: /* or the peer said, by an alert, why it does not want us */
		return reason > SSL_AD_REASON_OFFSET ? TLS_FAULT_REFUSED : TLS_FAULT_BAD;
	}
}

/* The library did not do all it was asked for. */
static void look_why(struct tls *tls, int result)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_WANT_WRITE:
		tls->blocked = true;
		break;
	case SSL_ERROR_ZERO_RETURN:
		tls->state = TLS_OVER;
		break;
	default:
		tls->fault = fault_of(ERR_peek_error());
		tls->state = TLS_FAILED;
		break;
	}
}

void tls_feed(struct tls *tls, struct span records)
{
	tls->in = records;
	tls->heard = true;
	ERR_clear_error();
}

static void shake_hands(struct tls *tls)
{
	int result = SSL_do_handshake(tls->ssl);

	if (result == 1)
		tls->state = TLS_OPEN;
	else
		look_why(tls, result);
}

bool tls_peek(struct tls *tls, struct span *plain)
{
	if (tls->state == TLS_HANDSHAKE)
		shake_hands(tls);
	if (tls->state != TLS_OPEN || (tls->in.bytes == 0 && !tls_holds(tls)))
		return false;
	int got = SSL_peek(tls->ssl, tls->plain, TLS_RECORD_BYTES);
	if (got <= 0) {
		look_why(tls, got);
		return false;
	}
	*plain = span_of(tls->plain, (size_t)got);
	return true;
}

void tls_take(struct tls *tls, size_t bytes)
{
	if (bytes == 0)
		return;
	int got = SSL_read(tls->ssl, tls->plain, (int)bytes);
	ASSERT(got == (int)bytes); /* it was shown */
}

size_t tls_unfed(struct tls *tls)
{
	bool deaf = tls->state == TLS_OVER || tls->state == TLS_FAILED;
	size_t bytes = deaf ? 0 : tls->in.bytes;

	tls->in = (struct span){0};
	return bytes;
}

bool tls_holds(const struct tls *tls)
{
	return tls->state == TLS_OPEN && SSL_pending(tls->ssl) > 0;
}

void tls_seal(struct tls *tls, struct span plain)
{
	if (tls->state != TLS_OPEN && tls->state != TLS_OVER)
		return;
	ERR_clear_error();
	while (plain.bytes > 0 && TLS_OUT_BYTES - tls->out_end >= TLS_RECORD_BYTES + 256) {
		size_t bytes = plain.bytes < TLS_RECORD_BYTES ? plain.bytes : TLS_RECORD_BYTES;
		int put = SSL_write(tls->ssl, plain.at, (int)bytes);
		if (put <= 0) {
			look_why(tls, put);
			return;
		}
		tls->covers += (uint32_t)put;
		plain = span_of(plain.at + put, plain.bytes - (size_t)put);
	}
}

struct span tls_out(const struct tls *tls)
{
	return span_of(tls->out + tls->out_begin, tls->out_end - tls->out_begin);
}

size_t tls_sent(struct tls *tls, size_t bytes)
{
	tls->out_begin += (uint32_t)bytes;
	bool all = tls->out_begin == tls->out_end;
	uint32_t credit = all || tls->covers < bytes ? tls->covers : (uint32_t)bytes;

	if (all)
		tls->out_begin = tls->out_end = 0;
	tls->covers -= credit;
	return credit;
}

bool tls_bye(struct tls *tls)
{
	if (tls->bye || (tls->state != TLS_OPEN && tls->state != TLS_OVER))
		return false;
	tls->bye = true;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	return tls->out_begin < tls->out_end;
}

void tls_put(struct tls *tls, struct span text)
{
	ASSERT(tls->state == TLS_FAILED && text.bytes <= TLS_OUT_BYTES - tls->out_end);
	memcpy(tls->out + tls->out_end, text.at, text.bytes);
	tls->out_end += (uint32_t)text.bytes;
}
