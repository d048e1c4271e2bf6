// SPDX-License-Identifier: Apache-2.0
// Attacks on the HTTP message around a payment: other spellings of a path, smuggled requests, fields that only a gate
// may send.  Each is refused for the right reason, and an honest payment works afterwards.
import { assert, run, test } from './lib/check.mjs';
import { encode, payment, receiptOf } from './lib/payment.mjs';
import { refused, stillGood } from './lib/refusal.mjs';
import { AMOUNT, CHAT } from './lib/tollbar.mjs';
import { askPaid, askRaw, rawRequest, startWorld } from './lib/world.mjs';

let world, payer;

const chat = () => world.gate.chat;
const pay = (method = 'eip3009', options) => payment(world.offer(method), payer, options);
const attack = (name, body) =>
	test(name, async () => {
		await body();
		await stillGood(world);
	});

/* Never served, never free: the routes are matched byte for byte. */
const TARGETS = [
	`${CHAT}/`,
	`/${CHAT}`,
	CHAT.replace('/chat', '//chat'),
	CHAT.replace('/chat', '/./chat'),
	CHAT.replace('/chat', '/x/../chat'),
	CHAT.replace('/chat', '%2Fchat'),
	CHAT.replace('/chat', '%2fchat'),
	CHAT.replace('/chat', '%252Fchat'),
	CHAT.replace('chat', '%63hat'),
	CHAT.replace('chat', 'Chat'),
	CHAT.toUpperCase(),
	`${CHAT}?`,
	`${CHAT}?a=1`,
	`${CHAT};a=1`,
	`${CHAT}%00`,
	`${CHAT}%`,
	`${CHAT}%zz`,
	`${CHAT}%20`,
	`${CHAT}.`,
	CHAT.replaceAll('/', '\\'),
	`/v1\\chat/completions`,
	'/v1%5Cchat/completions',
	'/',
	'*',
	CHAT.slice(1),
	`${CHAT}#fragment`,
	`http://model${CHAT}`,
	`//model${CHAT}`,
	'/v1/models/../chat/completions',
];
for (const target of TARGETS)
	attack(`target ${target}`, async () => {
		const made = await pay();
		const request = rawRequest(world.gate, { target, headers: { 'PAYMENT-SIGNATURE': encode(made) } });
		await refused(world, ['route_unknown', 'http_bad', 'method_wrong'], () => askRaw(world.gate, [request]));
		await refused(world, ['route_unknown', 'http_bad', 'method_wrong'], () =>
			askRaw(world.gate, [rawRequest(world.gate, { target })]),
		);
		assert.equal((await askPaid(chat(), made)).status, 200, 'nothing was burned');
	});

const HOST = 'Host: gate\r\n',
	BOTH = 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
	END = '\r\n0\r\n\r\n';
const line = `POST ${CHAT} HTTP/1.1\r\n`;
const INNER = `GET /v1/models HTTP/1.1\r\n${HOST}\r\n`;
const SMUGGLED = [
	['both lengths', `${line}${HOST}${BOTH}${END}${INNER}`],
	['both lengths, other order', `${line}${HOST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n${END}${INNER}`],
	['two equal lengths', `${line}${HOST}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd`],
	['two lengths', `${line}${HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`],
	['a list of lengths', `${line}${HOST}Content-Length: 4, 4\r\n\r\nabcd`],
	['a length with a sign', `${line}${HOST}Content-Length: +4\r\n\r\nabcd`],
	['a length in hexadecimal', `${line}${HOST}Content-Length: 0x4\r\n\r\nabcd`],
	['a length of 20 digits', `${line}${HOST}Content-Length: 18446744073709551620\r\n\r\nabcd`],
	['a negative length', `${line}${HOST}Content-Length: -1\r\n\r\n`],
	['an empty length', `${line}${HOST}Content-Length: \r\n\r\nabcd`],
	['chunked after something', `${line}${HOST}Transfer-Encoding: gzip, chunked\r\n${END}`],
	['chunked twice', `${line}${HOST}Transfer-Encoding: chunked, chunked\r\n${END}`],
	['chunked in two fields', `${line}${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n${END}`],
	['almost chunked', `${line}${HOST}Transfer-Encoding: xchunked\r\n${END}`],
	['identity', `${line}${HOST}Transfer-Encoding: identity\r\n\r\n`],
	['chunked with a tab', `${line}${HOST}Transfer-Encoding:\tchunked\x0b\r\n${END}`],
	['chunked in HTTP/1.0', `POST ${CHAT} HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n${END}`],
	['bare line feeds', `POST ${CHAT} HTTP/1.1\n${HOST.trim()}\nContent-Length: 4\n\nabcd`],
	['a bare line feed in a field', `${line}${HOST}X-A: b\nTransfer-Encoding: chunked\r\n${END}`],
	['a bare carriage return', `${line}${HOST}X-A: b\rX-C: d\r\nContent-Length: 4\r\n\r\nabcd`],
	['a folded line', `${line}${HOST}X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nabcd`],
	['a space before the colon', `${line}${HOST}Content-Length : 4\r\n\r\nabcd`],
	['a space before the name', `${line} ${HOST}Content-Length: 4\r\n\r\nabcd`],
	['no colon', `${line}${HOST}Content-Length\r\n\r\n`],
	['a NUL', `${line}${HOST}X-A: b\0c\r\nContent-Length: 4\r\n\r\nabcd`],
	['no host', `${line}Content-Length: 4\r\n\r\nabcd`],
	['two hosts', `${line}${HOST}Host: other\r\nContent-Length: 4\r\n\r\nabcd`],
	['two spaces in the line', `POST  ${CHAT} HTTP/1.1\r\n${HOST}\r\n`],
	['a tab in the line', `POST\t${CHAT} HTTP/1.1\r\n${HOST}\r\n`],
	['no version', `POST ${CHAT}\r\n${HOST}\r\n`],
	['version 1.1 in small letters', `POST ${CHAT} http/1.1\r\n${HOST}\r\n`],
	['a bad chunk size', `${line}${HOST}Transfer-Encoding: chunked\r\n\r\n4x\r\nabcd\r\n0\r\n\r\n`],
	['a chunk size with a sign', `${line}${HOST}Transfer-Encoding: chunked\r\n\r\n+4\r\nabcd\r\n0\r\n\r\n`],
	[
		'a chunk size too large',
		`${line}${HOST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nabcd\r\n0\r\n\r\n`,
	],
	['a chunk longer than said', `${line}${HOST}Transfer-Encoding: chunked\r\n\r\n4\r\nabcdefgh\r\n0\r\n\r\n`],
	['chunk lines with bare line feeds', `${line}${HOST}Transfer-Encoding: chunked\r\n\r\n4\nabcd\n0\n\n`],
];
for (const [what, bytes] of SMUGGLED)
	attack(`smuggling: ${what}`, async () => {
		/* Paid or not: the message is refused before the payment is looked at, or with it, and the connection closes. */
		for (const head of ['', `PAYMENT-SIGNATURE: ${encode(await pay())}\r\n`]) {
			const request = bytes.replace('\n', `\n${head}`);
			const answer = await refused(
				world,
				['http_bad', 'http_ambiguous', 'http_version', 'body_bad', ...(head ? [] : ['payment_missing'])],
				() => askRaw(world.gate, [request], { ms: 1500 }),
			);
			assert.equal(answer.closed, true, `${what}: the connection must not be used again`);
			assert.equal(
				String(answer.bytes).match(/HTTP\/1\.1 \d/g).length,
				1,
				'one answer: nothing after it was read as a request',
			);
		}
	});

attack('the client says what to charge', async () => {
	const other = await world.chain.payer();
	const answer = await askPaid(chat(), await payment(world.offer('eip3009'), other), {
		headers: {
			'settlement-overrides': '{"amount":"1"}',
			'payment-response': 'e30=',
			'x-payment-response': 'e30=',
			'x-forwarded-for': '10.0.0.1',
		},
	});
	assert.equal(answer.status, 200);
	assert.equal(1_000_000_000n - (await world.chain.balance(other.address)), AMOUNT);
	const seen = JSON.stringify(await world.upstream.stats()).toLowerCase();
	for (const name of ['settlement-overrides', 'payment-response', 'payment-signature'])
		assert.ok(!seen.includes(name), name);
});

attack('the model server says what only a gate may say', async () => {
	const answer = await askPaid(chat(), await pay(), { headers: { 'x-fault': 'payment-headers' } });
	assert.equal(answer.status, 200);
	assert.equal(receiptOf(answer).payer.toLowerCase(), payer.address.toLowerCase(), 'the receipt is ours');
	for (const name of ['settlement-overrides', 'payment-required', 'x-payment-response'])
		assert.equal(answer.headers.get(name), null, name);
});

await run({
	before: async () => {
		world = await startWorld();
		payer = await world.chain.payer();
	},
	after: async () => world?.stop(),
});
