// SPDX-License-Identifier: Apache-2.0
// Where the gate's verdict is not the reference verifier's, and why.  `when` matches the name of a mutation; `word` is
// what the gate says then, `methods` (default all) for which payments.  A difference that is not here is a failure of the differential test.

/* Refused by us, accepted by the reference. */
export const STRICTER = [
	{
		when: /^number (in hexadecimal|with spaces|with a plus|with a leading zero|as a JSON number|in an array|negative|empty|true):/,
		word: 'payment_field',
		why: 'a number has one spelling: a JSON string of decimal digits without leading zeros',
	},
	{
		when: /^nonce (without its last zero|63 digits: nonce)$/, // the second when the last two were zeros
		word: 'payment_field',
		why: 'a nonce is 64 digits; padding a shorter one would give one nonce two spellings',
	},
	{
		when: /^(deadline \d+ s from now|signed number (plus 2\^\d+|largest): (validBefore|deadline))$/,
		word: 'deadline_far',
		why: 'a payment that never expires would have to be remembered for ever',
	},
	{
		when: /^signature high s$/,
		word: 'signature_form',
		why: 'tokens refuse a high s on chain, and it is a second spelling',
	},
	{
		when: /^signature v as 0 or 1$/,
		methods: ['permit2', 'upto'],
		word: 'signature_form',
		why: 'Permit2 takes v on chain as it was sent, and 0 or 1 revert there',
	},
	{
		when: /^JSON with (a member|a deep member|an escaped member) twice$/,
		word: 'payment_json',
		why: 'two parsers may read two different payments',
	},
	{
		when: /^JSON with a byte order mark$/,
		word: 'payment_json',
		why: 'it is not JSON (RFC 8259, 8.1), and parsers differ',
	},
	{ when: /^JSON with bad UTF-8$/, word: 'payment_json', why: 'it is not JSON (RFC 8259, 8.1), and parsers differ' },
	{ when: /^JSON nested 100 deep$/, word: 'payment_json', why: 'depth is bounded' },
	{ when: /^JSON (nested 5000 deep|of 9000 bytes)$/, word: 'payment_large', why: 'size is bounded' },
	{ when: /^base64 with stray bits$/, word: 'payment_base64', why: 'they would give one payment many spellings' },
	/* The reference server refuses these itself, before its verifier sees them; for us they are one step. */
	{
		when: /^accepted (amount lower|payTo another|timeout another|asset another)$/,
		word: 'offer_unmatched',
		why: 'the client accepted something we do not offer',
	},
	{ when: /^accepted asset another$/, word: 'asset_wrong', why: 'the client accepted something we do not offer' },
	{
		when: /^accepted (amount as a number|timeout as a string)$/,
		word: 'payment_field',
		why: 'the client accepted something we do not offer',
	},
];

/* Accepted by us, refused by the reference.  Nothing but letters may be here: same bytes, same digest, same signer. */
export const SAME = [
	{
		when: /^address (in upper case|with a wrong checksum): (from|to)$/,
		methods: ['eip3009'],
		word: 'ok',
		why: 'the case of hexadecimal digits is not signed; the reference minds it for EIP-3009 and not for Permit2',
	},
];
