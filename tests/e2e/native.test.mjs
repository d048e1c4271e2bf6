// SPDX-License-Identifier: Apache-2.0
// Native requests: one datagram is a paid request; what is wrong with one is never answered before its signature held.
import { privateKeyToAccount, generatePrivateKey } from 'viem/accounts';
import { concat, size, slice, toHex } from 'viem';
import { assert, run, test } from './lib/check.mjs';
import { CHAIN_ID } from './lib/chain.mjs';
import { CHAT_ROUTE, chat, completion, datagramOf, freeUdpPort, openClient, orderOf } from './lib/native.mjs';
import { challenge, METHODS, now, stockFetch } from './lib/payment.mjs';
import { REASONS } from './lib/reasons.mjs';
import { sleep, until } from './lib/wait.mjs';
import { startTollbar } from './lib/tollbar.mjs';
import { startUpstream } from './lib/upstream.mjs';
import { askPaid, BODY, startWorld } from './lib/world.mjs';

const COMPLETION_ROUTE = 0,
	TEE_ROUTE = 255;
const QUIET_MS = 300;
const HEADER_BYTES = 208;
const BYTES_MAX = 1400;
const flip = (hex, at = 0) => concat([slice(hex, 0, at), toHex(Number(slice(hex, at, at + 1)) ^ 1, { size: 1 }), ...(at + 1 < size(hex) ? [slice(hex, at + 1)] : [])]);
let world, port, client, payer;

const result = (id, query = '?wait=10') => fetch(`${world.gate.url}/v1/requests/${id}${query}`);
const order = (method, options) => orderOf(world.offer(method), payer, options);
const wordOf = (number) => [...REASONS].find(([, row]) => row.number === number)?.[0];
const refusals = (metrics, reason) =>
	metrics.get(`tollbar_requests_refused_total{reason="${reason}"}`) ?? metrics.get(`tollbar_datagrams_refused_total{reason="${reason}"}`) ?? 0;

/* taken: sends it, and checks that it was taken. → the receipt */
async function taken(bytes, from = client) {
	const receipt = await from.ask(bytes);
	assert.equal(receipt?.kind, 'receipt');
	assert.equal(wordOf(receipt.reason), undefined);
	assert.equal(receipt.reason, 0);
	assert.match(receipt.id, /^(?!0{32})[0-9a-f]{32}$/);
	return receipt;
}

/* noted: the reason is counted so many times more once `attempt` is done, and the model server saw nothing of it. */
async function noted(reason, attempt, { label = reason, times = 1 } = {}) {
	const before = refusals(await world.gate.metrics(), reason);
	const { requests } = await world.upstream.stats();
	const value = await attempt();
	const count = () => world.gate.metrics().then((metrics) => refusals(metrics, reason) - before);
	await until(`${times} more ${reason} (${label})`, 5000, async () => (await count()) >= times);
	assert.equal(await count(), times, label);
	assert.equal((await world.upstream.stats()).requests, requests, label);
	return value;
}

/* silent: and no answer came. */
async function silent(reason, bytes, label = reason) {
	await noted(reason, () => client.send(bytes), { label });
	assert.equal(await client.next(QUIET_MS), undefined, `an answer (${label})`);
}

/* told: and the receipt says why. */
async function told(reason, bytes, label = reason) {
	const receipt = await noted(reason, () => client.ask(bytes), { label });
	assert.equal(receipt?.kind, 'receipt', label);
	assert.equal(wordOf(receipt.reason), reason, label);
	assert.equal(receipt.id, '0'.repeat(32), label);
}

for (const method of METHODS)
	test(`${method}: one datagram, one receipt, the answer by HTTP`, async () => {
		const made = await order(method);
		const bytes = datagramOf(made);
		const receipt = await taken(bytes);
		assert.equal(receipt.nonce, made.nonce);
		assert.ok(receipt.bytes <= bytes.length);
		const answer = await result(receipt.id);
		assert.equal(answer.status, 200);
		assert.ok(answer.headers.get('PAYMENT-RESPONSE'));
		assert.ok((await answer.json()).choices.length > 0);
	});

test('a challenge says where, and clients that do not care pay as before', async () => {
	const { required } = await challenge(world.gate.chat, BODY);
	assert.deepEqual(required.extensions['tollbar-native'].info, { port, route: CHAT_ROUTE });
	for (const method of METHODS) {
		const answer = await stockFetch(await world.chain.payer(), method)(world.gate.chat, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: BODY,
		});
		assert.equal(answer.status, 200, await answer.text());
	}
});

test('streamed: the result is the stream', async () => {
	for (const method of METHODS) {
		const receipt = await taken(datagramOf(await order(method, { stream: true })));
		const answer = await result(receipt.id);
		assert.equal(answer.status, 200);
		assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
		assert.match(await answer.text(), /data: \[DONE\]\n\n$/);
	}
});

test('a completion, on its own route; no other call on either', async () => {
	const receipt = await taken(datagramOf(await order('eip3009', { calldata: completion(), route: COMPLETION_ROUTE })));
	assert.equal((await result(receipt.id)).status, 200);
	await told('calldata_bad', datagramOf(await order('eip3009', { calldata: completion() })));
	await told('calldata_bad', datagramOf(await order('eip3009', { route: COMPLETION_ROUTE })));
});

test('what a datagram waited in the kernel is a step of its request', async () => {
	const spent = () => world.gate.metric('tollbar_step_seconds_sum{step="arrival"}');
	const made = datagramOf(await order('eip3009'));
	const before = await spent();
	world.gate.signal('SIGSTOP');
	const receipt = taken(made);
	await sleep(300);
	world.gate.signal('SIGCONT');
	await result((await receipt).id);
	await until('the wait to be counted', 10000, async () => (await spent()) - before >= 0.25);
});

test('a call that asks for a trusted execution environment goes to a route that has one', async () => {
	const calldata = completion('Say something.', { mode: 1 });
	await told('calldata_bad', datagramOf(await order('eip3009', { calldata, route: COMPLETION_ROUTE })));
	await taken(datagramOf(await order('eip3009', { calldata, route: TEE_ROUTE })));
});

test('the longest datagram, and one byte more', async () => {
	const room = BYTES_MAX - HEADER_BYTES;
	const words = Math.floor((room - 4 - size(completion('')) + 4) / 32); // of a prompt, so that it all fits
	const longest = completion('x'.repeat(words * 32));
	assert.ok(size(longest) <= room && size(longest) + 32 > room);
	const made = await order('eip3009', { calldata: longest, route: COMPLETION_ROUTE });
	await taken(datagramOf(made));
	const over = datagramOf({ ...(await order('eip3009')), cookie: '0x', calldata: `0x${'00'.repeat(room + 1)}` });
	assert.equal(over.length, BYTES_MAX + 1);
	await silent('native_length', over);
});

test('cut at any byte it is nothing', async () => {
	const bytes = datagramOf(await order('eip3009'));
	await noted(
		'native_length',
		async () => {
			for (let length = 0; length < bytes.length; length++) {
				await client.send(bytes.subarray(0, length));
				if (length % 64 === 0) await sleep(5);
			}
			await client.send(Buffer.concat([bytes, Buffer.alloc(1)]));
		},
		{ times: bytes.length + 1 },
	);
	assert.equal(await client.next(QUIET_MS), undefined);
	await taken(bytes);
});

test('a field that is wrong before the signature was looked at is met with silence', async () => {
	const made = await order('eip3009');
	const permit2 = await order('permit2');
	const stranger = privateKeyToAccount(generatePrivateKey()).address;
	const rows = [
		['native_magic', { magic: '0x54425232' }],
		['native_magic', { magic: '0x00000000' }],
		['native_kind', { kind: 0 }],
		['native_kind', { kind: 3 }],
		['native_kind', { kind: 255 }],
		['native_method', { method: 0 }],
		['native_method', { method: 4 }],
		['native_method', { method: 255 }],
		['native_length', { length: datagramOf(made).length + 1 }],
		['native_length', { length: datagramOf(made).length - 1 }],
		['native_length', { calldataBytes: size(made.calldata) - 1 }],
		['native_length', { calldataBytes: size(made.calldata) + 1 }],
		['native_length', { calldataBytes: 2 ** 32 - 1 }],
		['native_length', { calldataBytes: 0 }],
		['native_length', { flags: 1 }],
		['native_field', { flags: 4 }],
		['native_field', { flags: 0x8000 }],
		['network_wrong', { chain: CHAIN_ID + 1 }],
		['network_wrong', { chain: 2n ** 64n - 1n }],
		['payer_zero', { payer: `0x${'00'.repeat(20)}` }],
		['asset_wrong', { asset: flip(made.asset, 19) }],
		['amount_wrong', { amount: BigInt(made.amount) + 1n }],
		['amount_wrong', { amount: BigInt(made.amount) - 1n }],
		['amount_wrong', { amount: 2n ** 128n - 1n }],
		['not_yet', { validAfter: now() + 60 }],
		['not_yet', { validAfter: 2n ** 64n - 1n }],
		['expired', { deadline: now() + 4 }],
		['expired', { deadline: 0 }],
		['deadline_far', { deadline: now() + 60 + 30 + 30 }],
		['deadline_far', { deadline: 2n ** 64n - 1n }],
		['route_unknown', { route: 1 }],
		['route_unknown', { route: 254 }],
		['signature_bad', { method: 2 }],
		['signature_bad', { payer: stranger }],
		['signature_bad', { validAfter: 1 }],
		['signature_bad', { deadline: BigInt(made.deadline) - 1n }],
		['signature_bad', { nonce: flip(made.nonce, 31) }],
		['signature_bad', { signature: flip(made.signature, 31) }],
		['signature_bad', { signature: flip(made.signature, 63) }],
		['signature_form', { signature: concat([slice(made.signature, 0, 64), '0x02']) }],
		['signature_form', { signature: concat([slice(made.signature, 0, 64), '0xff']) }],
		['signature_form', { signature: concat([`0x${'00'.repeat(32)}`, slice(made.signature, 32)]) }],
		['signature_form', { signature: concat([slice(made.signature, 0, 32), `0x${'ff'.repeat(32)}`, slice(made.signature, 64)]) }],
	];
	for (const [reason, change] of rows) await silent(reason, datagramOf({ ...made, ...change }), JSON.stringify(change, (_, v) => (typeof v === 'bigint' ? String(v) : v)));
	await silent('signature_form', datagramOf({ ...permit2, signature: concat([slice(permit2.signature, 0, 64), '0x00']) }));
	await taken(datagramOf(made)); // none of it was burned by trying
	await taken(datagramOf(permit2));
});

test('what is wrong behind the signature is told to its sender, and burns nothing', async () => {
	const made = await order('eip3009');
	await told('bind_wrong', datagramOf({ ...made, salt: flip(made.salt, 15) }));
	for (const at of [0, 40, size(made.calldata) - 1]) await told('bind_wrong', datagramOf({ ...made, calldata: flip(made.calldata, at) }), `byte ${at}`);
	await told('calldata_bad', datagramOf(await order('eip3009', { calldata: '0x00000000' })));
	await taken(datagramOf(made));
});

test('a repeat gets the receipt again, from wherever its sender speaks; nobody else gets one', async () => {
	const [made, other, elsewhere] = [await order('eip3009'), await openClient(port), await openClient(port, { from: '127.0.0.2' })];
	const bytes = datagramOf(made);
	const claimed = await world.gate.metric('tollbar_requests_claimed_total');
	const { id } = await taken(bytes);
	for (let i = 0; i < 5; i++) assert.equal((await taken(bytes)).id, id);
	assert.equal((await taken(bytes, other)).id, id);
	assert.equal((await taken(datagramOf({ ...made, flags: 1, cookie: '0x0123456789abcdef' }))).id, id); // a cookie it was not asked for
	await noted('replayed', () => elsewhere.send(bytes));
	assert.equal(await elsewhere.next(QUIET_MS), undefined);
	await result(id);
	assert.equal((await taken(bytes)).id, id); // also when all is over
	assert.equal(await world.gate.metric('tollbar_requests_claimed_total'), claimed + 1);
	other.close();
	elsewhere.close();
});

test('sent twice at once it is one request', async () => {
	const bytes = datagramOf(await order('eip3009'));
	const claimed = await world.gate.metric('tollbar_requests_claimed_total');
	await Promise.all([1, 2, 3, 4].map(() => client.send(bytes)));
	const ids = [];
	for (let i = 0; i < 4; i++) ids.push((await client.next()).id);
	assert.equal(new Set(ids).size, 1, `${ids}`);
	assert.equal(await world.gate.metric('tollbar_requests_claimed_total'), claimed + 1);
});

test('the same nonce in other bytes is a replay', async () => {
	const made = await order('eip3009');
	await taken(datagramOf(made));
	const v = Number(slice(made.signature, 64)) - 27; // another spelling of the same signature
	await silent('replayed', datagramOf({ ...made, signature: concat([slice(made.signature, 0, 64), toHex(v, { size: 1 })]) }));
	await silent('replayed', datagramOf({ ...made, flags: 2 }));
});

test('one ledger: what was spent here is spent over HTTP, and the other way round', async () => {
	for (const method of METHODS) {
		const first = await order(method);
		await taken(datagramOf(first));
		assert.equal((await askPaid(world.gate.chat, first.payment)).reason, 'replayed');
		const second = await order(method);
		assert.equal((await askPaid(world.gate.chat, second.payment)).status, 200);
		await silent('replayed', datagramOf(second));
	}
});

test('a flood of forged signatures harms nobody', async () => {
	const made = await order('eip3009');
	const forged = Array.from({ length: 2000 }, (_, i) => datagramOf({ ...made, nonce: toHex(i + 1, { size: 32 }) }));
	const honest = await Promise.all(Array.from({ length: 5 }, async () => datagramOf(await order('eip3009'))));
	const second = await openClient(port);
	const flood = (async () => {
		for (const [i, bytes] of forged.entries()) {
			await client.send(bytes);
			if (i % 100 === 0) await sleep(1);
		}
	})();
	for (const bytes of honest) await taken(bytes, second);
	await flood;
	assert.equal(await client.next(QUIET_MS), undefined);
	second.close();
});

test('a model server that fails: the result says so, and nothing is charged', async () => {
	const released = () => world.gate.metric('tollbar_ledger_released_total');
	const [made, before] = [await order('eip3009'), await world.gate.metrics()];
	await world.upstream.stop();
	const receipt = await taken(datagramOf(made));
	const answer = await result(receipt.id);
	assert.equal(answer.status, 502);
	assert.equal((await answer.json()).error.code, 'upstream_down');
	await world.upstream.start();
	assert.equal((await taken(datagramOf(made))).id, receipt.id); // a repeat asks for nothing new
	assert.equal((await askPaid(world.gate.chat, made.payment)).status, 200);
	assert.ok([...before.keys()].length > 0 && (await released()) >= 0);
});

/* another: a node of its own beside the world's, with these settings. */
async function another(more, upstreamArgs = []) {
	const udp = await freeUdpPort();
	const upstream = await startUpstream({ args: upstreamArgs });
	const { chain, facilitator } = world;
	const gate = await startTollbar({
		chain,
		facilitator,
		upstream,
		more: { 'route chat': { native: CHAT_ROUTE }, ...more, native: { listen: `127.0.0.1:${udp}`, ...more.native } },
	});
	const own = await openClient(udp);
	const stop = async () => {
		own.close();
		await gate.stop('SIGKILL');
		await upstream.stop();
	};
	return { gate, client: own, udp, upstream, stop };
}

test('a cookie first, where one is asked for: from whom it was sent to, and nobody else', async () => {
	const node = await another({ native: { cookies: 'on' } });
	const made = await order('eip3009');
	const count = (reason) => node.gate.metrics().then((metrics) => refusals(metrics, reason));
	const asked = await node.client.ask(datagramOf(made));
	assert.equal(asked.kind, 'cookie');
	assert.equal(asked.echo, slice(made.nonce, 0, 8));
	assert.equal(await count('native_cookie'), 1);
	const shown = datagramOf({ ...made, flags: 1, cookie: asked.cookie });
	for (const cookie of [flip(asked.cookie), `0x${'00'.repeat(8)}`])
		assert.equal((await node.client.ask(datagramOf({ ...made, flags: 1, cookie }))).cookie, asked.cookie);
	const other = await openClient(node.udp);
	assert.notEqual((await other.ask(shown)).cookie, asked.cookie); // another port, another cookie
	const elsewhere = await openClient(node.udp, { from: '127.0.0.2' });
	assert.notEqual((await elsewhere.ask(shown)).cookie, asked.cookie);
	assert.equal(await node.gate.metric('tollbar_signatures_total{way="alone"}'), 0); // none was looked at so far
	const { id } = await taken(shown, node.client);
	assert.equal((await taken(shown, node.client)).id, id);
	const next = await order('eip3009');
	await taken(datagramOf({ ...next, flags: 1, cookie: asked.cookie }), node.client); // good for the next request, too
	other.close();
	elsewhere.close();
	await node.stop();
});

test('cookies are asked for when there are too many requests, and not any more when there are few', async () => {
	const node = await another({ native: { cookies: 'auto', cookies_per_s: 50 }, node: { workers: 1 } });
	await taken(datagramOf(await order('eip3009')), node.client);
	const forged = datagramOf({ ...(await order('eip3009')), nonce: toHex(1, { size: 32 }) });
	for (let i = 0; i < 100; i++) await node.client.send(forged);
	assert.equal((await node.client.next()).kind, 'cookie');
	await sleep(QUIET_MS);
	while (await node.client.next(1));
	const fresh = datagramOf(await order('eip3009'));
	assert.equal((await node.client.ask(fresh)).kind, 'cookie');
	await sleep(2500);
	await taken(fresh, node.client);
	await node.stop();
});

test('who has to wait is told his place, and how far the line has moved', async () => {
	const node = await another({ 'upstream model': { in_flight: 1 } }, ['--delay-ms', '1200']);
	const ids = [];
	for (let place = 0; place < 4; place++) {
		const receipt = await taken(datagramOf(await order('eip3009')), node.client);
		assert.equal(receipt.place, place);
		ids.push(receipt.id);
	}
	const state = async (id) => (await fetch(`${node.gate.url}/v1/requests/${id}`)).json();
	assert.deepEqual(await state(ids[3]), { id: ids[3], state: 'queued', place: 3 });
	await until('the line to move', 10000, async () => (await state(ids[3])).place === 1);
	for (const id of ids) assert.equal((await fetch(`${node.gate.url}/v1/requests/${id}?wait=20`)).status, 200);
	await node.stop();
});

test('a line that is full, and a store that is full, cost nobody his nonce', async () => {
	const node = await another({ 'upstream model': { in_flight: 1 }, node: { queue_requests: 1 } }, ['--delay-ms', '1000']);
	const first = await taken(datagramOf(await order('eip3009')), node.client);
	await taken(datagramOf(await order('eip3009')), node.client);
	const third = datagramOf(await order('eip3009'));
	await node.client.send(third);
	await until('queue_full', 3000, async () => (await node.gate.refused('queue_full')) === 1);
	assert.equal(await node.client.next(QUIET_MS), undefined);
	assert.equal((await fetch(`${node.gate.url}/v1/requests/${first.id}?wait=10`)).status, 200);
	await taken(third, node.client);
	await node.stop();
	const small = await another({ native: { results: 1 }, 'upstream model': { in_flight: 64 } }, ['--delay-ms', '1000']);
	await taken(datagramOf(await order('eip3009')), small.client);
	const second = datagramOf(await order('eip3009'));
	const receipt = await small.client.ask(second);
	assert.equal(wordOf(receipt.reason), 'results_full');
	await until('the first one to end', 5000, async () => (await small.gate.metric('tollbar_results_running')) === 0);
	await taken(second, small.client);
	await small.stop();
});

test('a drain takes no datagram, ends what was taken, and waits for its result to be fetched', async () => {
	const node = await another({}, ['--delay-ms', '1500']);
	const receipt = await taken(datagramOf(await order('eip3009')), node.client);
	const ended = node.gate.daemon.exited;
	node.gate.signal('SIGTERM');
	await sleep(200);
	await node.client.send(datagramOf(await order('eip3009')));
	assert.equal(await node.client.next(QUIET_MS), undefined);
	const early = await fetch(`${node.gate.url}/v1/requests/${receipt.id}`);
	assert.equal(early.status, 202);
	await sleep(2000);
	assert.ok(node.gate.running());
	assert.equal((await fetch(node.gate.chat, { method: 'POST', headers: { 'content-type': 'application/json' }, body: BODY })).status, 503);
	const answer = await fetch(`${node.gate.url}/v1/requests/${receipt.id}?wait=5`);
	assert.equal(answer.status, 200);
	assert.ok((await answer.json()).choices.length > 0);
	assert.deepEqual(await Promise.race([ended, sleep(5000)]), { code: 0, signal: null });
	await node.stop();
});

await run({
	before: async () => {
		port = await freeUdpPort();
		world = await startWorld({
			more: {
				native: { listen: `127.0.0.1:${port}` },
				'route chat': { native: CHAT_ROUTE },
				'route completions': { match: 'POST /v1/completions', offers: 'eip3009, permit2, upto', upstream: 'model', native: COMPLETION_ROUTE },
				'route tee': { match: 'POST /tee/v1/completions', offers: 'eip3009', upstream: 'model', native: TEE_ROUTE, tee: 'yes' },
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
