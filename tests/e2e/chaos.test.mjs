// SPDX-License-Identifier: Apache-2.0
// Model server, facilitator, node and disk fail in turn, under load: every request ends in a served answer or a reason, nothing
// hangs, and once the fault is over the same process serves as before.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, run, Skip, test } from './lib/check.mjs';
import { faults, startFacilitator } from './lib/facilitator.mjs';
import { startChain } from './lib/chain.mjs';
import { challenge } from './lib/payment.mjs';
import { atExit, built, scratch, start } from './lib/process.mjs';
import { nodeFaults, startNode } from './lib/rpc.mjs';
import { startTollbar } from './lib/tollbar.mjs';
import { startTraffic } from './lib/traffic.mjs';
import { startUpstream } from './lib/upstream.mjs';
import { sleep, until } from './lib/wait.mjs';
import { BODY } from './lib/world.mjs';

const RATE = 8; /* requests a second: a chain and a facilitator of npm are beside it */
const FAULT_MS = 2500;
const GOOD = ['exact', 'permit2', 'upto', 'exact, streamed', 'upto, streamed', 'free'];
const timeouts = { connect_ms: 500, first_byte_ms: 1500, token_ms: 1500, total_ms: 6000, settle_ms: 3000, queue_ms: 3000, drain_ms: 30000 };
let chain, node, upstream, facilitator, gate, traffic;

/* Load for so long; → the outcomes. */
async function load(ms) {
	const end = Date.now() + ms;
	const all = [];
	for (let i = 0; Date.now() < end; i++) {
		all.push(traffic.run(GOOD[i % GOOD.length]));
		await sleep(1000 / RATE);
	}
	return Promise.all(all);
}

/* Nothing is left of what went wrong, and whoever pays is served. */
async function well() {
	await until('requests to be over', 30_000, async () => (await gate.metric('tollbar_requests_in_flight')) === 0);
	await until('an answer of each kind', 60_000, async () => {
		const answers = await Promise.all(GOOD.map((kind) => traffic.run(kind)));
		return answers.every(({ status }) => status === 200);
	});
}

/* reasons: what may be said while a part fails, and one of them is; unless: what may be, where the machine is slow; anything else
 * is a mistake.  wrong: begins the fault. */
async function through({ wrong, right, reasons, unless = [], streams = false }) {
	const pid = gate.daemon.child.pid;
	await wrong();
	let answers;
	try {
		answers = await load(FAULT_MS);
	} finally {
		await right();
	}
	for (const { status, reason, complete, late, text } of answers) {
		const about = `${status} ${reason} ${text.slice(0, 200)}`;
		assert.ok(!late, `never answered: ${about}`);
		assert.ok(status !== 0, 'the connection ended without a word');
		/* the model server's own error is passed on */
		if (status !== 200) assert.ok([...reasons, ...unless].includes(reason) || (status === 500 && /stand_in_error/.test(text)), about);
		else assert.ok(complete || streams, `cut off: ${about}`);
	}
	const failed = answers.filter(({ status, complete }) => status !== 200 || !complete).length;
	assert.ok(failed > 0 || reasons.length === 0, 'the fault was not felt');
	await well();
	assert.ok(gate.running() && gate.daemon.child.pid === pid, 'the same process');
}

const UPSTREAM = ['upstream_down', 'upstream_bad', 'upstream_failed', 'upstream_slow', 'queue_timeout', 'settle_unknown'];
const header = (headers) => ({
	wrong: () => Object.assign(traffic.headers, headers),
	right: () => Object.keys(headers).forEach((name) => delete traffic.headers[name]),
});

test('the model server is killed', () =>
	through({ wrong: () => upstream.stop(), right: () => upstream.start(), reasons: UPSTREAM, streams: true }));
test('the model server stands still', () =>
	through({ wrong: () => upstream.signal('SIGSTOP'), right: () => upstream.signal('SIGCONT'), reasons: UPSTREAM, streams: true }));
for (const fault of ['500', 'garbage', 'hang', 'reset-mid', 'huge-head'])
	test(`the model server: ${fault}`, () => through({ ...header({ 'x-fault': fault }), reasons: UPSTREAM, streams: true }));
test('the model server is slow', () => through({ ...header({ 'x-delay-ms': '700' }), reasons: [] }));

const fails = (fault) => ({
	wrong: () => {
		facilitator.fault = fault;
	},
	right: () => {
		facilitator.fault = undefined;
	},
});
test('the facilitator is down', () =>
	through({ wrong: () => facilitator.stop(), right: () => facilitator.start(), reasons: ['settle_unknown'] }));
const unanswered = { errors: faults.status(500), nonsense: faults.nonsense(), silence: faults.hang(), resets: faults.reset() };
for (const [name, fault] of Object.entries(unanswered))
	test(`the facilitator: ${name}`, () => through({ ...fails(fault), reasons: ['settle_unknown'] }));
/* it answers one after the other, while it is asked again about what the faults before left open */
test('the facilitator is slow', () => through({ ...fails(faults.delay(100)), reasons: [], unless: ['settle_unknown'] }));

const CHAIN = ['chain_down'];
const asks = (fault) => ({
	wrong: () => {
		node.fault = fault;
	},
	right: () => {
		node.fault = undefined;
	},
});
test('the node of the chain is down', () => through({ wrong: () => node.stop(), right: () => node.start(), reasons: CHAIN }));
test('the node: nonsense', () => through({ ...asks(nodeFaults.nonsense()), reasons: CHAIN }));
test('the node: silence', () => through({ ...asks(nodeFaults.silent()), reasons: CHAIN }));
test('the node is slow', () => through({ ...asks(nodeFaults.slow(200)), reasons: [] }));

test('all at once', () =>
	through({
		wrong: async () => {
			await node.stop();
			facilitator.fault = faults.reset();
			await upstream.stop();
		},
		right: async () => {
			await upstream.start();
			facilitator.fault = undefined;
			await node.start();
		},
		reasons: [...UPSTREAM, ...CHAIN],
		streams: true,
	}));

test('in the end all is settled, or given back', async () => {
	/* What is in doubt is asked about ever more seldom, until its deadline at last: that all of it ends takes minutes, that it goes on
	 * does not. */
	await until('the last debt to be asked about', 30_000, async () => {
		const { claims } = await (await fetch(`${gate.adminUrl}/status`)).json();
		return claims.taken + claims.forwarded + claims.owed === 0;
	});
	const settled = () => gate.metric('tollbar_claims_ended_total{outcome="settled"}');
	const before = await settled();
	await until('what was in doubt to be settled', 60_000, async () => {
		const unknown = await gate.metric('tollbar_claims{state="unknown"}');
		return unknown === 0 || (await settled()) > before;
	});
	const { requests } = await (await fetch(`${gate.adminUrl}/status`)).json();
	assert.equal(requests.begun, requests.ended.answered + requests.ended.refused + requests.ended.left);
	assert.ok(!/event=(assert|crash)/.test(gate.log()), gate.log().slice(-2000));
});

/* --- the disk --- */

/* A small file system of its own, on which the ledger is; → { path, fill(), empty(), stop() }. */
function smallDisk() {
	const folder = scratch('disk');
	if (process.getuid() !== 0 || spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', folder.path]).status !== 0)
		throw new Skip('a file system of its own needs root');
	const unmount = () => spawnSync('umount', ['-l', folder.path]);
	const forget = atExit(unmount);
	const ballast = join(folder.path, 'ballast');
	return {
		path: folder.path,
		fill: () => {
			const { bavail, bsize } = statfsSync(folder.path);
			writeFileSync(ballast, Buffer.alloc(bavail * bsize));
		},
		empty: () => rmSync(ballast, { force: true }),
		stop: () => {
			unmount();
			forget();
		},
	};
}

/* Paid requests as fast as they are answered, for so long; → how many got which status. */
function burst(url, key, seconds) {
	const args = ['--connections', '8', '--seconds', String(seconds), '--pay', '4000', '--key', key, '--method', 'upto', '--data', BODY, url];
	const said = spawnSync(built('tests/tools/load'), args, { encoding: 'utf8', timeout: 120_000 }).stdout;
	return Object.fromEntries([...said.matchAll(/^(\S+) ([\d.]+)$/gm)].map(([, name, value]) => [name, Number(value)]));
}

test('the disk is full, and has room again', async () => {
	const disk = smallDisk();
	const folder = scratch('chaos');
	let stand, small;
	try {
		const key = join(folder.path, 'key');
		writeFileSync(key, `0x${'42'.repeat(32)}\n`, { mode: 0o600 });
		const portFile = join(folder.path, 'port');
		stand = start(built('tests/tools/facilitator'), ['--port', '0', '--port-file', portFile]);
		const port = await until('the stand-in facilitator', 30_000, () => {
			try {
				return Number(execFileSync('cat', [portFile], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
			} catch {
				return 0;
			}
		});
		mkdirSync(join(disk.path, 'state'), { mode: 0o700 });
		small = await startTollbar({
			chain,
			upstream,
			facilitator: { url: `http://127.0.0.1:${port}` },
			more: { node: { state: join(disk.path, 'state'), ledger_bytes: '256M', log: 'warn' }, timeouts },
		});
		const pid = small.daemon.child.pid;
		const before = burst(small.chat, key, 1);
		assert.ok(before.ok > 0 && before.ok === before.completed, JSON.stringify(before));
		disk.fill();
		await until('the ledger to notice', 60_000, () => {
			const full = burst(small.chat, key, 1);
			assert.equal(full.errors, 0, JSON.stringify(full));
			assert.equal(full.completed, full.ok + (full.status_503 ?? 0) + (full.status_502 ?? 0), JSON.stringify(full));
			return full.status_503 > 0;
		});
		assert.ok((await small.refused('store_down')) > 0);
		assert.equal((await fetch(`${small.url}/v1/models`)).status, 200, 'what is free is served all the same');
		disk.empty();
		await until('payments to be taken again', 30_000, () => {
			const after = burst(small.chat, key, 1);
			return after.ok > 0 && after.ok === after.completed;
		});
		assert.ok(small.running() && small.daemon.child.pid === pid, 'the same process');
		assert.deepEqual(await small.stop('SIGTERM', 30_000), { code: 0, signal: null }, small.log().slice(-2000));
	} finally {
		await small?.stop('SIGKILL');
		await stand?.stop();
		disk.stop();
	}
});

await run({
	before: async () => {
		chain = await startChain();
		node = await startNode(chain);
		upstream = await startUpstream();
		facilitator = await startFacilitator(chain);
		gate = await startTollbar({
			chain,
			upstream,
			facilitator,
			more: {
				node: { log: 'warn' },
				timeouts,
				facilitator: { timeout_ms: 1000 },
				filter: { penalty_failures: 0 },
				'chain test': { network: `eip155:${chain.chainId}`, rpc: node.url, timeout_ms: 500, funds: 'strict', confirmations: 0 },
			},
		});
		const { offer } = await challenge(gate.chat, BODY);
		const payers = [];
		for (let i = 0; i < 4; i++) payers.push(await chain.payer());
		traffic = await startTraffic({ url: gate.url, offer, payers });
	},
	after: async () => {
		upstream?.signal('SIGCONT');
		for (const part of [gate, upstream, facilitator, node, chain]) await part?.stop();
	},
});
