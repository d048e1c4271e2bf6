// SPDX-License-Identifier: Apache-2.0
#include "bind.c"

#include "base/hex.h"
#include "base/keccak.h"
#include "check.h"
#include "random.h"

/* Made with viem: keccak256(concat([toHex('TBR1'), salt, keccak256(body)])). */
TEST(nonces_of_another_implementation)
{
	static const struct {
		const char *salt, *body, *nonce;
	} rows[] = {
		{"0x000102030405060708090a0b0c0d0e0f", "{\"model\":\"m\"}",
		 "0x3edc8c814970e1626b3cce75fdd0c69a6a22a4b610125e8f49b1e0c08995773b"},
		{"0xffffffffffffffffffffffffffffffff", "",
		 "0x651e83c74d88ed8d0c15d5fd2590fb4e538401910d6f8419e4682c4ef77f260a"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct binding binding = {.is_bound = true};
		struct word nonce, want;
		CHECK(hex_decode(binding.salt, sizeof binding.salt, span_str(rows[i].salt)));
		CHECK(hex_decode(want.at, sizeof want.at, span_str(rows[i].nonce)));
		bind_nonce(&nonce, binding.salt, span_str(rows[i].body));
		CHECK_BYTES(&nonce, &want, sizeof want);
		CHECK_EQ(bind_check(&binding, &want, span_str(rows[i].body)), REASON_OK);
	}
	struct word nonce, none;
	bind_nonce(&nonce, (uint8_t[BIND_SALT_BYTES]){0}, (struct span){0});
	bind_nonce(&none, (uint8_t[BIND_SALT_BYTES]){0}, SPAN(""));
	CHECK_BYTES(&nonce, &none, sizeof none);
}

#define SALT "X-Tollbar-Salt: 000102030405060708090a0b0c0d0e0f\r\n"

TEST(what_the_head_says)
{
	static const struct {
		const char *fields;
		enum reason accept, require;
	} rows[] = {
		{"", REASON_OK, BIND_MISSING},
		{"X-Tollbar-Sal: 00\r\n", REASON_OK, BIND_MISSING},
		{SALT, REASON_OK, REASON_OK},
		{"x-tollbar-SALT:000102030405060708090A0B0C0D0E0F \r\n", REASON_OK, REASON_OK},
		{SALT SALT, BIND_SALT, BIND_SALT},
		{"X-Tollbar-Salt:\r\n", BIND_SALT, BIND_SALT},
		{"X-Tollbar-Salt: 000102030405060708090a0b0c0d0e0\r\n", BIND_SALT, BIND_SALT},
		{"X-Tollbar-Salt: 000102030405060708090a0b0c0d0e0f0\r\n", BIND_SALT, BIND_SALT},
		{"X-Tollbar-Salt: 000102030405060708090a0b0c0d0e0f00\r\n", BIND_SALT, BIND_SALT},
		{"X-Tollbar-Salt: 000102030405060708090a0b0c0d0e0g\r\n", BIND_SALT, BIND_SALT},
		{"X-Tollbar-Salt: 0x0102030405060708090a0b0c0d0e0f\r\n", BIND_SALT, BIND_SALT},
		{"X-Tollbar-Salt: 0x000102030405060708090a0b0c0d0e0f\r\n", BIND_SALT, BIND_SALT},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		static struct http_head head;
		struct binding binding = {.is_bound = true};
		char text[512];
		int bytes = snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].fields);

		CHECK_EQ(parse_request(&head, span_of(text, (size_t)bytes), 0), PARSE_DONE);
		CHECK_EQ(bind_read(&binding, BIND_OFF, &head), REASON_OK);
		CHECK(!binding.is_bound);
		CHECK_ROW(bind_read(&binding, BIND_REQUIRE, &head) == rows[i].require, rows[i].fields);
		CHECK_ROW(bind_read(&binding, BIND_ACCEPT, &head) == rows[i].accept, rows[i].fields);
		bool good = rows[i].accept == REASON_OK && rows[i].require == REASON_OK;
		CHECK_ROW(binding.is_bound == good, rows[i].fields);
		CHECK_ROW(!good || (binding.salt[0] == 0 && binding.salt[15] == 15), rows[i].fields);
	}
}

TEST(any_other_body_salt_or_nonce_is_refused)
{
	static const char body[] = "{\"model\":\"m\",\"messages\":[]}";
	struct binding binding = {.is_bound = true, .salt = {1, 2, 3}};
	struct word nonce;

	bind_nonce(&nonce, binding.salt, SPAN(body));
	CHECK_EQ(bind_check(&binding, &nonce, SPAN(body)), REASON_OK);
	CHECK_EQ(bind_check(&binding, &nonce, span_of(body, sizeof body - 2)), BIND_WRONG);
	CHECK_EQ(bind_check(&binding, &nonce, span_of(body, sizeof body)), BIND_WRONG);
	for (size_t bit = 0; bit < 8 * (sizeof body - 1); bit++) {
		char other[sizeof body];
		memcpy(other, body, sizeof body);
		other[bit / 8] = (char)(other[bit / 8] ^ 1 << bit % 8);
		CHECK_EQ(bind_check(&binding, &nonce, SPAN(other)), BIND_WRONG);
	}
	for (size_t bit = 0; bit < 8 * BIND_SALT_BYTES; bit++) {
		struct binding other = binding;
		other.salt[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(bind_check(&other, &nonce, SPAN(body)), BIND_WRONG);
	}
	for (size_t bit = 0; bit < 8 * sizeof nonce; bit++) {
		struct word other = nonce;
		other.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(bind_check(&binding, &other, SPAN(body)), BIND_WRONG);
	}
	binding.is_bound = false; /* an ordinary payment */
	CHECK_EQ(bind_check(&binding, &nonce, SPAN("anything")), REASON_OK);
}

/* Any number, of any lengths, side by side: the same as one by one. */
TEST(many_are_as_many_ones)
{
	enum { MANY = 40, BODY_BYTES_MAX = 1500 };
	static uint8_t bodies[MANY][BODY_BYTES_MAX], salts[MANY][BIND_SALT_BYTES];
	static struct word nonces[MANY + 1];
	struct bind_job jobs[MANY];

	random_start("nonces side by side");
	random_bytes(bodies[0], sizeof bodies);
	random_bytes(salts[0], sizeof salts);
	for (size_t cnt = 0; cnt <= MANY; cnt++) {
		for (size_t i = 0; i < cnt; i++)
			jobs[i] = (struct bind_job){salts[i], span_of(bodies[i], random_below(BODY_BYTES_MAX + 1)),
						    &nonces[i]};
		memset(nonces, 0, sizeof nonces);
		bind_nonces(jobs, cnt);
		for (size_t i = 0; i < cnt; i++) {
			uint8_t text[4 + BIND_SALT_BYTES + 32] = "TBR1";
			struct word want;
			memcpy(text + 4, salts[i], BIND_SALT_BYTES);
			keccak256(text + 4 + BIND_SALT_BYTES, jobs[i].body.at, jobs[i].body.bytes);
			keccak256(want.at, text, sizeof text);
			CHECK_BYTES(&nonces[i], &want, sizeof want);
		}
		for (size_t i = 0; i < sizeof nonces[cnt]; i++)
			CHECK_EQ(nonces[cnt].at[i], 0);
	}
}

CHECK_MAIN
