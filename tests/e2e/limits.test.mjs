// SPDX-License-Identifier: Apache-2.0
// The payer list and the node's own bounds: refused now, told when to come back, and never charged for it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NETWORK } from './lib/chain.mjs';
import { assert, run, test } from './lib/check.mjs';
import { headersOf, payment } from './lib/payment.mjs';
import { scratch } from './lib/process.mjs';
import { refused } from './lib/refusal.mjs';
import { AMOUNT, startTollbar } from './lib/tollbar.mjs';
import { sleep, until } from './lib/wait.mjs';
import { askPaid, BODY, BODY_STREAM, startWorld } from './lib/world.mjs';

const START = 1_000_000_000n;
let world, list;

const chat = () => world.gate.chat;
const made = (payer, method = 'eip3009') => payment(world.offer(method), payer);
const charged = async (payer) => START - (await world.chain.balance(payer.address));

/* The list as text; reload() puts it in force. */
function writeList({ mode = 'off', defaults = {}, payers = {} }) {
	const section = ([name, settings]) =>
		[`[${name}]`, ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`)].join('\n');
	writeFileSync(
		list,
		[
			section(['list', { mode }]),
			section(['default', { requests_per_minute: 0, in_flight: 0, spend_per_day: 0, ...defaults }]),
			...Object.entries(payers).map(section),
		].join('\n\n') + '\n',
	);
}

async function reload(content) {
	writeList(content);
	world.gate.signal('SIGHUP');
	await sleep(300); // a reload says nothing to its sender
}

const retryAfter = (answer) => {
	const seconds = Number(answer.headers.get('retry-after'));
	assert.ok(Number.isInteger(seconds) && seconds > 0, `Retry-After: ${answer.headers.get('retry-after')}`);
	return seconds;
};

test('deny mode: everyone but the denied', async () => {
	const [bad, good] = [await world.chain.payer(), await world.chain.payer()];
	await reload({ mode: 'deny', payers: { [bad.address]: { deny: 'yes' } } });
	await refused(world, 'payer_denied', async () => askPaid(chat(), await made(bad)));
	assert.equal((await askPaid(chat(), await made(good))).status, 200);
});

test('allow mode: only the listed, in any case of letters', async () => {
	const [listed, other] = [await world.chain.payer(), await world.chain.payer()];
	await reload({ mode: 'allow', payers: { [listed.address.toLowerCase()]: {} } });
	await refused(world, 'payer_denied', async () => askPaid(chat(), await made(other)));
	assert.equal((await askPaid(chat(), await made(listed))).status, 200);
});

test('a list with a mistake is not put in force', async () => {
	const payer = await world.chain.payer();
	await reload({ mode: 'deny', payers: { [payer.address]: { deny: 'yes' } } });
	await refused(world, 'payer_denied', async () => askPaid(chat(), await made(payer)));
	await reload({ mode: 'deny', payers: { '0x1234': { deny: 'yes' } } });
	await refused(world, 'payer_denied', async () => askPaid(chat(), await made(payer)));
});

test('requests per minute', async () => {
	const payer = await world.chain.payer();
	await reload({ payers: { [payer.address]: { requests_per_minute: 3 } } });
	for (let i = 0; i < 3; i++) assert.equal((await askPaid(chat(), await made(payer))).status, 200);
	const one = await made(payer);
	retryAfter(await refused(world, 'payer_rate', () => askPaid(chat(), one)));
	await reload({ payers: { [payer.address]: { requests_per_minute: 100 } } });
	assert.equal((await askPaid(chat(), one)).status, 200, 'the payment was not burned');
});

test('requests in flight', async () => {
	const payer = await world.chain.payer();
	await reload({ payers: { [payer.address]: { in_flight: 2 } } });
	const payments = [await made(payer), await made(payer), await made(payer)];
	const answers = await Promise.all(
		payments.map((one) => askPaid(chat(), one, { headers: { 'x-delay-ms': '500' } })),
	);
	assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 429]);
	const busy = answers.findIndex(({ status }) => status === 429);
	assert.equal(answers[busy].reason, 'payer_busy');
	retryAfter(answers[busy]);
	assert.equal((await askPaid(chat(), payments[busy])).status, 200, 'the payment was not burned');
});

test('spend per day', async () => {
	const payer = await world.chain.payer();
	await reload({ payers: { [payer.address]: { spend_per_day: 25_000 } } });
	for (let i = 0; i < 2; i++) assert.equal((await askPaid(chat(), await made(payer))).status, 200);
	retryAfter(await refused(world, 'payer_spend', async () => askPaid(chat(), await made(payer))));
	await world.gate.stop('SIGTERM');
	await world.gate.start();
	await refused(world, 'payer_spend', async () => askPaid(chat(), await made(payer)), { label: 'after a restart' });
});

test('what was not charged does not count as spent', async () => {
	const payer = await world.chain.payer();
	await reload({ payers: { [payer.address]: { spend_per_day: 15_000 } } });
	for (let i = 0; i < 3; i++)
		assert.equal((await askPaid(chat(), await made(payer), { headers: { 'x-fault': '500' } })).status >= 500, true);
	assert.equal((await askPaid(chat(), await made(payer))).status, 200);
	await refused(world, 'payer_spend', async () => askPaid(chat(), await made(payer)));
});

test('models', async () => {
	const payer = await world.chain.payer();
	await reload({ payers: { [payer.address]: { models: 'stand-in, other-model' } } });
	assert.equal((await askPaid(chat(), await made(payer))).status, 200);
	const one = await made(payer);
	await refused(world, 'model_denied', () => askPaid(chat(), one, { body: BODY.replace('stand-in', 'dear-model') }));
	assert.equal((await askPaid(chat(), one)).status, 200, 'the payment was not burned');
});

/* A daemon of its own, with a narrow upstream. */
async function narrow(more, body) {
	const gate = await startTollbar({ ...world, more });
	try {
		await body(gate);
	} finally {
		await gate.stop();
	}
}

test('a full queue', async () => {
	await reload({});
	await narrow({ 'upstream model': { in_flight: 1 }, node: { queue_requests: 2 } }, async (gate) => {
		const payer = await world.chain.payer();
		const payments = await Promise.all(Array.from({ length: 6 }, () => made(payer)));
		const answers = await Promise.all(
			payments.map((one) => askPaid(gate.chat, one, { headers: { 'x-delay-ms': '400' } })),
		);
		const full = answers.filter(({ reason }) => reason === 'queue_full');
		assert.equal(answers.filter(({ status }) => status === 200).length, 3, 'one at the model, two in line');
		assert.equal(full.length, 3);
		for (const answer of full) {
			assert.equal(answer.status, 503);
			retryAfter(answer);
		}
		for (const [i, { status }] of answers.entries())
			if (status === 503)
				assert.equal((await askPaid(gate.chat, payments[i])).status, 200, 'the payment was not burned');
		assert.equal(await charged(payer), 6n * AMOUNT);
	});
});

test('too long in line', async () => {
	await narrow({ 'upstream model': { in_flight: 1 }, timeouts: { queue_ms: 400 } }, async (gate) => {
		const payer = await world.chain.payer();
		const slow = askPaid(gate.chat, await made(payer), { headers: { 'x-delay-ms': '1500' } });
		await sleep(100);
		const late = await made(payer);
		const answer = await askPaid(gate.chat, late);
		assert.equal(answer.reason, 'queue_timeout', answer.text);
		assert.equal(answer.status, 503);
		retryAfter(answer);
		assert.equal((await slow).status, 200);
		assert.equal((await askPaid(gate.chat, late)).status, 200, 'the payment was not burned');
	});
});

test('a client that leaves before its answer is not charged, and the model is told', async () => {
	for (const method of ['eip3009', 'upto']) {
		const payer = await world.chain.payer();
		const one = await made(payer, method);
		const { disconnects } = await world.upstream.stats();
		const leave = new AbortController();
		const asked = fetch(chat(), {
			method: 'POST',
			headers: { ...headersOf(one), 'x-delay-ms': '3000' },
			body: BODY,
			signal: leave.signal,
		});
		await until('the model to run', 3000, async () => (await world.upstream.stats()).active > 0);
		leave.abort();
		await asked.catch(() => {});
		await until('the model to be told', 3000, async () => (await world.upstream.stats()).disconnects > disconnects);
		await sleep(300);
		assert.equal(await charged(payer), 0n);
		assert.equal((await askPaid(chat(), one)).status, 200, 'the payment was not burned');
	}
});

test('a drain lets streams finish', async () => {
	const gate = await startTollbar({ ...world, more: { timeouts: { drain_ms: 10_000 } } });
	const payer = await world.chain.payer();
	const stream = askPaid(gate.chat, await made(payer, 'upto'), {
		body: BODY_STREAM,
		headers: { 'x-tokens': '50', 'x-tick-us': '30000' },
	});
	await until('the stream to begin', 3000, async () => (await world.upstream.stats()).active > 0);
	await sleep(200);
	gate.signal('SIGTERM');
	await until(
		'readiness to turn off',
		2000,
		async () => (await fetch(`${gate.adminUrl}/readyz`).catch(() => ({ ok: false }))).ok === false,
	);
	assert.equal((await fetch(`${gate.adminUrl}/livez`)).status, 200);
	const after = await askPaid(gate.chat, await made(payer)).catch((error) => ({ error }));
	assert.ok(after.error || after.reason === 'draining', after.text);
	assert.match((await stream).text, /\[DONE\]/);
	// not told a second time, which would be an order to hurry
	assert.deepEqual(await Promise.race([gate.daemon.exited, sleep(15_000)]), { code: 0, signal: null });
	assert.ok((await charged(payer)) > 0n, 'and what is owed is settled');
});

/* The facilitator is silent, so nothing is settled: what is owed adds up, and outlives the daemon. */
test('what is owed and not settled is bounded, in all and by payer', async () => {
	const limits = { unsettled_max: 30_000, payer_unsettled_max: 20_000 };
	const gate = await startTollbar({
		...world,
		facilitator: { url: 'http://127.0.0.1:1' },
		more: { 'offer eip3009': limits, 'offer permit2': limits, 'offer upto': limits },
	});
	const own = { ...world, gate };
	const owed = () => gate.metric(`tollbar_unsettled{network="${NETWORK}",asset="${world.chain.token.toLowerCase()}"}`);
	try {
		const [first, second, third] = [await world.chain.payer(), await world.chain.payer(), await world.chain.payer()];
		const streamed = { body: BODY_STREAM, headers: { 'x-usage': '5000,0' } }; /* all that was signed */
		const buy = async (payer) => askPaid(gate.chat, await made(payer, 'upto'), streamed);
		assert.equal((await buy(first)).status, 200);
		assert.equal((await buy(first)).status, 200);
		retryAfter(await refused(own, 'payer_unsettled', () => buy(first)));
		assert.equal((await buy(second)).status, 200);
		assert.equal(await owed(), 30_000);
		retryAfter(await refused(own, 'unsettled', () => buy(third)));
		await gate.stop('SIGKILL');
		await gate.start();
		assert.equal(await owed(), 30_000);
		await refused(own, 'unsettled', () => buy(third), { label: 'after a kill' });
		await refused(own, 'payer_unsettled', () => buy(first), { label: 'after a kill' });
	} finally {
		await gate.stop('SIGKILL');
	}
});

test('only one daemon has the ledger', async () => {
	await assert.rejects(startTollbar({ ...world, more: { node: { state: world.gate.state } } }), /tollbar stopped/);
});

await run({
	before: async () => {
		list = join(scratch('payers').path, 'payers.conf');
		writeList({});
		world = await startWorld({ more: { node: { payers: list } } });
	},
	after: async () => world?.stop(),
});
