// SPDX-License-Identifier: Apache-2.0
// The npm x402 packages as OpenGradient's TypeScript SDK uses them, and a session kept as its Python client keeps it, against a
// node that sells one upto offer by model and in sessions, before a model server that signs its answers (tee_* members).
import { assert, run, test } from './lib/check.mjs';
import './lib/node18.mjs';
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http';
import { UptoEvmScheme } from '@x402/evm/upto/client';
import { wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { NETWORK } from './lib/chain.mjs';
import { challenge, payment } from './lib/payment.mjs';
import { ask, askPaid, startWorld } from './lib/world.mjs';
import { until } from './lib/wait.mjs';

const PLACEHOLDER = `Bearer 0x${'1234567890abcdef'.repeat(4)}`;
const BUDGET = 100_000n,
	START = 1_000_000_000n,
	TOKENS = 16;
const [INPUT_USD, OUTPUT_USD, TOKEN_USD] = [2.5, 10, 0.05]; // the token has six decimals
const costOf = (input, output) => BigInt(Math.ceil((input * INPUT_USD + output * OUTPUT_USD) / TOKEN_USD));
const MODEL = 'acme/stand-in-1';
let world;

/* sdk: what a program gets that makes a client of a key; controls are those of the x402 client. */
function sdk(account, controls) {
	const client = new x402Client().register(NETWORK, new UptoEvmScheme(account));
	if (controls !== undefined) client.setSpendControls(controls);
	const paidFetch = wrapFetchWithPayment(fetch, client);
	const post = (path, payload, mode = 'batch', headers = {}) =>
		paidFetch(`${world.gate.url}${path}`, {
			method: 'POST',
			headers: {
				'Content-Type': 'application/json',
				Authorization: PLACEHOLDER,
				'X-SETTLEMENT-TYPE': mode,
				...headers,
			},
			body: JSON.stringify(payload),
		});
	return { post };
}

const chat = (more = {}) => ({
	model: MODEL.split('/')[1], // the SDK sends it without its provider
	messages: [{ role: 'user', content: 'Say something.' }],
	max_tokens: 100,
	temperature: 0,
	...more,
});
const allowed = () => ({ allowedAssets: [{ network: NETWORK, asset: world.chain.token, maxAmountPerPayment: String(BUDGET) }] });

/* chunksOf: the data lines of a stream up to [DONE], read line by line. */
async function chunksOf(response) {
	const reader = response.body.getReader(),
		decoder = new TextDecoder(),
		chunks = [];
	for (let buffer = ''; ; ) {
		const { value, done } = await reader.read();
		assert.ok(!done, 'the stream says that it is over');
		buffer += decoder.decode(value, { stream: true });
		const lines = buffer.split('\n');
		buffer = lines.pop();
		for (const line of lines.map((text) => text.trim())) {
			if (!line.startsWith('data: ')) continue;
			if (line === 'data: [DONE]') return chunks;
			chunks.push(JSON.parse(line.slice(6)));
		}
	}
}

function checkSigned(object) {
	assert.match(object.tee_signature, /^[A-Za-z0-9+/]{340,}={0,2}$/);
	assert.equal(object.tee_timestamp, 1700000000);
	for (const name of ['tee_request_hash', 'tee_output_hash']) assert.match(object[name], /^[0-9a-f]{64}$/);
	assert.match(object.tee_id, /^0x[0-9a-f]{64}$/);
	assert.deepEqual(object.usage, { prompt_tokens: 11, completion_tokens: TOKENS, total_tokens: 11 + TOKENS });
}

/* What the facilitator was told since `before`, once it is `count` entries; a moment later there must be no more. */
async function told(before, count) {
	await until('the facilitator to be told', 5000, () => world.facilitator.data.length >= before + count);
	await new Promise((done) => setTimeout(done, 200));
	assert.equal(world.facilitator.data.length, before + count);
	return world.facilitator.data.slice(before);
}

function checkTold(entry, mode, object, payer) {
	assert.equal(entry.status, 202, entry.error);
	assert.equal(entry.type, mode);
	const { tee_id, tee_signature, tee_timestamp } = object;
	const own = { timestamp: tee_timestamp, eth_address: payer.address.toLowerCase(), input: null, output: null };
	assert.deepEqual(entry.data, {
		tee_id,
		input_hash: `0x${object.tee_request_hash}`,
		output_hash: `0x${object.tee_output_hash}`,
		tee_signature,
		tee_timestamp,
		...(mode === 'individual' ? own : {}),
	});
}

const tee = (form = 'tee') => ({ 'x-fault': form, 'x-usage': `11,${TOKENS}` });

async function charged(payer) {
	await until('the session to settle', 15000, async () => (await world.chain.balance(payer.address)) < START);
	return START - (await world.chain.balance(payer.address));
}

test('with its default spend controls the client does not pay in a token it does not know', async () => {
	const payer = await world.chain.payer();
	const { requests } = await world.upstream.stats();
	await assert.rejects(sdk(payer).post('/v1/chat/completions', chat()), /spend|allowed|asset/i);
	assert.equal((await world.upstream.stats()).requests, requests);
});

for (const form of ['tee', 'tee-apart'])
	for (const mode of ['private', 'batch', 'individual'])
		test(`a stream, signed (${form}), settlement ${mode}`, async () => {
			const payer = await world.chain.payer();
			const before = world.facilitator.data.length;
			const response = await sdk(payer, allowed()).post('/v1/chat/completions', chat({ stream: true }), mode, tee(form));
			assert.equal(response.status, 200, await response.clone().text());
			const chunks = await chunksOf(response);
			assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('').match(/t\d{5}/g).length, TOKENS);
			assert.equal(chunks.filter((chunk) => 'usage' in chunk || 'tee_id' in chunk).length, 1, 'one event has it all');
			checkSigned(chunks.at(-1));
			const { last } = await world.upstream.stats();
			const sent = new Map(last.headers.map(([name, value]) => [name.toLowerCase(), value]));
			assert.equal(sent.get('authorization'), PLACEHOLDER);
			assert.equal(sent.get('x-settlement-type'), mode);
			assert.ok(![...sent.keys()].some((name) => /payment/.test(name) && name !== 'access-control-expose-headers'));
			const entries = await told(before, mode === 'private' ? 0 : 1);
			for (const entry of entries) checkTold(entry, mode, chunks.at(-1), payer);
			assert.equal(await charged(payer), costOf(11, TOKENS));
		});

test('an answer in one piece, signed, byte for byte', async () => {
	const payer = await world.chain.payer();
	const before = world.facilitator.data.length;
	const response = await sdk(payer, allowed()).post('/v1/chat/completions', chat(), 'batch', tee());
	assert.equal(response.status, 200);
	const text = await response.text();
	const direct = await fetch(`${world.upstream.url}/v1/chat/completions`, {
		method: 'POST',
		headers: tee(),
		body: JSON.stringify(chat()),
	});
	assert.equal(text, await direct.text());
	checkSigned(JSON.parse(text));
	checkTold((await told(before, 1))[0], 'batch', JSON.parse(text), payer);
	assert.equal(await charged(payer), costOf(11, TOKENS));
});

test('a session kept by method, host and path: later requests carry its id alone', async () => {
	const payer = await world.chain.payer();
	const client = sdk(payer, allowed());
	const kept = new Map();
	const path = '/v1/chat/completions';
	const rounds = 4;
	for (let round = 0; round < rounds; round++) {
		const id = kept.get(`POST ${path}`);
		const headers = { ...tee(), ...(id ? { 'X-Upto-Session': id } : {}) };
		const payload = chat({ stream: round % 2 === 0 });
		const response = id
			? await fetch(`${world.gate.url}${path}`, { method: 'POST', headers, body: JSON.stringify(payload) })
			: await client.post(path, payload, 'batch', headers);
		assert.equal(response.status, 200);
		kept.set(`POST ${path}`, response.headers.get('x-upto-session'));
		await response.text();
	}
	assert.equal(await charged(payer), BigInt(rounds) * costOf(11, TOKENS));
	const over = await ask(`${world.gate.url}${path}`, {
		headers: { 'X-Upto-Session': kept.get(`POST ${path}`) },
		body: JSON.stringify(chat()),
	});
	assert.equal(over.status, 402);
	const { accepts } = decodePaymentRequiredHeader(over.headers.get('payment-required')); // what the SDK shows of an error
	assert.equal(accepts[0].amount, String(BUDGET));
	const again = await client.post(path, chat(), 'batch', { 'X-Upto-Session': kept.get(`POST ${path}`) });
	assert.equal(again.status, 200, 'the client that still sends the old id pays anew');
});

test('without a proof, a success or a wish in known words nobody is told', async () => {
	const before = world.facilitator.data.length;
	const client = sdk(await world.chain.payer(), allowed());
	const path = '/v1/chat/completions';
	for (const [mode, headers, status] of [
		['batch', {}, 200], // not signed
		['Batches', tee(), 200],
		['', tee(), 200],
		['batch', { ...tee(), 'x-fault': '500' }, 500],
	]) {
		const response = await client.post(path, chat(), mode, headers);
		assert.equal(response.status, status, await response.text());
	}
	await told(before, 0);
});

test('a facilitator that does not take proofs costs the client nothing', async () => {
	const before = world.facilitator.data.length;
	const failed = await world.gate.metric('tollbar_data_settlements_total{outcome="failed"}');
	world.facilitator.dataStatus = 404;
	try {
		const payer = await world.chain.payer();
		const response = await sdk(payer, allowed()).post('/v1/chat/completions', chat({ stream: true }), 'batch', tee());
		assert.equal(response.status, 200);
		checkSigned((await chunksOf(response)).at(-1));
		await told(before, 1);
		assert.equal(await charged(payer), costOf(11, TOKENS));
		assert.equal(await world.gate.metric('tollbar_data_settlements_total{outcome="failed"}'), failed + 1);
	} finally {
		world.facilitator.dataStatus = undefined;
	}
});

test('a proof that came to nothing after it was taken is counted', async () => {
	const undone = () => world.gate.metric('tollbar_data_settlements_total{outcome="undone"}');
	const before = await undone();
	assert.equal(before, 0, 'those before are done');
	world.facilitator.dataJob = 'failed';
	try {
		const payer = await world.chain.payer();
		const told = world.facilitator.data.length;
		const response = await sdk(payer, allowed()).post('/v1/chat/completions', chat(), 'batch', tee());
		assert.equal(response.status, 200, await response.text());
		await until('the job to be asked after', 30_000, async () => (await undone()) === 1);
		assert.equal(world.facilitator.data.length, told + 1, 'and it is not told again');
		assert.match(world.gate.log(), /event=settle_data_undone facilitator=default job=settlement-[-0-9a-f]+ why=failed/);
	} finally {
		world.facilitator.dataJob = undefined;
	}
});

test('exact: the transaction stands in the head, and the proof is told after it', async () => {
	const payer = await world.chain.payer();
	for (const stream of [false, true]) {
		const before = world.facilitator.data.length;
		const { offer } = await challenge(`${world.gate.url}/v1/completions`, JSON.stringify(chat()));
		const paid = await payment(offer('eip3009'), payer);
		const response = await askPaid(`${world.gate.url}/v1/completions`, paid, {
			headers: { 'X-SETTLEMENT-TYPE': 'individual', ...tee() },
			body: JSON.stringify(chat({ stream })),
		});
		assert.equal(response.status, 200, response.text);
		const receipt = decodePaymentResponseHeader(response.headers.get('payment-response'));
		assert.match(receipt.transaction, /^0x[0-9a-f]{64}$/);
		assert.equal(response.headers.get('x-settlement-tx-hash'), receipt.transaction);
		const [entry] = await told(before, 1);
		const signed = stream ? response.text.split('\n').find((line) => line.includes('tee_id')).slice(6) : response.text;
		checkTold(entry, 'individual', JSON.parse(signed), payer);
	}
});

test('a model nobody sells here is refused before the client pays', async () => {
	const payer = await world.chain.payer();
	const response = await sdk(payer, allowed()).post('/v1/chat/completions', { ...chat(), model: 'stand-in-2' });
	assert.equal(response.status, 400);
	assert.equal((await response.json()).error.code, 'model_unknown');
	assert.equal(await world.chain.balance(payer.address), START);
});

test('a drain waits until the proofs are told', async () => {
	const CALLS = 6; /* two more than are told at one time */
	const payer = await world.chain.payer();
	const before = world.facilitator.data.length;
	const { offer } = await challenge(`${world.gate.url}/v1/completions`, JSON.stringify(chat()));
	world.facilitator.dataDelay = 1500;
	try {
		for (let i = 0; i < CALLS; i++) {
			const response = await askPaid(`${world.gate.url}/v1/completions`, await payment(offer('eip3009'), payer), {
				headers: { 'X-SETTLEMENT-TYPE': 'batch', ...tee() },
				body: JSON.stringify(chat()),
			});
			assert.equal(response.status, 200, response.text);
		}
		const { code } = await world.gate.stop('SIGTERM', 20_000);
		assert.equal(code, 0);
		assert.equal(world.facilitator.data.length, before + CALLS);
		assert.doesNotMatch(world.gate.log(), /settle_data_dropped/);
	} finally {
		world.facilitator.dataDelay = undefined;
		if (!world.gate.running()) await world.gate.start();
	}
});

await run({
	before: async () => {
		world = await startWorld({
			more: {
				'offer upto': {
					amount: BUDGET,
					max_timeout_s: 300,
					input_per_mtok: undefined,
					output_per_mtok: undefined,
					token_usd: TOKEN_USD,
					token_decimals: 6,
				},
				'price stand-in-1': { input_usd_per_mtok: INPUT_USD, output_usd_per_mtok: OUTPUT_USD },
				'price stand-in': { input_usd_per_mtok: INPUT_USD, output_usd_per_mtok: OUTPUT_USD },
				'route chat': { offers: 'upto', session: 'on', session_idle_s: 1 },
				'route completions': { match: 'POST /v1/completions', offers: 'eip3009', upstream: 'model' },
				facilitator: { settle_data: 'on' },
			},
		});
	},
	after: async () => world?.stop(),
});
