/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_REASONS_H
#define TOLLBAR_REASONS_H
/* reasons.h: one row per way a packet or a request can end, kernel and daemon alike.
 *
 * The word is the same everywhere: kernel counter, metric label, log field, error body, documentation.
 * Numbers are append-only: they index maps and journals, so a number is never reused or renumbered.
 *
 *   K(number, NAME, "word")                                    decided in the kernel; NATIVE_*: or in the daemon, of
 *                                                              what no kernel sieved
 *   R(number, NAME, "word", HTTP status, exact, permit2, upto) decided in the daemon
 *
 * exact, permit2 and upto are the x402 error codes (invalidReason / error) that the reference clients and servers
 * use for that method: exact/EIP-3009, exact/Permit2, upto/Permit2.  Source: @x402/evm 2.27.0 and x402 spec v2 section 9.
 * Words are lower case, at most 24 characters.  PASS_* rows and the cookies are not refusals: every packet gets exactly
 * one row.
 */

/* clang-format off */
#define REASONS_KERNEL(K)                    \
	K(1, PASS_OTHER, "pass_other")       \
	K(2, PASS_OPEN, "pass_open")         \
	K(3, PASS_ALLOWED, "pass_allowed")   \
	K(4, SYN_COOKIE, "syn_cookie")       \
	K(5, PASS_NATIVE, "pass_native")     \
	K(6, PASS_KNOCKED, "pass_knocked")   \
	K(7, NATIVE_COOKIE, "native_cookie") \
	K(10, FRAME_SHORT, "frame_short")    \
	K(11, VLAN_DEEP, "vlan_deep")        \
	K(12, IP4_HEADER, "ip4_header")      \
	K(13, IP4_LENGTH, "ip4_length")      \
	K(14, IP6_HEADER, "ip6_header")      \
	K(15, IP6_LENGTH, "ip6_length")      \
	K(16, IP6_EXTENSION, "ip6_extension") \
	K(17, SOURCE_MARTIAN, "source_martian") \
	K(18, FRAGMENT, "fragment")          \
	K(19, TCP_HEADER, "tcp_header")      \
	K(20, TCP_FLAGS, "tcp_flags")        \
	K(21, UDP_LENGTH, "udp_length")      \
	K(22, PORT_ZERO, "port_zero")        \
	K(23, CHECKSUM, "checksum")          \
	K(30, BLOCKED, "blocked")            \
	K(31, NOT_ALLOWED, "not_allowed")    \
	K(32, PENALIZED, "penalized")        \
	K(33, RATE, "rate")                  \
	K(34, SYN_RATE, "syn_rate")          \
	K(40, NO_DAEMON, "no_daemon")        \
	K(41, NATIVE_LENGTH, "native_length") \
	K(42, NATIVE_MAGIC, "native_magic")  \
	K(43, NATIVE_KIND, "native_kind")    \
	K(44, NATIVE_METHOD, "native_method") \
	K(45, NATIVE_FIELD, "native_field")  \
	K(46, NATIVE_CHAIN, "native_chain")  \
	K(47, NATIVE_ASSET, "native_asset")  \
	K(48, NATIVE_EARLY, "native_early")  \
	K(49, NATIVE_EXPIRED, "native_expired") \
	K(50, NATIVE_FAR, "native_far")      \
	K(51, NATIVE_PAYER, "native_payer")  \
	K(52, NATIVE_REPLAY, "native_replay")

/* Kernel numbers below 10 drop nothing: the packet passes, or (SYN_COOKIE, NATIVE_COOKIE) is answered at once. */
#define REASON_DROPS(number) ((number) >= 10)

#define PAYMENT_REQUIRED_TEXT "Payment required"
#define NO_MATCH_TEXT "No matching payment requirements"

#define REASONS_DAEMON(R)                                                                                             \
	/* the HTTP message */                                                                                        \
	R(64, HTTP_BAD, "http_bad", 400, 0, 0, 0)                                                                     \
	R(65, HTTP_AMBIGUOUS, "http_ambiguous", 400, 0, 0, 0)                                                         \
	R(66, HTTP_LARGE, "http_large", 431, 0, 0, 0)                                                                 \
	R(67, HTTP_VERSION, "http_version", 505, 0, 0, 0)                                                             \
	R(68, BODY_LARGE, "body_large", 413, 0, 0, 0)                                                                 \
	R(69, BODY_BAD, "body_bad", 400, 0, 0, 0)                                                                     \
	R(70, CLIENT_SLOW, "client_slow", 408, 0, 0, 0)                                                               \
	R(71, CLIENT_GONE, "client_gone", 499, 0, 0, 0)                                                               \
	R(72, ROUTE_UNKNOWN, "route_unknown", 404, 0, 0, 0)                                                           \
	R(73, METHOD_WRONG, "method_wrong", 405, 0, 0, 0)                                                             \
	R(74, EXPECTATION, "expectation", 417, 0, 0, 0)                                                               \
	R(75, MODEL_UNKNOWN, "model_unknown", 400, 0, 0, 0)                                                           \
	/* the payment header */                                                                                      \
	R(80, PAYMENT_MISSING, "payment_missing", 402, PAYMENT_REQUIRED_TEXT, PAYMENT_REQUIRED_TEXT,                  \
	  PAYMENT_REQUIRED_TEXT)                                                                                      \
	R(81, PAYMENT_DUPLICATE, "payment_duplicate", 402, "invalid_payload", "invalid_payload", "invalid_payload")   \
	R(82, PAYMENT_LARGE, "payment_large", 402, "invalid_payload", "invalid_payload", "invalid_payload")           \
	R(83, PAYMENT_BASE64, "payment_base64", 402, "invalid_payload", "invalid_payload", "invalid_payload")         \
	R(84, PAYMENT_JSON, "payment_json", 402, "invalid_payload", "invalid_payload", "invalid_payload")             \
	R(85, PAYMENT_FIELD, "payment_field", 402, "invalid_payload", "invalid_payload", "invalid_payload")           \
	R(86, PAYMENT_VERSION, "payment_version", 402, "invalid_x402_version", "invalid_x402_version",                \
	  "invalid_x402_version")                                                                                     \
	R(87, SCHEME_UNKNOWN, "scheme_unknown", 402, "unsupported_scheme", "unsupported_scheme", "unsupported_scheme") \
	/* the payment against our offer */                                                                           \
	R(90, OFFER_UNMATCHED, "offer_unmatched", 402, NO_MATCH_TEXT, NO_MATCH_TEXT, NO_MATCH_TEXT)                   \
	R(91, NETWORK_WRONG, "network_wrong", 402, "invalid_exact_evm_network_mismatch",                              \
	  "invalid_exact_evm_network_mismatch", "invalid_upto_evm_network_mismatch")                                  \
	R(92, ASSET_WRONG, "asset_wrong", 402, NO_MATCH_TEXT, "permit2_token_mismatch", "permit2_token_mismatch")     \
	R(93, PAYEE_WRONG, "payee_wrong", 402, "invalid_exact_evm_recipient_mismatch",                                \
	  "invalid_permit2_recipient_mismatch", "invalid_permit2_recipient_mismatch")                                 \
	R(94, AMOUNT_WRONG, "amount_wrong", 402, "invalid_exact_evm_payload_authorization_value_mismatch",            \
	  "permit2_amount_mismatch", "permit2_amount_mismatch")                                                       \
	R(95, SPENDER_WRONG, "spender_wrong", 402, "invalid_permit2_spender", "invalid_permit2_spender",              \
	  "invalid_permit2_spender")                                                                                  \
	R(96, FACILITATOR_WRONG, "facilitator_wrong", 402, "upto_facilitator_mismatch", "upto_facilitator_mismatch",  \
	  "upto_facilitator_mismatch")                                                                                \
	R(97, NOT_YET, "not_yet", 402, "invalid_exact_evm_payload_authorization_valid_after",                         \
	  "permit2_not_yet_valid", "permit2_not_yet_valid")                                                           \
	R(98, EXPIRED, "expired", 402, "invalid_exact_evm_payload_authorization_valid_before",                        \
	  "permit2_deadline_expired", "permit2_deadline_expired")                                                     \
	R(99, DEADLINE_FAR, "deadline_far", 402, "invalid_exact_evm_payload_authorization_valid_before",              \
	  "permit2_deadline_expired", "permit2_deadline_expired")                                                     \
	R(100, PAYER_ZERO, "payer_zero", 402, "invalid_exact_evm_signature", "invalid_permit2_signature",             \
	  "invalid_permit2_signature")                                                                                \
	R(101, SIGNATURE_FORM, "signature_form", 402, "invalid_exact_evm_signature", "invalid_permit2_signature",     \
	  "invalid_permit2_signature")                                                                                \
	R(102, SIGNATURE_BAD, "signature_bad", 402, "invalid_exact_evm_signature", "invalid_permit2_signature",       \
	  "invalid_permit2_signature")                                                                                \
	R(103, REPLAYED, "replayed", 402, "invalid_exact_evm_nonce_already_used", "permit2_invalid_nonce",            \
	  "permit2_invalid_nonce")                                                                                    \
	R(104, BIND_MISSING, "bind_missing", 402, "invalid_payload", "invalid_payload", "invalid_payload")            \
	R(105, BIND_SALT, "bind_salt", 402, "invalid_payload", "invalid_payload", "invalid_payload")                  \
	R(106, BIND_WRONG, "bind_wrong", 402, "invalid_payload", "invalid_payload", "invalid_payload")                \
	/* the payer's permissions */                                                                                 \
	R(110, PAYER_DENIED, "payer_denied", 403, 0, 0, 0)                                                            \
	R(111, MODEL_DENIED, "model_denied", 403, 0, 0, 0)                                                            \
	R(112, PAYER_RATE, "payer_rate", 429, 0, 0, 0)                                                                \
	R(113, PAYER_BUSY, "payer_busy", 429, 0, 0, 0)                                                                \
	R(114, PAYER_SPEND, "payer_spend", 429, 0, 0, 0)                                                              \
	R(117, PAYER_UNSETTLED, "payer_unsettled", 429, 0, 0, 0)                                                      \
	/* the node */                                                                                                \
	R(120, QUEUE_FULL, "queue_full", 503, 0, 0, 0)                                                                \
	R(121, QUEUE_TIMEOUT, "queue_timeout", 503, 0, 0, 0)                                                          \
	R(122, MEMORY_FULL, "memory_full", 503, 0, 0, 0)                                                              \
	R(123, LEDGER_FULL, "ledger_full", 503, 0, 0, 0)                                                              \
	R(124, STORE_DOWN, "store_down", 503, 0, 0, 0)                                                                \
	R(125, DRAINING, "draining", 503, 0, 0, 0)                                                                    \
	R(126, UPSTREAM_DOWN, "upstream_down", 502, 0, 0, 0)                                                          \
	R(127, UPSTREAM_BAD, "upstream_bad", 502, 0, 0, 0)                                                            \
	R(128, UPSTREAM_LARGE, "upstream_large", 502, 0, 0, 0)                                                        \
	R(129, UPSTREAM_FAILED, "upstream_failed", 502, 0, 0, 0)                                                      \
	R(130, UPSTREAM_SLOW, "upstream_slow", 504, 0, 0, 0)                                                          \
	R(131, INTERNAL, "internal", 500, 0, 0, 0)                                                                    \
	R(137, UNSETTLED, "unsettled", 503, 0, 0, 0)                                                                  \
	/* the settlement */                                                                                          \
	R(140, SETTLE_REFUSED, "settle_refused", 402, "unexpected_settle_error", "unexpected_settle_error",           \
	  "unexpected_settle_error")                                                                                  \
	R(141, SETTLE_UNKNOWN, "settle_unknown", 502, "settlement_pending", "settlement_pending",                     \
	  "settlement_pending")                                                                                       \
	/* the session */                                                                                             \
	R(150, SESSION_OVER, "session_over", 402, PAYMENT_REQUIRED_TEXT, PAYMENT_REQUIRED_TEXT,                       \
	  PAYMENT_REQUIRED_TEXT)                                                                                      \
	R(151, SESSION_SPENT, "session_spent", 402, PAYMENT_REQUIRED_TEXT, PAYMENT_REQUIRED_TEXT,                     \
	  PAYMENT_REQUIRED_TEXT)                                                                                      \
	R(152, SESSION_BUSY, "session_busy", 429, 0, 0, 0)                                                            \
	R(153, SESSIONS_FULL, "sessions_full", 503, 0, 0, 0)                                                          \
	/* what the chain says of the payer */                                                                        \
	R(154, NONCE_USED, "nonce_used", 402, "invalid_exact_evm_nonce_already_used", "permit2_invalid_nonce",        \
	  "permit2_invalid_nonce")                                                                                    \
	R(155, BALANCE_LOW, "balance_low", 402, "invalid_exact_evm_insufficient_balance",                             \
	  "permit2_insufficient_balance", "permit2_insufficient_balance")                                             \
	R(156, ALLOWANCE_LOW, "allowance_low", 412, "permit2_allowance_required", "permit2_allowance_required",       \
	  "permit2_allowance_required")                                                                               \
	R(157, ACCOUNT_CODE, "account_code", 402, "invalid_exact_evm_signature", "invalid_permit2_signature",         \
	  "invalid_permit2_signature")                                                                                \
	R(158, CHAIN_DOWN, "chain_down", 503, 0, 0, 0)                                                                \
	R(159, FACTORY_UNLISTED, "factory_unlisted", 402, "eip6492_factory_not_allowed",                              \
	  "eip6492_factory_not_allowed", "eip6492_factory_not_allowed")                                               \
	/* native requests */                                                                                         \
	R(160, CALLDATA_BAD, "calldata_bad", 400, 0, 0, 0)                                                            \
	R(161, RESULTS_FULL, "results_full", 503, 0, 0, 0)                                                            \
	R(162, RESULT_UNKNOWN, "result_unknown", 404, 0, 0, 0)                                                        \
	/* the connection, before its first request */                                                                \
	R(168, TLS_BAD, "tls_bad", 400, 0, 0, 0)                                                                      \
	R(169, TLS_PLAIN, "tls_plain", 400, 0, 0, 0)                                                                  \
	R(170, TLS_REFUSED, "tls_refused", 400, 0, 0, 0)                                                              \
	R(171, PROXY_BAD, "proxy_bad", 400, 0, 0, 0)                                                                  \
	R(172, PROXY_UNTRUSTED, "proxy_untrusted", 403, 0, 0, 0)

/* clang-format on */

enum reason {
	REASON_OK = 0,
#define K(number, name, word) name = number,
#define R(number, name, word, status, exact, permit2, upto) name = number,
	REASONS_KERNEL(K) REASONS_DAEMON(R)
#undef K
#undef R
		REASON_CNT = 176 /* size of tables indexed by reason; more than the last number */
};

#endif
