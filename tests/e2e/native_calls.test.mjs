// SPDX-License-Identifier: Apache-2.0
// What a native call asks for is what the model server gets; and the example client, before a node that wants a cookie of everybody.
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { size } from 'viem';
import { assert, run, test } from './lib/check.mjs';
import { CHAT_ROUTE, datagramOf, freeUdpPort, openClient, orderOf } from './lib/native.mjs';
import { scratch } from './lib/process.mjs';
import { REASONS } from './lib/reasons.mjs';
import { startWorld } from './lib/world.mjs';

const COMPLETION_ROUTE = 0;
const CALLDATA_BYTES_MAX = 1400 - 208 - 8; // with a cookie
const here = dirname(fileURLToPath(import.meta.url));
const { calldata: CALLS } = JSON.parse(readFileSync(join(here, '../vectors/native.json')));
let world, client, payer;

/* asked: the body the model server got last; its statistics have a character for each byte. */
const asked = async () => JSON.parse(Buffer.from((await world.upstream.stats()).last.body, 'latin1').toString());

/* receiptFor: with the cookie that is asked for first. */
async function receiptFor(call) {
	const route = call.call === 'runLLMChat' ? CHAT_ROUTE : COMPLETION_ROUTE;
	const order = await orderOf(world.offer('eip3009'), payer, { calldata: call.calldata, route, stream: call.stream });
	const first = await client.ask(datagramOf(order));
	assert.equal(first.kind, 'cookie', call.name);
	assert.equal(first.echo, order.nonce.slice(0, 18));
	return client.ask(datagramOf({ ...order, flags: order.flags | 1, cookie: first.cookie }));
}

test('the model server gets what was called for', async () => {
	let cnt = 0;
	for (const call of CALLS.filter(({ calldata, tee }) => size(calldata) <= CALLDATA_BYTES_MAX && !tee)) {
		const receipt = await receiptFor(call);
		assert.equal(receipt.reason, 0, call.name);
		const answer = await fetch(`${world.gate.url}/v1/requests/${receipt.id}?wait=10`);
		assert.equal(answer.status, 200, call.name);
		await answer.text();
		const { stream_options, ...body } = await asked();
		assert.deepEqual(body, call.body, call.name);
		assert.deepEqual(stream_options, call.stream ? { include_usage: true } : undefined, call.name);
		cnt++;
	}
	assert.ok(cnt >= 10, `${cnt} calls fit a datagram`);
});

test('a trusted execution environment is for routes that have one', async () => {
	const tee = (name) => CALLS.find((call) => call.call === name && call.tee && size(call.calldata) <= CALLDATA_BYTES_MAX);
	const { requests } = await world.upstream.stats();
	assert.equal((await receiptFor(tee('runLLMCompletion'))).reason, REASONS.get('calldata_bad').number);
	assert.equal((await world.upstream.stats()).requests, requests);
	assert.equal((await receiptFor(tee('runLLMChat'))).reason, 0);
});

test('the example client', async () => {
	const { path } = scratch('example');
	const [key, example] = [join(path, 'key'), join(path, 'native.mjs')];
	const account = await world.chain.payer();
	writeFileSync(key, account.key, { mode: 0o600 });
	copyFileSync(join(here, '../../examples/native.mjs'), example);
	symlinkSync(join(here, 'node_modules'), join(path, 'node_modules')); // as npm install viem would
	const claimed = await world.gate.metric('tollbar_requests_claimed_total');
	const { stdout } = await promisify(execFile)(process.execPath, [example, key, world.gate.chat, 'stand-in', 'Say something.'], { timeout: 30_000 });
	assert.ok(JSON.parse(stdout).choices.length > 0, stdout);
	assert.deepEqual(await asked(), {
		model: 'stand-in',
		messages: [{ role: 'user', content: 'Say something.' }],
		temperature: 1,
	});
	assert.equal(await world.gate.metric('tollbar_requests_claimed_total'), claimed + 1);
});

await run({
	before: async () => {
		const port = await freeUdpPort();
		const completions = { match: 'POST /v1/completions', offers: 'eip3009', upstream: 'model', native: COMPLETION_ROUTE };
		world = await startWorld({
			more: {
				native: { listen: `127.0.0.1:${port}`, cookies: 'on' },
				'route chat': { native: CHAT_ROUTE, tee: 'yes' },
				'route completions': completions,
			},
		});
		payer = await world.chain.payer();
		client = await openClient(port);
	},
	after: async () => {
		client?.close();
		await world?.stop();
	},
});
