/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_TLS_PAIR_H
#define TOLLBAR_TESTS_TLS_PAIR_H
/* tls_pair.h: a certificate that vouches for itself, for a day, and its key, ECDSA P-256: two PEM files. */
#include "base/assert.h"
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

/* copies: of the certificate, in its file.  password: of the key, or NULL. */
static inline void tls_pair_write(const char *cert_path, const char *key_path, const char *name, unsigned copies,
				  const char *password)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	FILE *cert = fopen(cert_path, "w"), *file = fopen(key_path, "w");

	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
	X509_set_pubkey(x509, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(x509, X509_get_subject_name(x509));
	ASSERT(cert != NULL && file != NULL && X509_sign(x509, key, EVP_sha256()) > 0);
	while (copies-- > 0)
		PEM_write_X509(cert, x509);
	PEM_write_PrivateKey(file, key, password != NULL ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
			     (void *)(uintptr_t)password);
	fclose(cert);
	fclose(file);
	X509_free(x509);
	EVP_PKEY_free(key);
}

#endif
