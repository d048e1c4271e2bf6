// SPDX-License-Identifier: Apache-2.0
// What an operator sees of a request afterwards: its line in the access log, what the answer says of the node's time, the trace
// it belongs to; and `tollbar overhead`.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { assert, run, test } from './lib/check.mjs';
import { encode, payment } from './lib/payment.mjs';
import { built, scratch } from './lib/process.mjs';
import { until } from './lib/wait.mjs';
import { ask, askPaid, BODY, BODY_STREAM, startWorld } from './lib/world.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const folder = scratch('access');
const file = join(folder.path, 'access.log');
let world;

const lines = (from = file) =>
	readFileSync(from, 'utf8')
		.split('\n')
		.filter((line) => line !== '')
		.map((line) => JSON.parse(line));

/* The line of the request that this one caused; nothing else is asked meanwhile. */
async function lineOf(ask) {
	const before = existsSync(file) ? lines().length : 0;
	const answer = await ask();
	await until('a line in the access log', 5000, () => lines().length > before);
	const fresh = lines().slice(before);
	assert.equal(fresh.length, 1);
	return { answer, line: fresh[0] };
}

const buy = async (method, body, headers = {}) =>
	askPaid(world.gate.chat, await payment(world.offer(method), await world.chain.payer()), { body, headers });

/* "verify;dur=0.042, …" → { verify: 0.042 } */
const timing = (answer) =>
	Object.fromEntries(
		(answer.headers.get('server-timing') ?? '').split(', ').map((part) => {
			const [name, duration] = part.split(';dur=');
			return [name, Number(duration)];
		}),
	);

test('a paid request: who, what, how long, and neither prompt nor signature', async () => {
	const payer = await world.chain.payer();
	const made = await payment(world.offer('eip3009'), payer);
	const { answer, line } = await lineOf(() => askPaid(world.gate.chat, made, { body: BODY }));
	assert.equal(answer.status, 200);
	assert.equal(line.status, 200);
	assert.equal(line.method, 'POST');
	assert.equal(line.path, '/v1/chat/completions');
	assert.equal(line.route, 'chat');
	assert.equal(line.offer, 'eip3009');
	assert.equal(line.verified, true);
	assert.equal(line.charged, '10000');
	assert.equal(line.payer, payer.address.toLowerCase());
	assert.equal(line.body_bytes, BODY.length);
	assert.equal(line.source, '::ffff:127.0.0.1');
	assert.ok(!('reason' in line) && !('trace_id' in line));
	assert.ok(Math.abs(Date.parse(line.time) - Date.now()) < 60000, line.time);
	for (const step of ['head', 'parse', 'decode', 'verify', 'claim', 'queue', 'first_byte', 'settle', 'last_out'])
		assert.ok(Number.isInteger(line.steps_ns[step]), step);
	const sum = Object.values(line.steps_ns).reduce((a, b) => a + b, 0);
	assert.ok(Math.abs(sum - line.total_ns) <= 1000, `${sum} is not ${line.total_ns}`);
	assert.ok(line.overhead_ns > 0 && line.overhead_ns < line.first_token_ns && line.first_token_ns <= line.total_ns);
	const text = readFileSync(file, 'utf8');
	assert.ok(!text.includes('something') && !text.includes(encode(made).slice(0, 40)));
	assert.ok(!text.includes(made.payload.signature.slice(2, 60)));
});

test('a stream and a refusal', async () => {
	const { line } = await lineOf(() => buy('upto', BODY_STREAM));
	assert.equal(line.status, 200);
	assert.ok(line.events > 1);
	assert.ok(BigInt(line.charged) > 0n);
	const refused = await lineOf(() => ask(world.gate.chat, { body: BODY }));
	assert.equal(refused.line.status, 402);
	assert.equal(refused.line.reason, 'payment_missing');
	assert.ok(!('payer' in refused.line));
	const lost = await lineOf(() => ask(`${world.gate.url}/no%22where?x=y`, { method: 'GET', body: undefined }));
	assert.equal(lost.line.status, 404);
	assert.ok(lost.line.path.startsWith('/') && !('route' in lost.line));
});

test('what the node took stands in a paid answer, and agrees with the log', async () => {
	for (const [method, body] of [
		['eip3009', BODY],
		['upto', BODY_STREAM],
	]) {
		const { answer, line } = await lineOf(() => buy(method, body));
		const said = timing(answer);
		assert.ok(Math.abs(said.node - line.overhead_ns / 1e6) <= 0.001, JSON.stringify(said));
		for (const step of ['verify', 'queue', 'first_byte'])
			assert.ok(Math.abs(said[step] - line.steps_ns[step] / 1e6) <= 0.001, step);
		assert.equal('settle' in said, method === 'eip3009');
	}
	const { answer: challenge } = await lineOf(() => ask(world.gate.chat, { body: BODY }));
	assert.equal(challenge.headers.get('server-timing'), null);
});

test('a trace goes on to the model server and into the log; one that is none is not logged', async () => {
	const { line } = await lineOf(() => buy('eip3009', BODY, { traceparent: TRACEPARENT, tracestate: 'a=b' }));
	assert.equal(line.trace_id, TRACE);
	const seen = JSON.stringify(await world.upstream.stats()).toLowerCase();
	assert.ok(seen.includes(TRACEPARENT) && seen.includes('tracestate'), seen);
	for (const bad of ['', '00-', TRACEPARENT.slice(1), TRACEPARENT.replace('4b', 'zz'), `${TRACEPARENT}-x`]) {
		const { line } = await lineOf(() => buy('eip3009', BODY, { traceparent: bad }));
		assert.ok(!('trace_id' in line), bad);
	}
});

test('after a rotation lines go to a new file, and none is lost', async () => {
	const moved = `${file}.1`;
	const before = lines().length;
	renameSync(file, moved);
	world.gate.signal('SIGHUP');
	await until('a new file', 5000, () => existsSync(file));
	await lineOf(() => buy('eip3009', BODY));
	assert.equal(lines(moved).length, before);
	assert.equal(await world.gate.metric('tollbar_access_lines_total{outcome="written"}'), before + 1);
	assert.equal(await world.gate.metric('tollbar_access_lines_total{outcome="lost"}'), 0);
});

test('tollbar overhead: of all, of a route, of lately', async () => {
	const overhead = (...args) =>
		execFileSync(built('tollbar'), ['overhead', '-a', new URL(world.gate.adminUrl).host, ...args], { encoding: 'utf8' });
	const all = JSON.parse(overhead('--json')),
		chat = JSON.parse(overhead('--json', '--route', 'chat')),
		models = JSON.parse(overhead('--json', '--route', 'models'));
	assert.deepEqual(all.routes, ['chat', 'models']);
	assert.ok(chat.overhead.count > 0 && chat.overhead.count === all.overhead.count);
	assert.ok(all.steps.parse.count > chat.steps.parse.count, 'requests without a route are in all');
	assert.equal(models.steps.parse.count, 0);
	assert.ok(chat.overhead.p50_ns <= chat.overhead.p90_ns && chat.overhead.p90_ns <= chat.overhead.p999_ns);
	assert.match(overhead('--since', '1h'), / % of the time to first token passes before the model starts/);
	assert.match(overhead(), /\n {2}verify .*\|.*#.*\|\n/);
});

await run({
	before: async () => {
		world = await startWorld({ more: { node: { access_log: file, server_timing: 'yes' } } });
		await until('the line of the first question', 5000, () => existsSync(file) && lines().length === 1);
	},
	after: async () => {
		await world.stop();
		folder.remove();
	},
});
