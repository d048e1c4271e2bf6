// SPDX-License-Identifier: Apache-2.0
// Several model servers behind one route: real ones that die and come back while paid requests are under way.  Fairness is
// counted, never timed.
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { assert, run, test } from './lib/check.mjs';
import { payment } from './lib/payment.mjs';
import { start } from './lib/process.mjs';
import { AMOUNT, freePort, PRICE, startTollbar } from './lib/tollbar.mjs';
import { startUpstream, UPSTREAM_USAGE } from './lib/upstream.mjs';
import { until } from './lib/wait.mjs';
import { askPaid, BODY_STREAM, startWorld } from './lib/world.mjs';

const START = 1_000_000_000n;
const IN_FLIGHT = 3;
const NAMES = ['model', 'b', 'c'];
let world, others, noted, nobody, hung;

const servers = () => ({ model: world.upstream, b: others[0], c: others[1], recorder: noted, nobody, hung });
const made = (payer) => payment(world.offer('eip3009'), payer);
const slow = (ms) => ({ headers: { 'x-delay-ms': String(ms) } });
/* A model server that notes in what order it is asked, by the header x-who; /health says its `health`, 0: nothing. */
async function recorder() {
	const self = { order: [], health: 200, checks: 0 };
	const server = createServer((request, response) => {
		if (request.url === '/health') {
			self.checks++;
			if (self.health !== 0) response.writeHead(self.health).end();
			return;
		}
		self.order.push(request.headers['x-who']);
		setTimeout(() => response.end('{}'), Number(request.headers['x-delay-ms']));
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	return Object.assign(self, { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() });
}
const by = (who, ms) => ({ headers: { 'x-who': who, 'x-delay-ms': String(ms) } });

const charged = async (payer) => START - (await world.chain.balance(payer.address));
const ofUpstream = (gate, what, name) => gate.metric(`tollbar_upstream_${what}{upstream="${name}"}`);
const requests = (gate) => Promise.all(NAMES.map((name) => ofUpstream(gate, 'requests_total', name)));
const isUp = (gate, name, up) =>
	until(`${name} to be ${up ? 'up' : 'out'}`, 30000, async () => (await ofUpstream(gate, 'up', name)) === Number(up));

/* A daemon of its own with these servers for CHAT. */
async function among(names, more, body) {
	const sections = Object.fromEntries(
		names.map((name) => [`upstream ${name}`, { url: servers()[name].url, in_flight: IN_FLIGHT, ...more.upstream }]),
	);
	const gate = await startTollbar({
		...world,
		more: {
			...sections,
			...more.offers,
			'route chat': { upstream: names.join(', ') },
			node: { ...more.node },
			timeouts: { ...more.timeouts },
		},
	});
	try {
		await body(gate);
	} finally {
		await gate.stop();
	}
}

/* Clients that each send one paid request after the other until they are told to stop. → { answers, stop() } */
async function load(gate, cnt) {
	const answers = [];
	const payers = [];
	let stopped = false;
	while (payers.length < cnt) payers.push(await world.chain.payer());
	const client = async (payer) => {
		while (!stopped) {
			const payload = await made(payer);
			answers.push({ payload, ...(await askPaid(gate.chat, payload, slow(20))) });
		}
	};
	const clients = Promise.all(payers.map(client));
	clients.catch(() => {}); // stop() tells
	return {
		payers,
		answers,
		failed: () => answers.filter(({ status }) => status !== 200),
		more: (n) => {
			const least = answers.length + n;
			return until(`${n} more answers`, 60000, () => answers.length >= least);
		},
		stop: async () => {
			stopped = true;
			await clients;
		},
	};
}

test('a server dies under load and comes back: only what it was at work on fails, and costs nothing', async () => {
	await among(NAMES, {}, async (gate) => {
		const clients = await load(gate, 8);
		await clients.more(30);
		assert.equal(clients.failed().length, 0);
		for (const cnt of await requests(gate)) assert.ok(cnt >= 5, `each has its part: ${cnt}`);

		await servers().b.stop(); // SIGKILL
		await isUp(gate, 'b', false);
		await clients.more(30);
		const failed = clients.failed();
		assert.ok(failed.length <= IN_FLIGHT, `${failed.length} failed, at most ${IN_FLIGHT} were with it`);
		for (const { reason } of failed) assert.match(reason, /^upstream_(down|failed)$/);
		assert.ok((await ofUpstream(gate, 'moved_total', 'b')) >= 1, 'those that could not reach it went elsewhere');

		await servers().b.start();
		await isUp(gate, 'b', true);
		const before = await ofUpstream(gate, 'requests_total', 'b');
		await clients.more(40);
		assert.ok((await ofUpstream(gate, 'requests_total', 'b')) > before, 'it has its part again');
		await clients.stop();
		assert.equal(clients.failed().length, failed.length, 'nobody else failed');
		for (const { payload } of failed) assert.equal((await askPaid(gate.chat, payload)).status, 200, 'not burned');

		let sum = 0n;
		for (const payer of clients.payers) sum += await charged(payer);
		assert.equal(sum, BigInt(clients.answers.length) * AMOUNT, 'each paid once for each answer');
		for (const name of NAMES) assert.equal(await ofUpstream(gate, 'in_flight', name), 0);
	});
});

test('what goes to another server is the same request: asked for usage once, charged for what it used', async () => {
	await among(['nobody', 'b'], {}, async (gate) => {
		const payer = await world.chain.payer();
		const times = 4;
		for (let i = 0; i < times; i++) {
			const answer = await askPaid(gate.chat, await payment(world.offer('upto'), payer), { body: BODY_STREAM });
			assert.equal(answer.status, 200, answer.text);
			assert.match(answer.text, /data: \[DONE\]/);
			const { last } = await servers().b.stats();
			assert.deepEqual(JSON.parse(last.body), { ...JSON.parse(BODY_STREAM), stream_options: { include_usage: true } });
			assert.equal(last.body.match(/include_usage/g).length, 1);
		}
		assert.ok((await ofUpstream(gate, 'moved_total', 'nobody')) >= 1);
		const { prompt, completion } = UPSTREAM_USAGE;
		const cost = (BigInt(prompt) * PRICE.input + BigInt(completion) * PRICE.output) / 1_000_000n;
		await until('all to be settled', 30000, async () => (await charged(payer)) === BigInt(times) * cost);
	});
});

/* A server that does not take connections any more, as one whose process hangs with its queue full. */
async function stuck() {
	const listen = `const server = require('net').createServer();
		server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`;
	const server = start(process.execPath, ['-e', listen]);
	const port = await until('it to listen', 30000, () => Number(server.output.trim()));
	server.child.kill('SIGSTOP');
	const queued = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
	await until('its queue to be full', 30000, () => queued.filter(({ connecting }) => !connecting).length >= 2);
	return {
		url: `http://127.0.0.1:${port}`,
		stop: async () => {
			for (const one of queued) one.destroy();
			await server.stop('SIGKILL');
		},
	};
}

test('a server that takes no connection in time costs nobody his answer', async () => {
	hung = await stuck();
	await among(['hung', 'b'], { timeouts: { connect_ms: 300 } }, async (gate) => {
		const payer = await world.chain.payer();
		for (let i = 0; i < 8; i++) assert.equal((await askPaid(gate.chat, await made(payer))).status, 200);
		assert.equal(await ofUpstream(gate, 'up', 'hung'), 0);
		assert.ok((await ofUpstream(gate, 'moved_total', 'hung')) >= 3);
		assert.equal(await charged(payer), 8n * AMOUNT);
	});
});

test('all are down: refused at once, nothing is charged, and served when one is back', async () => {
	await among(['b', 'c'], {}, async (gate) => {
		const payer = await world.chain.payer();
		const payload = await made(payer);
		await Promise.all([servers().b.stop(), servers().c.stop()]);
		try {
			for (let i = 0; i < 6; i++) {
				const answer = await askPaid(gate.chat, payload);
				assert.equal(answer.reason, 'upstream_down', answer.text);
			}
			assert.equal(await ofUpstream(gate, 'up', 'b'), 0);
			assert.equal(await ofUpstream(gate, 'up', 'c'), 0);
			assert.equal(await charged(payer), 0n);
			const before = await gate.metric('tollbar_requests_verified_total');
			const early = await until('nobody to be asked', 30000, async () => {
				const answer = await askPaid(gate.chat, payload);
				return (await gate.metric('tollbar_requests_verified_total')) === before && answer;
			}).catch(() => undefined);
			assert.equal(early?.reason, 'upstream_down', 'not even its signature is looked at');
		} finally {
			await Promise.all([servers().b.start(), servers().c.start()]);
		}
		await until('it to be served', 30000, async () => (await askPaid(gate.chat, payload)).status === 200);
		assert.equal(await charged(payer), AMOUNT);
	});
});

test('who makes the servers say 500 shuts nobody out', async () => {
	await among(['b', 'c'], {}, async (gate) => {
		const [bad, good] = [await world.chain.payer(), await world.chain.payer()];
		for (let i = 0; i < 12; i++) {
			const answer = await askPaid(gate.chat, await made(bad), { headers: { 'x-fault': '500' } });
			assert.equal(answer.status, 500);
		}
		assert.equal((await ofUpstream(gate, 'outages_total', 'b')) + (await ofUpstream(gate, 'outages_total', 'c')) >= 2, true);
		for (let i = 0; i < 4; i++) assert.equal((await askPaid(gate.chat, await made(good))).status, 200);
		assert.equal(await charged(bad), 0n);
		assert.equal(await charged(good), 4n * AMOUNT);
	});
});

test('busy is not dead: 429 and 503 put nobody out', async () => {
	await among(['b', 'c'], {}, async (gate) => {
		const payer = await world.chain.payer();
		for (const fault of ['429', '503', '429', '503', '503', '503', '503', '503'])
			assert.equal((await askPaid(gate.chat, await made(payer), { headers: { 'x-fault': fault } })).status, Number(fault));
		assert.equal(await ofUpstream(gate, 'up', 'b'), 1);
		assert.equal(await ofUpstream(gate, 'up', 'c'), 1);
	});
});

/* What a check says: a server that drains gets no more requests, and none of its is lost; nor does one that hangs, but being
 * late with the check's answer while it answers requests is no hanging. */
test('by its check a server is put out, and comes back, without a request being lost', async () => {
	const check = { check: '/health', check_ms: 100, check_timeout_ms: 300 };
	await among(['b', 'recorder'], { upstream: check }, async (gate) => {
		const isSpared = async (clients) => {
			await clients.more(8); // those that were with it already
			noted.order.length = 0;
			await clients.more(20);
			assert.equal(noted.order.length, 0, 'nobody is sent there');
		};
		const clients = await load(gate, 4);
		await until('it to be asked', 30000, () => noted.order.length > 0);
		noted.health = 503;
		await isUp(gate, 'recorder', false);
		await isSpared(clients);
		noted.health = 200;
		await isUp(gate, 'recorder', true);

		noted.health = 0;
		noted.checks = 0;
		await until('six checks without an answer', 30000, () => noted.checks >= 6);
		assert.equal(await ofUpstream(gate, 'up', 'recorder'), 1, 'it is only late');
		await clients.stop();
		await isUp(gate, 'recorder', false);
		const later = await load(gate, 4);
		await isSpared(later);
		noted.health = 200;
		await isUp(gate, 'recorder', true);
		await until('it to be asked', 30000, () => noted.order.length > 0);
		await later.stop();
		assert.equal(clients.failed().length + later.failed().length, 0);
		assert.equal(await ofUpstream(gate, 'outages_total', 'recorder'), 2);
		assert.equal(await ofUpstream(gate, 'outages_total', 'b'), 0);
	});
});

/* One payer has twenty requests in line; another comes with one, which goes second at the latest. */
test('a payer with many in line delays one with few by one', async () => {
	await among(['recorder'], { upstream: { in_flight: 1 } }, async (gate) => {
		const [greedy, modest] = [await world.chain.payer(), await world.chain.payer()];
		const payments = await Promise.all(Array.from({ length: 21 }, () => made(greedy)));
		const own = await made(modest);
		noted.order.length = 0;
		const many = [askPaid(gate.chat, payments[0], by('first', 1500))];
		await until('it to be at the model', 30000, () => noted.order.length === 1);
		many.push(...payments.slice(1).map((payload) => askPaid(gate.chat, payload, by('greedy', 10))));
		await until('twenty to be in line', 30000, async () => (await gate.metric('tollbar_queue_requests')) === 20);
		assert.equal(noted.order.length, 1, 'the first is still there');
		assert.equal((await askPaid(gate.chat, own, by('modest', 10))).status, 200);
		for (const answer of await Promise.all(many)) assert.equal(answer.status, 200);
		assert.ok(noted.order.indexOf('modest') <= 2, noted.order.join(' '));
		assert.equal(await charged(greedy), 21n * AMOUNT);
	});
});

test('a full line has a seat for a payer who has fewer, and who gives it up is not charged', async () => {
	await among(['b'], { upstream: { in_flight: 1 }, node: { queue_requests: 4 } }, async (gate) => {
		const [greedy, modest] = [await world.chain.payer(), await world.chain.payer()];
		const payments = await Promise.all(Array.from({ length: 5 }, () => made(greedy)));
		const own = await made(modest);
		const many = payments.map((payload) => askPaid(gate.chat, payload, slow(400)));
		await until('the line to be full', 30000, async () => (await gate.metric('tollbar_queue_requests')) === 4);
		assert.equal((await askPaid(gate.chat, own)).status, 200);
		const answers = await Promise.all(many);
		const refused = answers.flatMap(({ status }, i) => (status === 200 ? [] : [i]));
		assert.equal(refused.length, 1);
		assert.equal(answers[refused[0]].reason, 'queue_full');
		assert.ok(Number(answers[refused[0]].headers.get('retry-after')) > 0);
		assert.equal(await gate.metric('tollbar_queue_displaced_total'), 1);
		assert.equal((await askPaid(gate.chat, payments[refused[0]])).status, 200, 'the payment was not burned');
		assert.equal(await charged(greedy), 5n * AMOUNT);
	});
});

test('a high priority goes before a low one, which still has its turn', async () => {
	const more = { upstream: { in_flight: 1 }, offers: { 'offer permit2': { priority: 'high' }, 'offer eip3009': { priority: 'low' } } };
	await among(['recorder'], more, async (gate) => {
		const payer = await world.chain.payer();
		const pay = (method, cnt) => Promise.all(Array.from({ length: cnt }, () => payment(world.offer(method), payer)));
		const [low, high] = [await pay('eip3009', 5), await pay('permit2', 12)];
		const ask = async (who, payload, ms) => assert.equal((await askPaid(gate.chat, payload, by(who, ms))).status, 200);
		noted.order.length = 0;
		const first = ask('first', low.pop(), 2000);
		await until('it to be at the model', 30000, () => noted.order.length === 1);
		const all = [...low.map((one) => ask('low', one, 10)), ...high.map((one) => ask('high', one, 10)), first];
		await until('all others to be in line', 30000, async () => (await gate.metric('tollbar_queue_requests')) === 16);
		assert.equal(noted.order.length, 1, 'the first is still there');
		await Promise.all(all);
		const highs = (n) => Array(n).fill('high');
		assert.deepEqual(noted.order, ['first', ...highs(8), 'low', ...highs(4), 'low', 'low', 'low']);
	});
});

await run({
	before: async () => {
		world = await startWorld();
		others = [await startUpstream(), await startUpstream()];
		noted = await recorder();
		nobody = { url: `http://127.0.0.1:${await freePort()}` };
	},
	after: async () => {
		for (const one of others ?? []) await one.stop();
		noted?.stop();
		await hung?.stop();
		await world?.stop();
	},
});
