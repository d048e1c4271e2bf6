// SPDX-License-Identifier: Apache-2.0
// The stock x402 clients pay through the gate, and the money moves.
import { assert, run, test } from './lib/check.mjs';
import { getAddress } from 'viem';
import { NETWORK, NETWORK_V1 } from './lib/chain.mjs';
import { asV1, challenge, encode, METHODS, payment, receiptOf, stockFetch, stockFetchV1 } from './lib/payment.mjs';
import { AMOUNT, MAX_TIMEOUT_S, PRICE } from './lib/tollbar.mjs';
import { UPSTREAM_USAGE } from './lib/upstream.mjs';
import { until } from './lib/wait.mjs';
import { ask, askPaid, askRaw, BODY, BODY_STREAM, rawRequest, startWorld } from './lib/world.mjs';

let world;

const used = (completion) =>
	(BigInt(UPSTREAM_USAGE.prompt) * PRICE.input + BigInt(completion) * PRICE.output) / 1_000_000n;
const USED = used(UPSTREAM_USAGE.completion);
const STREAM_TOKENS = 20;
const TICK_US = 100_000; // all of them take longer than settling what is settled first
const costOf = (method, tokens = UPSTREAM_USAGE.completion) => (method === 'upto' ? used(tokens) : AMOUNT);
const post = (body, headers = {}) => ({
	method: 'POST',
	headers: { 'content-type': 'application/json', ...headers },
	body,
});

/* moved: waits until a payer's balance is lower by exactly this much, and stays so. */
async function moved(payer, cost) {
	const start = 1_000_000_000n;
	await until(
		`the payment of ${payer.address} to settle`,
		10000,
		async () => (await world.chain.balance(payer.address)) < start,
	);
	assert.equal(start - (await world.chain.balance(payer.address)), cost);
}

async function checkReceipt(response, payer, network) {
	const receipt = receiptOf(response);
	assert.equal(receipt.success, true);
	assert.equal(receipt.payer.toLowerCase(), payer.address.toLowerCase());
	assert.equal(receipt.network, network);
	const mined = await world.chain.reader.getTransactionReceipt({ hash: receipt.transaction });
	assert.equal(mined.status, 'success');
	return receipt;
}

/* events: the data lines of a stream, with the time each arrived. */
async function events(response) {
	const found = [],
		decoder = new TextDecoder();
	let text = '';
	for await (const piece of response.body) {
		text += decoder.decode(piece, { stream: true });
		const whole = text.split('\n\n');
		text = whole.pop();
		for (const event of whole) found.push({ at: Date.now(), data: event.replace(/^data: /, '') });
	}
	assert.equal(text, '', 'the stream ends with a whole event');
	return found;
}

test('the challenge says the same in both versions', async () => {
	const { response, required, v1 } = await challenge(world.gate.chat, BODY);
	assert.equal(response.headers.get('cache-control'), 'no-store');
	assert.equal(required.x402Version, 2);
	assert.equal(required.error, 'Payment required');
	assert.equal(required.resource.url, world.gate.chat);
	assert.deepEqual(
		required.accepts.map((offer) => [offer.scheme, offer.extra.assetTransferMethod ?? 'eip3009']),
		[
			['exact', 'eip3009'],
			['exact', 'permit2'],
			['upto', 'permit2'],
		],
	);
	for (const offer of required.accepts) {
		assert.equal(offer.network, NETWORK);
		assert.equal(offer.amount, String(AMOUNT));
		assert.equal(offer.asset.toLowerCase(), world.chain.token.toLowerCase());
		assert.equal(offer.payTo.toLowerCase(), world.chain.payTo.toLowerCase());
		assert.equal(offer.maxTimeoutSeconds, MAX_TIMEOUT_S);
	}
	assert.equal(v1.x402Version, 1);
	assert.equal(v1.reason, 'payment_missing');
	assert.equal(v1.accepts.length, 1, 'version 1 has one method');
	const [offer] = v1.accepts;
	assert.equal(offer.network, NETWORK_V1);
	assert.equal(offer.maxAmountRequired, String(AMOUNT));
	assert.equal(offer.resource, world.gate.chat);
	assert.deepEqual(
		{ name: offer.extra.name, version: offer.extra.version },
		{ name: world.chain.tokenName, version: world.chain.tokenVersion },
	);
});

for (const method of METHODS)
	test(`stock client pays ${method}`, async () => {
		const payer = await world.chain.payer();
		const response = await stockFetch(payer, method)(world.gate.chat, post(BODY));
		assert.equal(response.status, 200, await response.clone().text());
		assert.match(response.headers.get('cache-control'), /private/);
		const { choices } = await response.json();
		assert.match(choices[0].message.content, /t\d{5}/);
		await moved(payer, costOf(method));
		if (method !== 'upto' || receiptOf(response)) {
			const receipt = await checkReceipt(response, payer, NETWORK);
			if (method === 'upto') assert.equal(receipt.amount, String(USED));
		}
	});

for (const method of METHODS)
	test(`stock client pays ${method}, streamed`, async () => {
		const payer = await world.chain.payer();
		const response = await stockFetch(payer, method)(
			world.gate.chat,
			post(BODY_STREAM, { 'x-tokens': String(STREAM_TOKENS), 'x-tick-us': String(TICK_US) }),
		);
		assert.equal(response.status, 200);
		assert.match(response.headers.get('content-type'), /text\/event-stream/);
		if (method !== 'upto') await checkReceipt(response, payer, NETWORK);
		const found = await events(response);
		assert.equal(found.at(-1).data, '[DONE]');
		const chunks = found.slice(0, -1).map(({ data }) => JSON.parse(data));
		const said = chunks
			.map((chunk) => chunk.choices[0]?.delta?.content ?? '')
			.join('')
			.trim()
			.split(/\s+/);
		assert.equal(new Set(said).size, STREAM_TOKENS, 'each token once');
		assert.equal(
			chunks.filter((chunk) => chunk.choices.length === 0).length,
			0,
			'no usage chunk: it was not asked for',
		);
		assert.ok(found.at(-1).at - found[0].at > 200, 'events arrive as they are made, not in one piece');
		await moved(payer, costOf(method, STREAM_TOKENS));
	});

test('a client that asks for usage gets it', async () => {
	const payer = await world.chain.payer();
	const body = JSON.stringify({ ...JSON.parse(BODY_STREAM), stream_options: { include_usage: true } });
	const response = await askPaid(world.gate.chat, await payment(world.offer('upto'), payer), { body });
	assert.match(response.text, new RegExp(`"usage":\\{"prompt_tokens":${UPSTREAM_USAGE.prompt},`));
	await moved(payer, USED);
});

test('version 1 client pays', async () => {
	const payer = await world.chain.payer();
	const response = await stockFetchV1(payer)(world.gate.chat, post(BODY));
	assert.equal(response.status, 200, await response.clone().text());
	await checkReceipt(response, payer, NETWORK_V1);
	assert.ok(response.headers.get('x-payment-response'));
	await moved(payer, AMOUNT);
});

test('many payers at once', async () => {
	const payers = [];
	for (let i = 0; i < 12; i++) payers.push(await world.chain.payer());
	const before = await world.chain.balance(world.chain.payTo);
	const answers = await Promise.all(
		payers.map((payer, i) => stockFetch(payer, METHODS[i % 3])(world.gate.chat, post(BODY))),
	);
	for (const response of answers) assert.equal(response.status, 200, await response.text());
	for (const [i, payer] of payers.entries()) await moved(payer, costOf(METHODS[i % 3]));
	assert.equal((await world.chain.balance(world.chain.payTo)) - before, 4n * (2n * AMOUNT + USED));
});

test('one payer, many payments on one connection', async () => {
	const payer = await world.chain.payer();
	for (let i = 0; i < 5; i++) {
		const answer = await askPaid(world.gate.chat, await payment(world.offer('eip3009'), payer));
		assert.equal(answer.status, 200, answer.text);
	}
	await moved(payer, 5n * AMOUNT);
});

/* What clients in other languages write differently: [what, change of the payment]. */
const WRITTEN = [
	['empty members as null', (made) => ({ ...made, resource: null, extensions: null })],
	['extra as null', (made) => ({ ...made, accepted: { ...made.accepted, extra: null } })],
	['addresses in lower case', (made) => withAddresses(made, (address) => address.toLowerCase())],
	['addresses with checksums', (made) => withAddresses(made, getAddress)],
	['members nobody knows', (made) => ({ ...made, client: { name: 'other', tries: [1, 2.5e3, true] } })],
];
const withAddresses = (made, change) => {
	const { asset, payTo } = made.accepted;
	return { ...made, accepted: { ...made.accepted, asset: change(asset), payTo: change(payTo) } };
};
for (const [what, change] of WRITTEN)
	test(`a payment written by another client: ${what}`, async () => {
		const payer = await world.chain.payer();
		for (const method of METHODS) {
			const answer = await askPaid(world.gate.chat, change(await payment(world.offer(method), payer)));
			assert.equal(answer.status, 200, `${method}: ${answer.text}`);
		}
	});

test('header names in any case', async () => {
	const payer = await world.chain.payer();
	for (const [name, made] of [
		['payment-signature', await payment(world.offer('eip3009'), payer)],
		['Payment-Signature', await payment(world.offer('upto'), payer)],
		['x-payment', asV1(await payment(world.offer('eip3009'), payer))],
	])
		assert.equal(
			(await askRaw(world.gate, [rawRequest(world.gate, { headers: { [name]: encode(made) } })])).status,
			200,
			name,
		);
});

test('a body in chunks', async () => {
	const payer = await world.chain.payer();
	const pieces = [...BODY].map((letter) => `1\r\n${letter}\r\n`);
	const headers = { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' };
	headers['PAYMENT-SIGNATURE'] = encode(await payment(world.offer('eip3009'), payer));
	const head = rawRequest(world.gate, { headers, body: '' });
	const answer = await askRaw(world.gate, [head, ...pieces, '0\r\n\r\n'], { pause: 1 });
	assert.equal(answer.status, 200, answer.text);
	assert.equal((await world.upstream.stats()).last.body, BODY);
});

test('an HTTP/1.0 client', async () => {
	const payer = await world.chain.payer();
	for (const body of [BODY, BODY_STREAM]) {
		const headers = { 'PAYMENT-SIGNATURE': encode(await payment(world.offer('eip3009'), payer)) };
		const request = rawRequest(world.gate, { headers, body }).replace('HTTP/1.1', 'HTTP/1.0');
		const answer = await askRaw(world.gate, [request]);
		assert.equal(answer.status, 200);
		assert.equal(answer.closed, true);
		assert.equal(answer.headers.get('transfer-encoding'), null, 'a 1.0 client knows no chunks');
		assert.match(answer.text, body === BODY ? /^\{.*\}$/ : /^data: [^]*data: \[DONE\]\n\n$/);
	}
});

test('the free route costs nothing', async () => {
	const answer = await ask(`${world.gate.url}/v1/models`, { method: 'GET' });
	assert.equal(answer.status, 200);
	assert.ok(Array.isArray(answer.json.data));
});

test('the model server sees the body as it was sent, and no payment', async () => {
	const payer = await world.chain.payer();
	const body = `${BODY.slice(0, -1)} , "user" : "\u00e9\\u00e9" }`;
	const answer = await askPaid(world.gate.chat, await payment(world.offer('eip3009'), payer), {
		body,
		headers: { authorization: 'Bearer kept', 'settlement-overrides': '{"amount":"1"}', 'x-other': 'kept' },
	});
	assert.equal(answer.status, 200);
	const { last } = await world.upstream.stats();
	assert.equal(Buffer.from(last.body, 'latin1').toString(), body, 'byte for byte');
	const sent = new Map(last.headers.map(([name, value]) => [name.toLowerCase(), value]));
	assert.equal(sent.get('authorization'), 'Bearer kept');
	assert.equal(sent.get('x-other'), 'kept');
	assert.ok(![...sent.keys()].some((name) => /^payment-|^x-payment|^settlement-/.test(name)), `${[...sent.keys()]}`);
});

test('the counters add up', async () => {
	const before = await world.gate.metrics();
	const payer = await world.chain.payer();
	await askPaid(world.gate.chat, await payment(world.offer('eip3009'), payer));
	const after = await world.gate.metrics();
	const rose = [...after].filter(([name, value]) => value === (before.get(name) ?? 0) + 1).map(([name]) => name);
	for (const name of [
		'requests_total',
		'requests_verified_total',
		'requests_claimed_total',
		'requests_forwarded_total',
		'requests_served_total',
		'claims_ended_total{outcome="settled"}',
		'facilitator_answers_total{outcome="settled"}',
	])
		assert.ok(rose.includes(`tollbar_${name}`), `${name} rose by one: ${rose}`);
	assert.deepEqual(
		rose.filter((metric) => metric.includes('refused')),
		[],
	);
});

await run({
	before: async () => {
		world = await startWorld();
	},
	after: async () => world?.stop(),
});
