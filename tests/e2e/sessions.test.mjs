// SPDX-License-Identifier: Apache-2.0
// Draw-down sessions: one upto payment, many requests, one settlement; whatever comes between.
import { assert, run, test } from './lib/check.mjs';
import { nonceOf } from './lib/facilitator.mjs';
import { encode, headersOf, now, payment, stockFetch } from './lib/payment.mjs';
import { refused, stillGood } from './lib/refusal.mjs';
import { PRICE } from './lib/tollbar.mjs';
import { UPSTREAM_USAGE } from './lib/upstream.mjs';
import { sleep, until } from './lib/wait.mjs';
import { ask, askPaid, askRaw, BODY, BODY_STREAM, rawRequest, startWorld } from './lib/world.mjs';

const PATIENT = '/v1/completions'; /* the same with a long idle time */
const BUDGET = 50_000n,
	RESERVE = 5000n,
	MARGIN_S = 20,
	IDLE_S = 2,
	START = 1_000_000_000n;
const costOf = (input, output) => (BigInt(input) * PRICE.input + BigInt(output) * PRICE.output) / 1_000_000n;
const COST = costOf(UPSTREAM_USAGE.prompt, UPSTREAM_USAGE.completion);
let world;

const patient = () => `${world.gate.url}${PATIENT}`;
const paying = async (overrides) => {
	const payer = await world.chain.payer();
	return { payer, made: await payment(world.offer('upto'), payer, { overrides }) };
};
const idOf = (answer) => answer.headers.get('x-upto-session');
const resume = (id, { url = world.gate.chat, headers, ...others } = {}) =>
	ask(url, { headers: { 'x-upto-session': id, ...headers }, ...others });
const settlesOf = (made) =>
	world.facilitator.settles.filter(({ body }) => nonceOf(body.paymentPayload) === nonceOf(made));

/* settledFor: the payment settles once, for exactly this much, and stays so. */
async function settledFor(payer, made, amount) {
	await until('the session to settle', 15000, async () => (await world.chain.balance(payer.address)) < START);
	assert.equal(START - (await world.chain.balance(payer.address)), amount);
	await sleep(300);
	assert.equal(settlesOf(made).length, 1, 'asked once');
	assert.equal(START - (await world.chain.balance(payer.address)), amount);
}

async function readAsFarAsItGoes(response) {
	let text = '';
	try {
		for await (const piece of response.body) text += Buffer.from(piece).toString();
	} catch {
		/* cut */
	}
	return text;
}

for (const stream of [false, true])
	test(`one payment, three requests, one settlement${stream ? ', streamed' : ''}`, async () => {
		const { payer, made } = await paying();
		const body = stream ? BODY_STREAM : BODY;
		const first = await askPaid(world.gate.chat, made, { body });
		assert.equal(first.status, 200, first.text);
		assert.match(idOf(first), /^[0-9a-f]{32}$/);
		assert.equal(first.headers.get('payment-response'), null, 'nothing is settled yet');
		const second = await resume(idOf(first), { body });
		const third = await askPaid(world.gate.chat, made, { body }); // the same payment again is the same session
		for (const answer of [second, third]) {
			assert.equal(answer.status, 200, answer.text);
			assert.match(answer.text, stream ? /data: \[DONE\]/ : /"choices"/);
			assert.equal(idOf(answer), idOf(first));
		}
		assert.equal(settlesOf(made).length, 0, 'an open session is not settled');
		assert.equal(await world.chain.balance(payer.address), START);
		await settledFor(payer, made, 3n * COST);
		await refused(world, 'session_over', () => resume(idOf(first)), { method: 'upto' });
		await refused(world, 'replayed', () => askPaid(world.gate.chat, made), { method: 'upto' });
	});

test('a stranger id gets a whole challenge', async () => {
	const { made } = await paying();
	const id = idOf(await askPaid(world.gate.chat, made));
	const other = `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`;
	for (const bad of [other, '', '0', id.slice(1), `${id}0`, `0x${id}`, `${id},${id}`, 'g'.repeat(32), 'a'.repeat(4000)]) {
		const answer = await refused(world, 'session_over', () => resume(bad), { label: bad, method: 'upto' });
		assert.ok(answer.headers.get('payment-required'), 'with the offers');
		assert.equal(answer.json.x402Version, 1);
	}
	await refused(world, 'session_over', () => resume(id, { url: patient() }), { method: 'upto', label: 'another route' });
	await refused(world, 'replayed', () => askPaid(patient(), made), { method: 'upto', label: 'its payment there' });
	const paid = await askPaid(world.gate.chat, (await paying()).made, { headers: { 'x-upto-session': other } });
	assert.equal(paid.status, 200, 'a payment counts, whatever id stands beside it');
	assert.notEqual(idOf(paid), other);
	assert.equal((await resume(id)).status, 200);
});

test('another form of the same payment is the same session', async () => {
	const { payer, made } = await paying();
	const id = idOf(await askPaid(world.gate.chat, made));
	const turned = (value) =>
		value !== null && typeof value === 'object'
			? Object.fromEntries(Object.entries(value).reverse().map(([name, member]) => [name, turned(member)]))
			: typeof value === 'string' && /^0x[0-9a-fA-F]+$/.test(value)
				? `0x${value.slice(2).toUpperCase()}`
				: value;
	const form = turned(JSON.parse(JSON.stringify(made)));
	assert.notEqual(encode(form), encode(made));
	const answer = await askPaid(world.gate.chat, form);
	assert.equal(answer.status, 200, answer.text);
	assert.equal(idOf(answer), id);
	await settledFor(payer, made, 2n * COST);
});

test('a race of first requests opens one session, and all are served from it', async () => {
	const { payer, made } = await paying();
	const before = await world.gate.metric('tollbar_sessions_opened_total');
	const answers = await Promise.all(
		Array.from({ length: 8 }, (_, i) => askPaid(world.gate.chat, made, { body: i % 2 ? BODY : BODY_STREAM })),
	);
	assert.deepEqual(answers.map(({ status }) => status), Array(8).fill(200), answers.map(({ text }) => text).join());
	assert.equal(new Set(answers.map(idOf)).size, 1);
	assert.equal(await world.gate.metric('tollbar_sessions_opened_total'), before + 1);
	await settledFor(payer, made, 8n * COST);
});

test('requests at one time cannot overdraw: who finds no room is told', async () => {
	const { payer, made } = await paying();
	const slow = { 'x-delay-ms': '600' };
	const answers = await Promise.all(
		Array.from({ length: 16 }, () => askPaid(world.gate.chat, made, { headers: slow })),
	);
	const served = answers.filter(({ status }) => status === 200).length;
	assert.equal(served, Number(BUDGET / RESERVE));
	for (const answer of answers.filter(({ status }) => status !== 200)) {
		assert.equal(answer.reason, 'session_busy');
		assert.equal(answer.status, 429);
		assert.ok(answer.headers.get('retry-after'));
	}
	const id = idOf(answers.find(({ status }) => status === 200));
	assert.equal((await resume(id)).status, 200, 'what they did not use is free again');
	await settledFor(payer, made, BigInt(served + 1) * COST);
});

test('a spent session is settled at once, and never for more than was signed', async () => {
	const { payer, made } = await paying();
	const dear = { 'x-usage': '10000,5000' }; // 40,000
	const first = await askPaid(patient(), made, { headers: dear });
	assert.equal(first.status, 200, first.text);
	assert.equal((await resume(idOf(first), { url: patient(), headers: dear })).status, 200, '10,000 are left');
	await settledFor(payer, made, BUDGET);
	await refused(world, 'session_over', () => resume(idOf(first), { url: patient() }), { method: 'upto' });
});

test('too little left for another request: the challenge, while others are still at it', async () => {
	const { payer, made } = await paying();
	const first = await askPaid(patient(), made, { headers: { 'x-usage': '10000,4000' } }); // 36,000 of 50,000
	const id = idOf(first);
	const slow = resume(id, { url: patient(), headers: { 'x-delay-ms': '800' } });
	await sleep(200);
	assert.equal((await resume(id, { url: patient(), headers: { 'x-usage': '2500,1250' } })).status, 200); // 9,000 of 9,000
	await refused(world, ['session_spent', 'session_busy'], () => resume(id, { url: patient() }), { method: 'upto' });
	assert.equal((await slow).status, 200);
	await settledFor(payer, made, 36_000n + 9000n + COST);
});

test('what the model server refuses costs nothing, and leaves the payment as it was', async () => {
	const { payer, made } = await paying();
	for (const fault of ['500', 'reset', 'garbage']) {
		const answer = await askPaid(world.gate.chat, made, { headers: { 'x-fault': fault } });
		assert.ok(answer.status >= 500, answer.text);
		assert.equal(idOf(answer), null);
	}
	const first = await askPaid(world.gate.chat, made);
	assert.equal(first.status, 200, first.text);
	await resume(idOf(first), { headers: { 'x-fault': '500' } });
	await settledFor(payer, made, COST);
});

test('a client that leaves is charged for what it was given', async () => {
	const { payer, made } = await paying();
	const stop = new AbortController();
	const tokens = { 'x-tokens': '2000', 'x-tick-us': '1000' };
	const response = await fetch(world.gate.chat, {
		method: 'POST',
		headers: { ...headersOf(made), ...tokens },
		body: BODY_STREAM,
		signal: stop.signal,
	});
	const reader = response.body.getReader();
	await reader.read();
	await sleep(500);
	stop.abort();
	await until('the session to settle', 15000, async () => (await world.chain.balance(payer.address)) < START);
	const charged = START - (await world.chain.balance(payer.address));
	assert.ok(charged > 100n && charged < costOf(0, 2000), `${charged}`);
});

test('the session is the client\'s secret: the model server and the log do not see it', async () => {
	const id = idOf(await askPaid(world.gate.chat, (await paying()).made));
	await resume(id);
	const { last } = await world.upstream.stats();
	assert.ok(!JSON.stringify(last).toLowerCase().includes(id) && !/upto-session/i.test(JSON.stringify(last)));
	assert.ok(!world.gate.log().includes(id));
	const forged = await ask(`${world.gate.url}/v1/models`, { method: 'GET', headers: { 'x-upto-session': id } });
	assert.equal(forged.status, 200);
	assert.equal(idOf(forged), null);
});

test('other payments are served as ever', async () => {
	for (const method of ['eip3009', 'permit2']) {
		const payer = await world.chain.payer();
		const response = await stockFetch(payer, method)(world.gate.chat, { method: 'POST', body: BODY });
		assert.equal(response.status, 200);
		assert.ok(response.headers.get('payment-response'));
		assert.equal(response.headers.get('x-upto-session'), null);
	}
	const payer = await world.chain.payer(); // the stock upto client knows nothing of sessions
	const response = await stockFetch(payer, 'upto')(world.gate.chat, { method: 'POST', body: BODY });
	assert.equal(response.status, 200);
	await until('it to settle', 15000, async () => (await world.chain.balance(payer.address)) === START - COST);
});

test('one connection, one request after the other, with and without a session', async () => {
	const { made } = await paying();
	const id = idOf(await askPaid(world.gate.chat, made));
	const asked = await askRaw(world.gate, [rawRequest(world.gate, { headers: { 'X-Upto-Session': id, Connection: 'close' } })]);
	assert.equal(asked.status, 200, asked.text);
	const slow = rawRequest(world.gate, { headers: { 'X-Upto-Session': id, Connection: 'close' } });
	const pieces = await askRaw(world.gate, [slow.slice(0, -30), slow.slice(-30)], { pause: 30 });
	assert.equal(pieces.status, 200, 'its body came later');
	await refused(world, 'body_bad', () => resume(id, { body: '[]' }));
	assert.equal((await resume(id)).status, 200);
});

test('the last requests end before the deadline; one that does not is cut, and charged for what it had', async () => {
	const { payer, made } = await paying({ deadline: String(now() + MARGIN_S + 3) });
	const tokens = { 'x-tokens': '100000', 'x-tick-us': '10000' };
	const first = await askPaid(patient(), made);
	assert.equal(first.status, 200);
	const long = readAsFarAsItGoes(
		await fetch(patient(), {
			method: 'POST',
			headers: { 'x-upto-session': idOf(first), ...tokens },
			body: BODY_STREAM,
		}),
	);
	await sleep(4500);
	await refused(world, 'session_over', () => resume(idOf(first), { url: patient() }), { method: 'upto', ran: 0 });
	const text = await long;
	assert.match(text, /session_over/);
	assert.doesNotMatch(text, /\[DONE\]/);
	await until('the session to settle', 15000, async () => (await world.chain.balance(payer.address)) < START);
	const charged = START - (await world.chain.balance(payer.address));
	assert.ok(charged > COST + costOf(0, 300) && charged < COST + costOf(0, 2000), `${charged}`);
	assert.equal(settlesOf(made).length, 1);
});

test('kill -9: what was served is settled once after the restart, and the session is over', async () => {
	const { payer, made } = await paying();
	const id = idOf(await askPaid(patient(), made));
	assert.equal((await resume(id, { url: patient(), body: BODY_STREAM })).status, 200);
	const untouched = await paying();
	const hanging = askPaid(patient(), untouched.made, { headers: { 'x-fault': 'hang' } }).catch(() => {});
	await sleep(300);
	await world.gate.stop('SIGKILL');
	await world.gate.start();
	await hanging;
	await settledFor(payer, made, 2n * COST);
	await refused(world, 'session_over', () => resume(id, { url: patient() }), { method: 'upto' });
	await refused(world, 'replayed', () => askPaid(patient(), made), { method: 'upto' });
	assert.equal(await world.chain.balance(untouched.payer.address), START);
	await stillGood(world);
});

test('an orderly end settles what is open', async () => {
	const { payer, made } = await paying();
	const id = idOf(await askPaid(patient(), made));
	const last = resume(id, { url: patient(), headers: { 'x-delay-ms': '700' } });
	await sleep(200);
	const stopped = world.gate.stop('SIGTERM', 15000);
	assert.equal((await last).status, 200);
	await stopped;
	assert.equal(START - (await world.chain.balance(payer.address)), 2n * COST, 'before it ended');
	await world.gate.start();
	await sleep(500);
	assert.equal(settlesOf(made).length, 1);
});

test('the counters tell', async () => {
	const metrics = await world.gate.metrics();
	const { made } = await paying();
	const id = idOf(await askPaid(patient(), made));
	await resume(id, { url: patient() });
	const rose = async (name, by) =>
		assert.equal((await world.gate.metric(name)) - (metrics.get(name) ?? 0), by, name);
	await rose('tollbar_sessions_opened_total', 1);
	await rose('tollbar_session_requests_total', 2);
	await rose('tollbar_sessions', 1);
	await rose('tollbar_session_requests', 0);
});

await run({
	before: async () => {
		const session = { session: 'on', session_idle_s: IDLE_S, session_margin_s: MARGIN_S };
		world = await startWorld({
			more: {
				'offer upto': { amount: BUDGET, session_reserve: RESERVE, max_timeout_s: 120 },
				'route chat': session,
				'route patient': { match: `POST ${PATIENT}`, offers: 'upto', upstream: 'model', ...session, session_idle_s: 1000 },
			},
		});
	},
	after: async () => world?.stop(),
});
