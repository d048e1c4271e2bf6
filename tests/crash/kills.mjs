// SPDX-License-Identifier: Apache-2.0
// The daemon dies, or its disk fails, at every place points.c knows, in random order and under load, beside a
// facilitator that fails in every way it can.  In the end three records must agree on every payment: what the client
// received, what the facilitator settled, what the ledger says.
//   COUNT  deaths and disk faults (default 500)      CRASH_SEED  repeats a run's choices (not the machine's timing)
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { assert, run, test } from '../e2e/lib/check.mjs';
import { nonceOf } from '../e2e/lib/facilitator.mjs';
import { METHODS } from '../e2e/lib/payment.mjs';
import { built, scratch } from '../e2e/lib/process.mjs';
import { AMOUNT, PRICE, startTollbar } from '../e2e/lib/tollbar.mjs';
import { startUpstream, UPSTREAM_USAGE } from '../e2e/lib/upstream.mjs';
import { sleep, until } from '../e2e/lib/wait.mjs';
import { BODY, BODY_STREAM } from '../e2e/lib/world.mjs';
import { startUnsteady } from './facilitator.mjs';

const COUNT = Number(process.env.COUNT || 500);
const SEED = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 1e9));
const NEW_JOBS = 10; /* a round */
const TRIES_MAX = 4; /* of one payment, before the last */
const ROUND_MS = 500; /* of load, when nothing dies before */
const ANSWER_MS = 5000;
const KILLS_MS_MAX = 60_000 + COUNT * 2000;
const TOKENS = 6;
const USED = (BigInt(UPSTREAM_USAGE.prompt) * PRICE.input + BigInt(TOKENS) * PRICE.output) / 1_000_000n;

/* A small generator each for the cases, the requests and the facilitator: so a seed repeats the order of cases. */
function chooser(seed) {
	let state = seed >>> 0;
	return (n) => {
		state = (Math.imul(state, 1103515245) + 12345) >>> 0;
		return (state >>> 8) % n;
	};
}
const choose = chooser(SEED),
	chooseJob = chooser(SEED + 1);

/* Nothing of these exists: the facilitator here never asks a chain. */
const chain = {
	token: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
	tokenName: 'USDC',
	tokenVersion: '2',
	payTo: '0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025',
	facilitator: { address: '0x1111111111111111111111111111111111111111' },
};
const lasting = { max_timeout_s: 86400 };
const more = {
	node: {
		sandbox: 'off', // which refuses a worker what dying takes, and losing what was not flushed
		log: 'warn',
		workers: 2,
		connections: 64,
		queue_bytes: '1M',
		signer_cache_bytes: '1M',
		ledger_bytes: '256M',
	},
	facilitator: { timeout_ms: 250 },
	timeouts: { settle_ms: 2000, drain_ms: 60000 },
	'offer eip3009': lasting,
	'offer permit2': lasting,
	'offer upto': lasting,
};
let desk, gate, upstream, facilitator, folder;

/* --- payments: signed in advance, at a desk that never dies --- */

const unused = Object.fromEntries(METHODS.map((method) => [method, []]));

function sign(method) {
	const file = join(folder.path, 'payments');
	const paying = ['--pay', '1000', '--key', join(folder.path, 'key'), '--method', method, '--save-headers', file];
	const done = spawnSync(built('tests/tools/load'), [...paying, '--data', BODY, desk.chat], { encoding: 'utf8' });
	assert.equal(done.status, 0, done.stderr);
	const lines = readFileSync(file, 'utf8').trim().split('\n');
	unused[method] = lines.map((line) => line.slice(line.indexOf(':') + 1).trim());
}

const jobs = [];

function makeJob() {
	const method = METHODS[chooseJob(METHODS.length)];
	if (unused[method].length === 0) sign(method);
	const header = unused[method].pop();
	const job = {
		method,
		header,
		nonce: BigInt(nonceOf(JSON.parse(Buffer.from(header, 'base64')))),
		stream: chooseJob(2) === 1,
		delay: chooseJob(30),
		fault: chooseJob(8) === 0, // the first time it is tried the model refuses
		served: 0,
		seen: 'none',
		tries: 0,
	};
	jobs.push(job);
	return job;
}

/* send: one paid request.  An answer of status 200 of which anything arrived was served. */
function send(job) {
	job.tries++;
	return new Promise((done) => {
		let text = '';
		const request = httpRequest(gate.chat, {
			method: 'POST',
			agent: false,
			timeout: ANSWER_MS,
			headers: {
				'content-type': 'application/json',
				'PAYMENT-SIGNATURE': job.header,
				'x-delay-ms': String(job.delay),
				'x-tokens': String(TOKENS),
				'x-tick-us': job.stream ? '3000' : '0',
				...(job.fault && job.tries === 1 ? { 'x-fault': '500' } : {}),
			},
		});
		request.on('response', (response) => {
			job.status = response.statusCode;
			response.on('data', (piece) => {
				text += piece;
			});
			response.on('close', () => {
				if (job.status === 200 && /t\d{5}/.test(text)) {
					job.served++;
					job.seen = response.complete ? 'whole' : 'part';
				}
				if (job.status !== 200) job.reason = text;
				done();
			});
			response.on('error', () => {});
		});
		request.on('timeout', () => {
			job.late = true;
			request.destroy();
		});
		request.on('error', () => done());
		request.end(job.stream ? BODY_STREAM : BODY);
	});
}

/* --- one death --- */

let deaths = 0,
	faults = 0;
const reached = new Map();

const crashed = () => gate.log().match(/event=crash point=(\S+)/)?.[1];
const faulted = () => gate.log().match(/event=fault point=(\S+)/)?.[1];

/* started: false when it died of its case before it was ready. */
async function started(one) {
	const env = one && {
		TOLLBAR_CRASH: `${one.point}:${one.nth}:${one.how}`,
		TOLLBAR_CRASH_SEED: String(choose(1 << 20)),
	};
	try {
		await gate.start({ env });
		return true;
	} catch (error) {
		if (crashed() === undefined && faulted() === undefined) throw error;
		await gate.stop('SIGKILL');
		return false;
	}
}

const again = []; /* payments of which nothing was seen: tried again, as a client would */

async function load(ms) {
	const batch = again.splice(0, NEW_JOBS / 2);
	for (let i = 0; i < NEW_JOBS; i++) batch.push(makeJob());
	const all = Promise.all(batch.map(send));
	const died = gate.daemon.exited;
	await Promise.race([all, died, sleep(ms)]);
	if (faulted() !== undefined)
		await until('a payment to be taken again', 10_000, async () => {
			const job = makeJob();
			await send(job);
			return job.seen === 'whole';
		});
	await gate.stop('SIGKILL');
	await all;
	again.push(...batch.filter(({ seen, tries }) => seen === 'none' && tries < TRIES_MAX));
}

async function die(one, ms = ROUND_MS) {
	if (await started(one)) await load(ms);
	const at = crashed() ?? faulted();
	deaths++;
	if (at === undefined) return; /* the point was not passed that often this time: killed at the end */
	if (faulted() !== undefined) faults++;
	const key = `${at} ${one.how}`;
	reached.set(key, (reached.get(key) ?? 0) + 1);
}

/* --- every case --- */

const WRITES = /^(write_log|write_pages|write_root|flush)\./;
const COMMITS = /^(store_commit|wal_commit|mdb_txn_commit)\./;
const AT_START = /^(store_open|journal_open|wal_load|wal_make)\./;
const FIRST_START = /^wal_make\./;
const AT_FIRST_START = /^(store_|journal_open|wal_|mdb_|write_|flush)/;

function casesOf(counts) {
	const cases = [];
	for (const [point, cnt] of counts) {
		const hows = ['kill'];
		if (WRITES.test(point) || COMMITS.test(point)) hows.push('cut');
		if (WRITES.test(point) && point.endsWith('.before')) hows.push('eio', 'enospc');
		if (/^write_.*before$/.test(point)) hows.push('short');
		for (const how of hows) cases.push({ point, how, cnt });
	}
	return cases;
}

function shuffled(list) {
	const out = [...list];
	for (let i = out.length - 1; i > 0; i--) {
		const j = choose(i + 1);
		[out[i], out[j]] = [out[j], out[i]];
	}
	return out;
}

let cases;

async function anew() {
	await gate.stop('SIGKILL');
	rmSync(gate.state, { recursive: true, force: true });
}

test('every point is passed by a daemon that lives', async () => {
	await anew();
	await gate.start({ env: { TOLLBAR_CRASH: 'count' } });
	for (let i = 0; i < 6; i++) await Promise.all(Array.from({ length: NEW_JOBS }, () => send(makeJob())));
	facilitator.steady = true;
	await gate.stop('SIGTERM', 60000);
	facilitator.steady = false;
	const lines = gate.log().matchAll(/^point (\S+) (\d+)$/gm);
	const counts = new Map([...lines].map(([, point, cnt]) => [point, Number(cnt)]));
	assert.ok(counts.size > 50, gate.log());
	for (const point of counts.keys()) /* inside of a write comes only who dies there */
		if (point.endsWith('.in')) counts.set(point, counts.get(point.replace('.in', '.before')));
	for (const [point, cnt] of counts) assert.ok(cnt > 0, `${point} is never passed`);
	cases = casesOf(counts);
	jobs.length = again.length = 0;
});

test('killed anywhere in the very first start, the next one works', async () => {
	const firsts = cases.filter(({ point, how }) => how === 'kill' && AT_FIRST_START.test(point));
	for (const { point } of firsts)
		for (let nth = 1; nth <= 4; nth++) {
			await anew();
			if (await started({ point, nth, how: 'kill' })) break;
			deaths++;
			assert.ok(await started());
		}
	await anew();
	assert.ok(deaths >= 20, `only ${deaths} deaths`);
});

test('killed everywhere under load', async () => {
	while (deaths < COUNT)
		for (const one of shuffled(cases)) {
			if (deaths >= COUNT) break;
			await die({ ...one, nth: 1 + choose(AT_START.test(one.point) ? 1 : Math.ceil(one.cnt / 6)) });
		}
	const missing = () =>
		cases.filter(({ point, how }) => !reached.has(`${point} ${how}`) && !FIRST_START.test(point));
	for (let i = 0; i < 20 && missing().length > 0; i++) /* and the longer, the busier the machine is */
		for (const one of missing()) await die({ ...one, nth: 1 }, (i + 2) * ROUND_MS);
	assert.deepEqual(missing(), []);
	console.log(`    ${deaths} in ${cases.length} ways, ${faults} of them faults of the disk`);
	console.log(`    ${jobs.length} payments, ${facilitator.asked} settlements asked for`);
}, KILLS_MS_MAX);

/* --- the three records --- */

/* The last try, with everything well: what was not served and is not used up must be served now. */
async function lastTry() {
	facilitator.steady = true;
	await gate.stop('SIGKILL');
	assert.ok(await started());
	const left = jobs.filter(({ seen }) => seen === 'none');
	while (left.length > 0) await Promise.all(left.splice(0, 32).map(send));
	assert.deepEqual(await gate.stop('SIGTERM', 90_000), { code: 0, signal: null }, gate.log());
}

function readLedger() {
	const read = spawnSync(built('tollbar'), ['ledger', '-d', gate.state, '--json'], {
		encoding: 'utf8',
		maxBuffer: 1 << 28,
	});
	assert.equal(read.status, 0, read.stderr);
	const records = new Map();
	for (const { state, due, nonce } of JSON.parse(read.stdout)) {
		const key = BigInt(nonce);
		if (state !== 'released') records.set(key, [...(records.get(key) ?? []), { state, amount: BigInt(due) }]);
	}
	return records;
}

/* A metered stream that was cut is charged for what is on record of it; everything else that was seen has its price. */
function priceOf({ method, stream, seen }) {
	if (method !== 'upto') return AMOUNT;
	return stream && seen === 'part' ? undefined : USED;
}

function checkJob(job, claims) {
	const { settled, amount, contradicted } = facilitator.of(job.nonce);
	const [claim] = claims;
	assert.ok(claims.length <= 1, 'claimed twice');
	assert.ok(job.served <= 1, 'served twice');
	assert.ok(!job.late, 'never answered');
	assert.ok(!contradicted, 'settled for two amounts');
	if (claim) assert.match(claim.state, /^(settled|refused)$/, 'not brought to an end');
	if (settled) assert.equal(claim?.state, 'settled', 'settled by the facilitator, and the ledger does not know');
	if (settled) assert.equal(claim.amount, amount, 'amounts differ');
	if (claim?.state === 'settled' && claim.amount > 0n) assert.ok(settled, 'settled by the ledger alone');
	if (job.seen === 'none') assert.ok(claim, 'neither served nor used up');
	if (job.seen !== 'none') checkServed(job, claim, amount);
}

/* The facilitator's no comes after a metered stream; everything else that is seen is settled first. */
function checkServed(job, claim, amount) {
	const price = priceOf(job);
	assert.ok(claim, 'served, and the ledger does not know');
	if (claim.state === 'settled' && price !== undefined) assert.equal(amount, price, 'wrong price');
	if (job.method !== 'upto' || !job.stream) assert.equal(claim.state, 'settled', 'served for nothing');
}

test('client, facilitator and ledger agree on every payment', async () => {
	await lastTry();
	const ledger = readLedger();
	const sums = { served: 0, settled: 0, refused: 0, 'settled, not seen': 0 };
	for (const job of jobs) {
		const claims = ledger.get(job.nonce) ?? [];
		try {
			checkJob(job, claims);
		} catch (error) {
			const told = { ...job, claims, settled: facilitator.of(job.nonce) };
			const text = JSON.stringify(told, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
			throw new Error(`${error.message}: ${text}`);
		}
		const paid = claims[0]?.amount > 0n && claims[0].state === 'settled';
		sums.served += job.served;
		sums.settled += paid;
		sums.refused += claims[0]?.state === 'refused';
		sums['settled, not seen'] += paid && job.seen === 'none'; /* died between its settlement and its answer */
	}
	assert.ok(sums.served > jobs.length / 4, JSON.stringify(sums));
	console.log(`    ${JSON.stringify(sums)}`);
}, 240_000);

console.log(`kills: ${COUNT}, seed ${SEED}`);
await run({
	before: async () => {
		folder = scratch('kills');
		writeFileSync(join(folder.path, 'key'), `0x${'42'.repeat(32)}\n`, { mode: 0o600 });
		facilitator = await startUnsteady(chooser(SEED + 2));
		upstream = await startUpstream();
		desk = await startTollbar({ chain, upstream, facilitator, more });
		gate = await startTollbar({ chain, upstream, facilitator, more, program: built('tests/crash/tollbar') });
	},
	after: async () => {
		for (const part of [gate, desk, upstream, facilitator]) await part?.stop();
	},
});
