// SPDX-License-Identifier: Apache-2.0
// kill -9 while requests are in flight, then a start on the same state: nothing is served twice, nothing owed is lost.
//   CRASH_ROUNDS  rounds of kill and restart (default 8)      CRASH_SEED  repeats a run's choices
import { assert, run, test } from './lib/check.mjs';
import { nonceOf } from './lib/facilitator.mjs';
import { headersOf, METHODS, payment } from './lib/payment.mjs';
import { stillGood } from './lib/refusal.mjs';
import { AMOUNT, PRICE } from './lib/tollbar.mjs';
import { sleep, until } from './lib/wait.mjs';
import { askPaid, BODY, BODY_STREAM, startWorld } from './lib/world.mjs';

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 8);
const SEED = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 1e9));
const IN_FLIGHT = 24;
const START = 1_000_000_000n;
let world,
	state = SEED;

/* A small generator, so that a seed repeats the choices (not the machine's timing). */
const choose = (n) => {
	state = (Math.imul(state, 1103515245) + 12345) >>> 0;
	return (state >>> 8) % n;
};

/* send: one paid request → how much of an answer became visible: 'none', 'part' or 'whole'. */
async function send(job) {
	job.seen = 'none';
	try {
		const response = await fetch(world.gate.chat, {
			method: 'POST',
			headers: { ...headersOf(job.made), ...job.headers },
			body: job.stream ? BODY_STREAM : BODY,
		});
		if (response.status !== 200) return;
		for await (const piece of response.body) {
			job.text = (job.text ?? '') + Buffer.from(piece).toString();
			if (/t\d{5}/.test(job.text)) job.seen = 'part';
		}
		job.seen = 'whole';
	} catch {
		/* the daemon died: what was seen was seen */
	}
}

async function makeJob() {
	const method = METHODS[choose(3)],
		stream = choose(2) === 1;
	const payer = await world.chain.payer({ approve: method !== 'eip3009' });
	return {
		method,
		stream,
		payer,
		made: await payment(world.offer(method), payer),
		headers: { 'x-delay-ms': String(choose(200)), 'x-tokens': '30', 'x-tick-us': stream ? '10000' : '0' },
	};
}

const settled = (job) =>
	world.facilitator.settles.filter(
		({ body, answer }) =>
			String(nonceOf(body.paymentPayload)) === String(nonceOf(job.made)) && answer?.success && answer.transaction,
	);
const charged = async (job) => START - (await world.chain.balance(job.payer.address));

/* After the restart: the same payment once more.  What was visible may never become visible again. */
async function sendAgain(job) {
	const before = job.seen;
	const again = { ...job, headers: {} };
	await send(again);
	if (before !== 'none')
		assert.equal(again.seen, 'none', `${job.method} was served twice (first ${before}, then ${again.seen})`);
	if (before === 'none') job.seen = again.seen;
}

/* Exact is settled before a byte is seen.  A metered stream is put on record as it runs, once a second, and before its
 * end is seen: of one that the crash cut the record may say less than was seen, of a whole one it may not. */
function mustBePaid(job) {
	return job.seen === 'whole' || (job.seen === 'part' && (job.method !== 'upto' || !job.stream));
}

async function checkMoney(job) {
	const about = `${job.method}${job.stream ? ', streamed' : ''}, ${job.seen} seen`;
	if (mustBePaid(job))
		await until(`${about}: what is owed to be settled`, 45_000, async () => (await charged(job)) > 0n);
	const taken = await charged(job);
	assert.ok(taken <= AMOUNT, `${about}: charged ${taken}`);
	assert.ok(settled(job).length <= 1, `${about}: settled ${settled(job).length} times`);
	if (job.method !== 'upto' && taken > 0n) assert.equal(taken, AMOUNT, about);
}

for (let round = 0; round < ROUNDS; round++)
	test(`kill -9, round ${round}`, async () => {
		const jobs = [];
		for (let i = 0; i < IN_FLIGHT; i++) jobs.push(await makeJob());
		const delay = [5, 20, 60, 120, 200, 300, 400, 600][round % 8] + choose(40);
		const sent = jobs.map((job) => send(job));
		await sleep(delay);
		await world.gate.stop('SIGKILL');
		await Promise.all(sent);
		const visible = jobs.filter(({ seen }) => seen !== 'none').length;
		await world.gate.start();
		await Promise.all(jobs.map(sendAgain));
		for (const job of jobs) await checkMoney(job);
		console.log(`    killed after ${delay} ms with ${visible} of ${IN_FLIGHT} visible`);
		await stillGood(world);
	}, 240_000);

test('a metered stream cut by a crash is charged for what is on record', async () => {
	const payer = await world.chain.payer();
	const job = { payer, made: await payment(world.offer('upto'), payer), stream: true };
	job.headers = { 'x-tokens': '1000', 'x-tick-us': '10000' };
	const sent = send(job);
	await sleep(3500);
	await world.gate.stop('SIGKILL');
	await sent;
	assert.equal(job.seen, 'part');
	await world.gate.start();
	await until('what is owed to be settled', 45_000, async () => (await charged(job)) > 0n);
	const perToken = PRICE.output / 1_000_000n;
	const seen = BigInt(new Set(job.text.match(/t\d{5}/g)).size);
	const taken = await charged(job);
	assert.ok(taken >= (seen * perToken) / 4n && taken <= seen * perToken, `${seen} tokens seen, ${taken} charged`);
	await sendAgain(job);
});

test('killed over and over while one payment is tried', async () => {
	const payer = await world.chain.payer();
	const made = await payment(world.offer('eip3009'), payer);
	let served = 0;
	for (let i = 0; i < 6; i++) {
		const asked = askPaid(world.gate.chat, made, { headers: { 'x-delay-ms': '50' } }).then(
			({ status }) => {
				served += status === 200 ? 1 : 0;
			},
			() => {},
		);
		await sleep(20 + 25 * i);
		await world.gate.stop('SIGKILL');
		await asked;
		await world.gate.start();
	}
	for (let i = 0; i < 3; i++) served += (await askPaid(world.gate.chat, made)).status === 200 ? 1 : 0;
	assert.ok(served <= 1, `served ${served} times`);
	assert.ok((await charged({ payer })) <= AMOUNT);
});

console.log(`crash: ${ROUNDS} rounds, seed ${SEED}`);
await run({
	before: async () => {
		world = await startWorld({ more: { node: { log: 'warn' }, facilitator: { timeout_ms: 2000 } } });
	},
	after: async () => world?.stop(),
});
