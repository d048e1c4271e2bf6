// SPDX-License-Identifier: Apache-2.0
// Payments bound to the body: the right body passes, a captured payment buys nothing else, and trying burns nothing.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert, run, test } from './lib/check.mjs';
import { bound, fetchBound } from './lib/bound.mjs';
import { encode, METHODS, payment } from './lib/payment.mjs';
import { built, scratch } from './lib/process.mjs';
import { refused, stillGood } from './lib/refusal.mjs';
import { askPaid, askRaw, BODY, BODY_STREAM, rawRequest, startWorld } from './lib/world.mjs';

const STRICT = '/v1/completions';
const OTHER = BODY.replace('something', 'otherwise');
let world;

const strict = () => `${world.gate.url}${STRICT}`;
const nonceFor = (method, nonce) => (method === 'eip3009' ? nonce : BigInt(nonce).toString());

/* boundPayment: a payment for exactly this body, and the header that says so. */
async function boundPayment(method, body, salt) {
	const { nonce, salt: digits } = bound(body, salt);
	const payer = await world.chain.payer();
	const made = await payment(world.offer(method), payer, { overrides: { nonce: nonceFor(method, nonce) } });
	return { made, headers: { 'X-Tollbar-Salt': digits } };
}

for (const method of METHODS)
	test(`${method}: a captured payment buys no other body, and is not burned by trying`, async () => {
		for (const url of [world.gate.chat, strict()]) {
			const { made, headers } = await boundPayment(method, BODY);
			const steal = (body) => refused(world, 'bind_wrong', () => askPaid(url, made, { headers, body }), { method });
			await steal(OTHER);
			await steal(`${BODY} `);
			await steal(BODY_STREAM);
			assert.equal((await askPaid(url, made, { headers, body: BODY })).status, 200);
			await refused(world, 'replayed', () => askPaid(url, made, { headers, body: BODY }), { method });
		}
	});

test('without its salt a bound payment passes where binding is not required, and nowhere else', async () => {
	const { made } = await boundPayment('eip3009', BODY);
	await refused(world, 'bind_missing', () => askPaid(strict(), made));
	assert.equal((await askPaid(world.gate.chat, made)).status, 200);
	await refused(world, 'bind_missing', async () =>
		askPaid(strict(), await payment(world.offer('eip3009'), await world.chain.payer())),
	);
	await stillGood(world);
});

test('a malformed salt is refused before anything is counted against the payment', async () => {
	const { made, headers } = await boundPayment('eip3009', BODY);
	const salt = headers['X-Tollbar-Salt'];
	for (const bad of ['', '0', salt.slice(1), `${salt}0`, `0x${salt}`, `${salt.slice(1)}g`, `${salt},${salt}`])
		for (const url of [world.gate.chat, strict()])
			await refused(world, 'bind_salt', () => askPaid(url, made, { headers: { 'X-Tollbar-Salt': bad } }), { label: bad });
	const twice = rawRequest(world.gate, { headers: { 'PAYMENT-SIGNATURE': encode(made), 'X-Tollbar-Salt': salt } }).replace(
		'X-Tollbar-Salt',
		`X-Tollbar-Salt: ${salt}\r\nx-tollbar-salt`,
	);
	await refused(world, 'bind_salt', () => askRaw(world.gate, [twice]));
	await refused(world, 'bind_wrong', () => askPaid(strict(), made, { headers: { 'X-Tollbar-Salt': '0'.repeat(32) } }));
	assert.equal((await askPaid(strict(), made, { headers })).status, 200);
});

test('the body counts, not how it is framed, and the salt stays here', async () => {
	for (const large of [BODY, BODY.replace('Say', 'x'.repeat(100_000))]) {
		const { made, headers } = await boundPayment('eip3009', large);
		const pieces = [large.slice(0, 7), large.slice(7)];
		const chunked = (...bodies) => [
			rawRequest(world.gate, {
				target: STRICT,
				headers: {
					'Content-Length': undefined,
					'Transfer-Encoding': 'chunked',
					'PAYMENT-SIGNATURE': encode(made),
					...headers,
				},
				body: '',
			}),
			...bodies.map((body) => `${body.length.toString(16)}\r\n${body}\r\n`),
			'0\r\n\r\n',
		];
		await refused(world, 'bind_wrong', () => askRaw(world.gate, chunked(pieces[0], `${pieces[1]}\n`), { pause: 5 }));
		const answer = await askRaw(world.gate, chunked(...pieces), { pause: 5 });
		assert.equal(answer.status, 200, answer.text);
		const { last } = await world.upstream.stats();
		assert.ok(!last.headers.some(([name]) => /^x-tollbar/i.test(name)), `${last.headers}`);
	}
});

test('what is hashed is what the client sent, not what include_usage makes of it', async () => {
	const { made, headers } = await boundPayment('upto', BODY_STREAM);
	const answer = await askPaid(strict(), made, { headers, body: BODY_STREAM });
	assert.equal(answer.status, 200);
	assert.match(answer.text, /data: \[DONE\]/);
	const { last } = await world.upstream.stats();
	assert.match(last.body, /"include_usage":true/);
});

test('the example client', async () => {
	const payer = await world.chain.payer();
	const answer = await fetchBound(payer, strict(), BODY);
	assert.equal(answer.status, 200, await answer.text());
});

test('tollbar pay --bind', async () => {
	const { path } = scratch('bind');
	const [key, lines] = [join(path, 'key'), join(path, 'lines')];
	const payer = await world.chain.payer();
	const exec = promisify(execFile);
	const pay = async (...args) => (await exec(built('tollbar'), ['pay', ...args, strict()])).stdout;
	writeFileSync(key, payer.key, { mode: 0o600 });
	for (const method of METHODS)
		assert.match(await pay('--key', key, '--bind', '--method', method, '--data', BODY), /"choices"/);
	await assert.rejects(pay('--key', key, '--data', BODY), /bind_missing/);
	writeFileSync(lines, await pay('--key', key, '--bind', '--dump-header', '--data', BODY));
	await assert.rejects(pay('--header-file', lines, '--data', OTHER), /bind_wrong/);
	assert.match(await pay('--header-file', lines, '--data', BODY), /"choices"/);
});

await run({
	before: async () => {
		const strictRoute = { match: `POST ${STRICT}`, offers: 'eip3009, permit2, upto', upstream: 'model', bind_body: 'require' };
		world = await startWorld({ more: { 'route chat': { bind_body: 'accept' }, 'route strict': strictRoute } });
	},
	after: async () => world?.stop(),
});
