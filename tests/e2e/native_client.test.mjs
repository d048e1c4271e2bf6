// SPDX-License-Identifier: Apache-2.0
// `tollbar pay --udp` and `tollbar knock` against the daemon; results that are not there yet, that stream, that are gone.
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, run, test } from './lib/check.mjs';
import { CHAIN_ID } from './lib/chain.mjs';
import { CHAT_ROUTE, datagramOf, freeUdpPort, openClient, orderOf } from './lib/native.mjs';
import { METHODS } from './lib/payment.mjs';
import { built, scratch } from './lib/process.mjs';
import { AMOUNT, PRICE, startTollbar } from './lib/tollbar.mjs';
import { startUpstream, UPSTREAM_USAGE } from './lib/upstream.mjs';
import { sleep, until } from './lib/wait.mjs';
import { askPaid, BODY, startWorld } from './lib/world.mjs';

const SLOW_MS = 1500;
const STREAM_TOKENS = 20;
const KNOCK_S = 60;
const START = 1_000_000_000n; /* tokens of a fresh payer */
const USED = (BigInt(UPSTREAM_USAGE.prompt) * PRICE.input + BigInt(UPSTREAM_USAGE.completion) * PRICE.output) / 1_000_000n;

let world, port, strict, strictPort, payersFile, slow, slowPort, slowUpstream;
const folder = scratch('native-client').path;

/* tollbar: → { code, stdout, stderr } */
const tollbar = (...args) =>
	new Promise((done) =>
		execFile(built('tollbar'), args, (error, stdout, stderr) => done({ code: error ? error.code : 0, stdout, stderr })),
	);

const keyOf = (payer) => {
	const path = join(folder, payer.address);
	writeFileSync(path, payer.key, { mode: 0o600 });
	return path;
};
const payer = async () => {
	const account = await world.chain.payer();
	return Object.assign(account, { file: keyOf(account) });
};
const pay = (account, url, ...args) => tollbar('pay', '--udp', '--key', account.file, '--data', BODY, ...args, url);
const knock = (account, ...args) => tollbar('knock', '--key', account.file, '--chain', String(CHAIN_ID), '--wait', '2', ...args);
const idIn = ({ stderr }) => stderr.match(/^taken id=([0-9a-f]{32}) place=\d+$/m)[1];
const result = (gate, id, query = '') => fetch(`${gate.url}/v1/requests/${id}${query}`);

for (const method of METHODS)
	test(`tollbar pay --udp: ${method}, settled on the chain, once`, async () => {
		const account = await payer();
		const { requests } = await world.upstream.stats();
		const said = await pay(account, world.gate.chat, '--method', method);
		assert.equal(said.code, 0, said.stderr);
		assert.match(said.stdout, /"choices"/);
		assert.match(said.stderr, new RegExp(`^offer method=${method} `, 'm'));
		assert.match(said.stderr, /^receipt \{"success":true/m);
		const cost = method === 'upto' ? USED : AMOUNT;
		await until('the settlement', 10000, async () => (await world.chain.balance(account.address)) === START - cost);
		assert.equal((await world.upstream.stats()).requests, requests + 1);
		assert.equal((await result(world.gate, idIn(said))).status, 200, 'it is still there');
		await sleep(300);
		assert.equal(await world.chain.balance(account.address), START - cost);
	});

test('tollbar pay --udp --stream: the stream comes as it is made', async () => {
	const account = await payer();
	const child = spawn(built('tollbar'), ['pay', '--udp', '--key', account.file, '--data', BODY, '--stream', '--method', 'upto', slow.chat]);
	const pieces = [];
	child.stdout.on('data', (piece) => pieces.push({ at: Date.now(), text: piece.toString() }));
	const code = await new Promise((done) => child.on('close', done));
	assert.equal(code, 0);
	const text = pieces.map((piece) => piece.text).join('');
	assert.match(text, /data: \[DONE\]\n\n$/);
	assert.equal(new Set(text.match(/t\d{5}/g)).size, STREAM_TOKENS, 'each token once');
	assert.ok(pieces.at(-1).at - pieces[0].at > 200, 'not in one piece');
});

test('terms that were kept are not asked for again', async () => {
	const account = await payer();
	const file = join(folder, 'terms');
	assert.equal((await pay(account, world.gate.chat, '--save-terms', file)).code, 0);
	const challenges = () => world.gate.refused('payment_missing');
	const before = await challenges();
	const by = [world.gate.chat, `127.0.0.1:${port}`]; // a result of the second is where the terms say the route is
	for (const node of by) {
		const said = await pay(account, node, '--terms', file);
		assert.equal(said.code, 0, said.stderr);
		assert.match(said.stdout, /"choices"/);
	}
	assert.equal(await challenges(), before);
});

test('what a node does not take it does not answer', async () => {
	const account = await payer();
	for (const args of [['--bad-signature'], ['--valid-for', '3600'], ['--valid-for', '3']]) {
		const said = await pay(account, world.gate.chat, '--wait', '1', ...args);
		assert.equal(said.code, 1, `${args}`);
		assert.match(said.stderr, /no answer from 127\.0\.0\.1/);
	}
	const free = await pay(account, `${world.gate.url}/v1/models`);
	assert.equal(free.code, 1);
	assert.match(free.stderr, /not offered by UDP/);
	assert.equal(await world.chain.balance(account.address), START);
});

/* --- results --- */

test('a result that is not there yet', async () => {
	const account = await payer();
	const client = await openClient(slowPort);
	const { id } = await client.ask(datagramOf(await orderOf(world.offer('eip3009'), account)));
	client.close();
	const early = await result(slow, id);
	assert.equal(early.status, 202);
	assert.equal(early.headers.get('retry-after'), '1');
	const state = await early.json();
	assert.equal(state.id, id);
	assert.match(state.state, /^(queued|running)$/);
	const short = await result(slow, id, '?wait=0');
	assert.equal(short.status, 202);
	await short.text();
	const [one, two] = await Promise.all([1, 2].map(() => result(slow, id, '?wait=10').then((answer) => answer.text().then((text) => [answer.status, text]))));
	assert.equal(one[0], 200);
	assert.deepEqual(one, two, 'whoever has the id may read it, at once and again');
	assert.match(one[1], /"choices"/);
	for (const wrong of ['?wait=-1', '?wait=x', '?wait=']) assert.notEqual((await result(slow, id, wrong)).status, 200, wrong);
	for (const wrong of [id.toUpperCase(), id.slice(1), `${id}0`, '0'.repeat(32)])
		if (wrong !== id) assert.equal((await result(slow, wrong)).status, 404, wrong);
});

test('a result is kept so long, and then it is gone', async () => {
	const account = await payer();
	await listed(account);
	const said = await pay(account, strict.chat);
	assert.equal(said.code, 0, said.stderr);
	await until('the result to be gone', 10000, async () => (await result(strict, idIn(said))).status === 404);
	assert.equal((await (await result(strict, idIn(said))).json()).error.code, 'result_unknown');
});

/* --- a node with a payer list that asks everybody for a cookie --- */

/* listed: these, and nobody else. */
async function listed(...accounts) {
	const loaded = () => strict.log().split('payers_loaded').length;
	const before = loaded();
	writeFileSync(payersFile, ['[list]', 'mode = allow', ...accounts.map(({ address }) => `[${address}]`), ''].join('\n'));
	strict.signal('SIGHUP');
	await until('the list to be in force', 5000, () => loaded() > before);
}

test('who is listed pays, with the cookie he was asked for; who is not gets no answer', async () => {
	const [account, stranger] = [await payer(), await payer()];
	await listed(account);
	const said = await pay(account, strict.chat);
	assert.equal(said.code, 0, said.stderr);
	const refused = await pay(stranger, strict.chat, '--wait', '1');
	assert.equal(refused.code, 1);
	assert.match(refused.stderr, /is there, and does not take this payment/);
	await listed(account, stranger);
	assert.equal((await pay(stranger, strict.chat)).code, 0);
});

test('tollbar knock: opened for a listed payer, and for nobody else', async () => {
	const [account, stranger] = [await payer(), await payer()];
	const node = `127.0.0.1:${strictPort}`;
	await listed(account);
	const before = Date.now();
	const said = await knock(account, '--seconds', String(KNOCK_S), node);
	assert.equal(said.code, 0, said.stderr);
	const [, source, until_] = said.stdout.match(/^opened (\S+) until (\S+)\n$/);
	assert.equal(source, '127.0.0.1');
	assert.ok(Math.abs(Date.parse(until_) - before - KNOCK_S * 1000) < 3000);
	for (const [who, ...args] of [
		[stranger, '--seconds', '30'],
		[account, '--seconds', String(KNOCK_S + 5)],
		[account, '--seconds', '30', '--chain', '1'],
	]) {
		const refused = await knock(who, ...args, node);
		assert.equal(refused.code, 1, `${args}`);
		assert.match(refused.stderr, /is there and does not open/);
	}
	const off = await knock(account, `127.0.0.1:${port}`); // its knocking is off
	assert.equal(off.code, 1);
	assert.match(off.stderr, /no answer/);
});

test('the same payment by both ways is one', async () => {
	const account = await payer();
	const client = await openClient(slowPort);
	const order = await orderOf(world.offer('eip3009'), account);
	const { requests } = await slowUpstream.stats();
	const [receipt, answer] = await Promise.all([client.ask(datagramOf(order)), sleep(100).then(() => askPaid(slow.chat, order.payment))]);
	client.close();
	assert.equal(answer.reason, 'replayed');
	assert.equal((await result(slow, receipt.id, '?wait=10')).status, 200);
	assert.equal((await slowUpstream.stats()).requests, requests + 1);
});

await run({
	before: async () => {
		port = await freeUdpPort();
		world = await startWorld({
			more: {
				native: { listen: `127.0.0.1:${port}` },
				'route chat': { native: CHAT_ROUTE },
			},
		});
		payersFile = join(folder, 'payers');
		writeFileSync(payersFile, '[list]\nmode = allow\n');
		strictPort = await freeUdpPort();
		strict = await startTollbar({
			...world,
			more: {
				node: { payers: payersFile },
				native: { listen: `127.0.0.1:${strictPort}`, cookies: 'on', keep_s: 1, knock: 'yes', knock_s: KNOCK_S },
				'route chat': { native: CHAT_ROUTE },
			},
		});
		slowUpstream = await startUpstream({ args: ['--delay-ms', String(SLOW_MS), '--tick-us', '20000', '--tokens', String(STREAM_TOKENS)] });
		slowPort = await freeUdpPort();
		slow = await startTollbar({
			...world,
			upstream: slowUpstream,
			more: { native: { listen: `127.0.0.1:${slowPort}` }, 'route chat': { native: CHAT_ROUTE } },
		});
	},
	after: async () => {
		await slow?.stop();
		await strict?.stop();
		await world?.stop();
		await slowUpstream?.stop();
	},
});
