// SPDX-License-Identifier: Apache-2.0
// Mixed traffic for minutes, at a rate that leaves the machine to others: memory and descriptors stay what they were, and what
// came in is accounted for at every level: packets, requests, datagrams, claims, settlements, lines of the access log.
//   SOAK_SECONDS  how long (120)      SOAK_RATE  requests a second (30)
// As root, from one network namespace to another, through the filter; otherwise by the loopback, and no packet is counted.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, run, Skip, test } from './lib/check.mjs';
import { CHAT_ROUTE } from './lib/native.mjs';
import { challenge } from './lib/payment.mjs';
import { atExit, built, scratch, start } from './lib/process.mjs';
import { configuration, freePort } from './lib/tollbar.mjs';
import { DRAWN, startTraffic } from './lib/traffic.mjs';
import { sleep, until } from './lib/wait.mjs';
import { BODY } from './lib/world.mjs';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 120);
const RATE = Number(process.env.SOAK_RATE ?? 30);
const AT_ONCE_MAX = 200; /* when the machine is busy, fewer come, not more at a time */
const WARM = 16000; /* free requests first, which use each receive buffer of a ring once: 4,096 pages a worker */
const NAME = process.env.SOAK_NAMESPACES;
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/* Nothing of these exists: the facilitator here asks no chain. */
const chain = {
	token: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
	tokenName: 'USDC',
	tokenVersion: '2',
	payTo: '0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025',
	facilitator: { address: '0x1111111111111111111111111111111111111111' },
};

/* As root: two namespaces, and this program again in the client's. */
if (NAME === undefined && process.getuid() === 0) {
	const name = `tbsoak-${process.pid}`;
	const netns = (verb) => execFileSync(join(root, 'scripts/netns.sh'), [verb, name], { stdio: ['ignore', 'inherit', 'inherit'] });
	netns('up');
	const again = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
	const inside = spawn('nsenter', [`--net=/run/netns/${name}-client`, ...again], {
		stdio: ['ignore', 'inherit', 'inherit'],
		env: { ...process.env, SOAK_NAMESPACES: name },
	});
	for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => inside.kill('SIGTERM'));
	const code = await new Promise((done) => inside.once('close', (status) => done(status ?? 1)));
	netns('down');
	process.exit(code);
}

const within = NAME ? ['nsenter', `--net=/run/netns/${NAME}-node`] : [];
function onNode(...command) {
	const [program, ...args] = [...within, ...command];
	return execFileSync(program, args, { encoding: 'utf8' });
}
const host = NAME ? '10.77.0.1' : '127.0.0.1';
let folder, gate, upstream, facilitator, traffic, packetsBefore;

async function helper(tool, ...more) {
	const file = join(folder.path, tool);
	const child = start(built(`tests/tools/${tool}`), ['--port', '0', '--port-file', file, ...more], { within });
	const port = await until(`${tool} to listen`, 30_000, () => {
		assert.ok(child.running(), child.output);
		try {
			return Number(readFileSync(file, 'utf8'));
		} catch {
			return 0;
		}
	});
	return { child, url: `http://127.0.0.1:${port}` };
}
/* Both listen on the node's loopback: they are asked from there. */
const statsOf = (tool) => JSON.parse(onNode('curl', '-sf', '-m', '10', `${tool.url}/stats`));

async function startGate() {
	const [port, adminPort, nativePort] = [await freePort(host === '10.77.0.1' ? '10.77.0.2' : host), await freePort(), 18403];
	const state = join(folder.path, 'state');
	const file = join(folder.path, 'conf');
	const access = join(folder.path, 'access');
	mkdirSync(state, { mode: 0o700 });
	/* Tables are made for the most there may be and touched as they are used; small ones have been used whole in a minute, so that
	 * what grows after that is not one of them. */
	const small = {
		connections: 64,
		claims: 4096 * Math.ceil(RATE / 30),
		sessions: 64,
		signer_cache_bytes: '1M',
		body_bytes_max: '64K',
		response_bytes_max: '64K',
		queue_bytes: '1M',
		queue_requests: 64,
	};
	const more = {
		node: { ...small, workers: 2, ledger_bytes: '512M', log: 'info', access_log: access, ...(NAME ? { interface: 'node0' } : {}) },
		filter: { penalty_failures: 0 } /* all come from one address here */,
		'offer upto': { max_timeout_s: 120 },
		native: { listen: `${host}:${nativePort}`, requests: 64, results: 64, results_bytes: '4M', keep_s: 5 },
		'route chat': { native: CHAT_ROUTE },
		'route drawn': { match: `POST ${DRAWN}`, offers: 'upto', upstream: 'model', session: 'on', session_idle_s: 2 },
	};
	const [listen, admin] = [`${host}:${port}`, `${host}:${adminPort}`];
	writeFileSync(file, configuration({ chain, listen, admin, state, upstreamUrl: upstream.url, facilitatorUrl: facilitator.url, more }));
	if (NAME) {
		onNode(built('tollbar'), 'attach', 'node0');
		packetsBefore = received();
	}
	const daemon = start(built('tollbar'), ['run', '-c', file], { within });
	const self = { url: `http://${host}:${port}`, daemon, access, nativePort, state };
	self.status = async () => (await fetch(`http://${host}:${adminPort}/status`)).json();
	await until('the daemon to be ready', 30_000, async () => {
		assert.ok(daemon.running(), daemon.output);
		return fetch(`http://${host}:${adminPort}/readyz`).then(
			(r) => r.ok,
			() => false,
		);
	});
	return self;
}

/* What the interface itself counted: another witness than the filter. */
const received = () => JSON.parse(onNode('ip', '-j', '-s', 'link', 'show', 'node0'))[0].stats64.rx.packets;

const sum = (object) => Object.values(object).reduce((a, b) => a + b, 0);

function look() {
	const pid = gate.daemon.child.pid;
	const memory = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^RssAnon:\s+(\d+) kB/m)[1];
	return { kib: Number(memory), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

const pending = (claims) => claims.taken + claims.forwarded + claims.owed + claims.settling + claims.unknown;

/* Until everything that was begun is over, and every session and settlement with it. */
const quiet = () =>
	until('all to be over', 60_000, async () => {
		const { requests, claims, results } = await gate.status();
		return requests.in_flight === 0 && pending(claims) === 0 && results.running === 0;
	});

function warm() {
	const args = ['--connections', '16', '--requests', String(WARM), `${gate.url}/v1/models`];
	const said = execFileSync(built('tests/tools/load'), args, { encoding: 'utf8' });
	assert.match(said, new RegExp(`^ok ${WARM}$`, 'm'));
}

/* Requests by turns, each kind as often as the others, at RATE for so long. */
let broken;
async function drive(ms) {
	const end = Date.now() + ms;
	const open = new Set();
	for (let i = 0; Date.now() < end; i++) {
		if (open.size < AT_ONCE_MAX) {
			const one = traffic.run(traffic.kinds[i % traffic.kinds.length]).catch((error) => {
				broken ??= error;
			});
			open.add(one);
			one.finally(() => open.delete(one));
		}
		await sleep(1000 / RATE);
	}
	await Promise.all(open);
}

const samples = [];
test(
	'traffic',
	async () => {
		warm();
		await drive(SECONDS * 250); /* every table, cache and buffer has been used once */
		await quiet();
		samples.push(look());
		for (let i = 0; i < 3; i++) {
			await drive(SECONDS * 250);
			await quiet();
			samples.push(look());
		}
		if (broken) throw broken;
		const { requests } = await gate.status();
		const { answered, refused, left } = requests.ended;
		console.log(`    ${requests.begun} requests: ${answered} answered, ${refused} refused, ${left} left`);
		console.log(`    ${samples.map(({ kib, descriptors }) => `${kib} KiB ${descriptors} fd`).join(', ')}`);
	},
	(SECONDS + 300) * 1000,
);

test('every request got an answer or a reason, and of the kind that it deserves', () => {
	const always = {
		unpaid: 'payment_missing',
		'not a payment': 'payment_field',
		'not base64': 'payment_base64',
		'not JSON': 'payment_json',
		'signature of another': 'signature_bad',
		'too little': 'amount_wrong',
		expired: 'expired',
		'no such route': 'route_unknown',
		'no such method': 'method_wrong',
		'not HTTP': 'http_bad',
		'a head too large': 'http_large',
		'body that is no JSON': 'body_bad',
	};
	const good = ['exact', 'permit2', 'upto', 'exact, streamed', 'upto, streamed', 'free', 'native', 'slow to read'];
	for (const [name, of] of traffic.seen) {
		const about = `${name}: ${JSON.stringify({ ...of, refused: [...of.refused] })}`;
		assert.ok(of.sent > 0, about);
		assert.equal(of.late, 0, about);
		if (always[name]) assert.deepEqual([...of.refused], [[always[name], of.sent]], about);
		if (good.includes(name)) assert.equal(of.answered, of.sent, about);
		if (!name.startsWith('left') && !name.startsWith('the model')) assert.equal(of.nothing, 0, about);
	}
	const twice = traffic.seen.get('paid twice');
	assert.equal(twice.answered, twice.sent / 2);
	assert.deepEqual([...twice.refused.keys()], ['replayed']);
});

test('memory stays flat', () => {
	const grown = samples.slice(1).map(({ kib }, i) => kib - samples[i].kib);
	/* what is sized at start is touched page by page as it is used: ever less of it, and never much */
	assert.ok(grown[2] <= 512, `grew by ${grown} KiB, a quarter of the time each`);
});

test('descriptors stay the same', () => {
	const all = samples.map(({ descriptors }) => descriptors);
	assert.ok(Math.max(...all) - Math.min(...all) <= 8, `${all} at the end of each quarter`);
});

test('requests: in is answered, refused and left, and nothing is in flight', async () => {
	const { requests, native } = await gate.status();
	assert.equal(requests.in_flight, 0);
	assert.equal(requests.begun, requests.ended.answered + requests.ended.refused + requests.ended.left);
	assert.equal(requests.refused_total, requests.ended.refused, JSON.stringify({ requests, native }));
});

test('what clients saw is what the node counted', async () => {
	const { requests } = await gate.status();
	const told = new Map([['payment_missing', 1]]); /* who asked for the offers */
	for (const { refused } of traffic.seen.values()) for (const [reason, cnt] of refused) told.set(reason, (told.get(reason) ?? 0) + cnt);
	let unheard = 0;
	for (const [name, { nothing }] of traffic.seen) if (name.startsWith('left')) unheard += nothing;
	for (const [reason, cnt] of Object.entries(requests.refused)) {
		/* who had his answer begun was not told why it ended, nor who got the model's own error */
		const most = ['client_gone', 'upstream_failed'].includes(reason) ? Infinity : (told.get(reason) ?? 0) + unheard;
		assert.ok(cnt >= (told.get(reason) ?? 0) && cnt <= most, `${reason}: ${cnt} counted, ${told.get(reason)} told`);
	}
	for (const reason of told.keys()) assert.ok(requests.refused[reason] > 0, reason);
	let sent = 0,
		left = 0;
	for (const [name, of] of traffic.seen) {
		sent += of.sent + (name === 'native' ? of.sent : 0); /* a datagram, and who fetches its result */
		if (name.startsWith('left in the head')) left += of.sent;
	}
	assert.equal(requests.begun, sent + 1 + WARM, 'one asked for the offers');
	assert.equal(requests.ended.left, left);
});

test('claims: taken is settled, refused, released and nothing else', async () => {
	const { requests, claims, ledger, facilitator: asked } = await gate.status();
	const ended = ledger.settled + ledger.refused + ledger.unknown + ledger.released;
	assert.equal(requests.claimed, ended + traffic.resumed(), JSON.stringify({ claims, ledger })); /* a session's requests share a claim */
	assert.equal(pending(claims), 0);
	assert.equal(ledger.refused + ledger.unknown, 0);
	assert.equal(ledger.corrupt + ledger.commit_errors, 0);
	for (const { amount } of claims.unsettled) assert.equal(amount, '0');
	const seen = statsOf(facilitator);
	assert.equal(asked.settled, seen.settled, JSON.stringify(seen));
	assert.equal(asked.errors, 0);
});

test('the model server saw what was forwarded', async () => {
	const { requests } = await gate.status();
	const { requests: saw } = statsOf(upstream);
	/* GET /stats and GET /v1/models are not requests to a model there */
	const free = traffic.seen.get('free').sent + WARM;
	assert.ok(saw <= requests.forwarded && saw >= requests.forwarded - free, `${saw} of ${requests.forwarded}`);
});

test('the access log has a line for each request', async () => {
	const { requests } = await gate.status();
	const lines = await until('the last line', 10_000, () => {
		const all = readFileSync(gate.access, 'utf8').trimEnd().split('\n');
		return all.length >= requests.begun && all;
	});
	assert.equal(lines.length, requests.begun);
	const reasons = new Map();
	for (const line of lines) {
		const { reason } = JSON.parse(line);
		if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
	}
	for (const [reason, cnt] of reasons) assert.equal(requests.refused[reason], cnt, reason);
});

test('packets: in is passed, answered and dropped, and all the card received', async () => {
	if (!NAME) throw new Skip('the filter needs root');
	const look = async () => {
		const before = received();
		const { kernel } = await gate.status();
		return { kernel, before, after: received() };
	};
	const { kernel, before, after } = await look();
	assert.equal(kernel.packets, sum(kernel.passed) + sum(kernel.answered) + sum(kernel.dropped), JSON.stringify(kernel));
	assert.ok(kernel.packets_passed > 0);
	const [least, most] = [before - packetsBefore, after - packetsBefore + 64];
	assert.ok(kernel.packets >= least && kernel.packets <= most, `${kernel.packets} counted, ${least} to ${most} received`);
});

test('it ends in order, and starts from its ledger', async () => {
	const { code } = await gate.daemon.stop('SIGTERM', 60_000);
	assert.equal(code, 0, gate.daemon.output.slice(-2000));
	const args = ['ledger', '-d', gate.state, '--json'];
	const summed = JSON.parse(execFileSync(built('tollbar'), args, { encoding: 'utf8', maxBuffer: 1 << 28 }));
	assert.ok(summed.every(({ state }) => /^(settled|released)$/.test(state)));
});

await run({
	before: async () => {
		folder = scratch('soak');
		if (NAME)
			atExit(() => {
				try {
					onNode(built('tollbar'), 'detach', 'node0');
				} catch {
					/* it never came so far */
				}
			});
		upstream = await helper('upstream', '--usage', '1000,500');
		facilitator = await helper('facilitator');
		gate = await startGate();
		const { offer } = await challenge(`${gate.url}/v1/chat/completions`, BODY);
		traffic = await startTraffic({ url: gate.url, offer, host, nativePort: gate.nativePort });
	},
	after: async () => {
		traffic?.close();
		for (const one of [gate?.daemon, upstream?.child, facilitator?.child]) await one?.stop();
	},
});
