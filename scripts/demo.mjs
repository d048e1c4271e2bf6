// SPDX-License-Identifier: Apache-2.0
// The main job, shown: a node behind its XDP filter and a client, joined by veth; traffic of every kind from the client's
// side; one table of what was sent, what became of it and where it was stopped.  Needs root and the built programs.
// Exit status 0 only if every row came out right.  `make demo` runs it.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startChain } from '../tests/e2e/lib/chain.mjs';
import { startFacilitator } from '../tests/e2e/lib/facilitator.mjs';
import { challenge, encode, payment } from '../tests/e2e/lib/payment.mjs';
import { built, scratch, start } from '../tests/e2e/lib/process.mjs';
import { AMOUNT, PRICE, startTollbar } from '../tests/e2e/lib/tollbar.mjs';
import { startUpstream, UPSTREAM_USAGE } from '../tests/e2e/lib/upstream.mjs';
import { until } from '../tests/e2e/lib/wait.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const NAME = 'tollbar-demo',
	NODE_NIC = 'node0',
	CLIENT_NIC = 'client0';
const NODE = '10.77.0.1',
	NODE6 = 'fd77::1',
	LISTED = '10.77.0.2',
	LISTED6 = 'fd77::2',
	UNLISTED = '10.77.0.66';
const FRAMES_EACH = 3;
const BODY = JSON.stringify({ model: 'stand-in', messages: [{ role: 'user', content: 'Say something.' }] });
const BODY_STREAM = JSON.stringify({ ...JSON.parse(BODY), stream: true });
const inClient = ['nsenter', `--net=/run/netns/${NAME}-client`];

function command(program, ...args) {
	const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
	if (status !== 0) throw new Error(`${[program, ...args].join(' ')}: ${error?.message ?? stderr + stdout}`);
	return stdout;
}

// --- outside: make the namespaces, run the rest within the node's, remove everything ---

async function outside() {
	if (process.getuid() !== 0) throw new Error('needs root: network namespaces and XDP');
	const netns = (word) => command(join(here, 'netns.sh'), word, NAME);
	netns('up');
	try {
		/* In a mount namespace of its own: where no bpffs is mounted yet, attaching mounts one, and it shall not stay. */
		const self = [process.execPath, fileURLToPath(import.meta.url), '--inside'];
		/* In a chroot / is no mount point, so its propagation cannot be changed. */
		const unchanged = spawnSync('mountpoint', ['-q', '/']).status === 0 ? [] : ['--propagation', 'unchanged'];
		const inside = spawn('unshare', ['--mount', ...unchanged, 'nsenter', `--net=/run/netns/${NAME}-node`, ...self], {
			stdio: 'inherit',
		});
		for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => inside.kill(signal));
		return await new Promise((done) => inside.on('exit', (code) => done(code ?? 1)));
	} finally {
		netns('down');
	}
}

// --- the client's side ---

function startSender() {
	const [program, ...args] = [...inClient, process.execPath, join(here, '../tests/e2e/lib/sender.mjs')];
	const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
	const waiting = new Map();
	createInterface({ input: child.stdout }).on('line', (line) => {
		const report = JSON.parse(line);
		waiting.get(report.id)(report);
		waiting.delete(report.id);
	});
	child.on('exit', () => {
		for (const done of waiting.values()) done({ status: 0, text: '', error: 'the sender stopped' });
	});
	let last = 0;
	return {
		ask: (job) =>
			new Promise((done) => {
				waiting.set(++last, done);
				child.stdin.write(`${JSON.stringify({ id: last, ...job })}\n`);
			}),
		stop: () =>
			new Promise((done) => {
				child.on('exit', done);
				child.stdin.end();
			}),
	};
}

/* sendFrames: crafted frames from the client's NIC → Map of reason → { kinds, count }. */
function sendFrames(port) {
	const [{ address: mac }] = JSON.parse(command('ip', '-j', 'link', 'show', NODE_NIC));
	const frames = built('tests/tools/frames');
	/* From a listed source, so that only what is wrong with the frame can stop it.  The node serves no UDP port, so UDP is
	   not the filter's business. */
	const names = command(frames, '--list')
		.trim()
		.split('\n')
		.map((row) => row.split(' '))
		.filter(([, reason]) => !['not_allowed', 'udp_length'].includes(reason))
		.map(([kind]) => kind);
	const [program, ...args] = [
		...inClient,
		frames,
		'--interface',
		CLIENT_NIC,
		'--to-mac',
		mac,
		'--to-ip',
		NODE,
		'--to-ip6',
		NODE6,
		'--from-ip',
		LISTED,
		'--from-ip6',
		LISTED6,
		'--port',
		String(port),
		'--count',
		String(FRAMES_EACH),
		...names,
	];
	const sent = new Map();
	for (const [, kind, count, reason] of command(program, ...args).matchAll(/^sent (\S+) (\d+) expect (\S+)$/gm)) {
		const group = sent.get(reason) ?? { kinds: [], count: 0 };
		sent.set(reason, { kinds: [...group.kinds, kind], count: group.count + Number(count) });
	}
	return sent;
}

// --- the table ---

const rows = [];

function row(sent, became, stopped, right) {
	rows.push({ sent, became, stopped, right });
}

function printTable() {
	const all = [{ sent: 'sent', became: 'what became of it', stopped: 'stopped by', right: true }, ...rows];
	const width = (key) => Math.max(...all.map((one) => one[key].length));
	const [a, b, c] = [width('sent'), width('became'), width('stopped')];
	const print = (one, mark) =>
		console.log(`${one.sent.padEnd(a)}  ${one.became.padEnd(b)}  ${one.stopped.padEnd(c)}  ${mark}`);
	print(all[0], '');
	console.log('-'.repeat(a + b + c + 10));
	for (const one of rows) print(one, one.right ? 'ok' : 'WRONG');
}

// --- the rows ---

async function paidRows({ chain, gate, sender, folder }) {
	const used =
		(BigInt(UPSTREAM_USAGE.prompt) * PRICE.input + BigInt(UPSTREAM_USAGE.completion) * PRICE.output) / 1_000_000n;
	const check = async (label, payer, cost, served, detail) => {
		const taken = async () => 1_000_000_000n - (await chain.balance(payer.address));
		await until('the settlement', 10000, async () => (await taken()) > 0n).catch(() => {});
		row(label, `${detail}; ${await taken()} moved on chain`, '-', served && (await taken()) === cost);
	};

	const first = await chain.payer();
	const key = join(folder.path, 'key');
	writeFileSync(key, `${first.key}\n`, { mode: 0o600 });
	const paying = start(built('tollbar'), ['pay', '--key', key, '--data', BODY, gate.chat], { within: inClient });
	const { code } = await paying.exited;
	const answered = code === 0 && /"choices"/.test(paying.output);
	await check(
		'paid, exact by EIP-3009 (tollbar pay)',
		first,
		AMOUNT,
		answered,
		answered ? '200' : `exit status ${code}`,
	);
	if (!answered) console.log(paying.output);

	const second = await chain.payer();
	const answer = await sender.ask({ kind: 'pay', key: second.key, method: 'permit2', url: gate.chat, body: BODY });
	await check(
		'paid, exact by Permit2 (@x402/fetch)',
		second,
		AMOUNT,
		answer.status === 200 && /"choices"/.test(answer.text),
		`${answer.status}`,
	);

	const third = await chain.payer();
	const stream = await sender.ask({ kind: 'pay', key: third.key, method: 'upto', url: gate.chat, body: BODY_STREAM });
	await check(
		'paid, upto, streamed (@x402/fetch)',
		third,
		used,
		stream.status === 200 && /\[DONE\]/.test(stream.text),
		`${stream.status}, ${stream.events} events`,
	);
}

async function refusedRow({ gate, sender, upstream }, label, reason, status, headers) {
	const counter = await gate.refused(reason),
		{ requests } = await upstream.stats();
	const answer = await sender.ask({
		kind: 'send',
		url: gate.chat,
		headers: { 'content-type': 'application/json', ...headers },
		body: BODY,
	});
	const body = JSON.parse(answer.text || '{}');
	const word = body.reason ?? body.error?.code;
	const right =
		answer.status === status
		&& word === reason
		&& (await gate.refused(reason)) === counter + 1
		&& (await upstream.stats()).requests === requests;
	row(label, answer.error ?? `${answer.status}`, `daemon: ${word}`, right);
}

async function refusedRows(demo) {
	const { chain, offer } = demo;
	const payer = await chain.payer();
	const signed = (made) => ({ 'PAYMENT-SIGNATURE': encode(made) });
	await refusedRow(demo, 'unpaid', 'payment_missing', 402, {});

	const good = await payment(offer('eip3009'), payer);
	const signature = good.payload.signature.replace(/^0x(.)/, (_, digit) => `0x${digit === '1' ? '2' : '1'}`);
	await refusedRow(
		demo,
		'bad signature',
		'signature_bad',
		402,
		signed({ ...good, payload: { ...good.payload, signature } }),
	);

	const once = await demo.sender.ask({
		kind: 'send',
		url: demo.gate.chat,
		headers: { 'content-type': 'application/json', ...signed(good) },
		body: BODY,
	});
	row('the same payment with its own signature', `${once.status}`, '-', once.status === 200);
	await refusedRow(demo, 'replay of that payment', 'replayed', 402, signed(good));

	const overrides = { validBefore: String(Math.floor(Date.now() / 1000) - 1) };
	await refusedRow(demo, 'expired', 'expired', 402, signed(await payment(offer('eip3009'), payer, { overrides })));
}

async function kernelRows({ gate, sender }) {
	const { port } = new URL(gate.url);
	const { dropped } = gate;
	const before = await gate.metrics();
	for (const [reason, { kinds, count }] of sendFrames(port)) {
		const was = before.get(`tollbar_packets_total{reason="${reason}",verdict="drop"}`) ?? 0;
		await until('the frames to arrive', 2000, async () => (await dropped(reason)) - was >= count).catch(() => {});
		const stopped = (await dropped(reason)) - was;
		row(
			`malformed frames: ${kinds.join(', ')}`,
			`${stopped} of ${count} dropped`,
			`kernel: ${reason}`,
			stopped === count,
		);
	}

	const was = await dropped('not_allowed');
	const answer = await sender.ask({
		kind: 'send',
		url: gate.chat,
		headers: {},
		body: BODY,
		from: UNLISTED,
		ms: 1500,
	});
	const stopped = (await dropped('not_allowed')) - was;
	row(
		`an unlisted source (${UNLISTED})`,
		answer.status === 0 ? `${stopped} SYN dropped, ${answer.error}` : `${answer.status}`,
		'kernel: not_allowed',
		answer.status === 0 && stopped > 0,
	);
}

/* `ip` says mode 1 for a program in the driver, 2 for one on socket buffers. */
function isNative() {
	const [{ xdp }] = JSON.parse(command('ip', '-j', '-d', 'link', 'show', NODE_NIC));
	console.log(`filter on ${NODE_NIC}: ${xdp?.mode === 1 ? 'native XDP' : JSON.stringify(xdp ?? 'none')}\n`);
	return xdp?.mode === 1;
}

/* status: the line of `tollbar status` that says how much of the wait was ours. */
function overhead(gate) {
	const line = command(built('tollbar'), 'status', '-a', new URL(gate.adminUrl).host)
		.split('\n')
		.find((one) => one.startsWith('overhead:'));
	console.log(line ?? 'tollbar status has no overhead line');
	return line !== undefined;
}

async function show(demo) {
	await paidRows(demo);
	await refusedRows(demo);
	await kernelRows(demo);
	printTable();
	const { requests } = await demo.upstream.stats();
	const served = rows.filter(({ stopped }) => stopped === '-').length;
	console.log(`\nthe model ran ${requests} times for ${served} paid requests`);
	return overhead(demo.gate) && requests === served && rows.every((one) => one.right);
}

/* Started in order, stopped in the opposite order, also when a later one fails to start. */
async function inside() {
	const folder = scratch('demo'),
		parts = [];
	const started = async (part) => {
		parts.push(await part);
		return parts.at(-1);
	};
	let right = false;
	try {
		const chain = await started(startChain());
		const facilitator = await started(startFacilitator(chain));
		const upstream = await started(startUpstream());
		command(built('tollbar'), 'attach', NODE_NIC);
		await started({ stop: () => command(built('tollbar'), 'detach', NODE_NIC) });
		const native = isNative();
		const allow = join(folder.path, 'allow');
		writeFileSync(allow, `${LISTED}/32\n${LISTED6}/128\n`);
		const gate = await started(
			startTollbar({
				chain,
				facilitator,
				upstream,
				host: NODE,
				more: { node: { interface: NODE_NIC }, filter: { mode: 'allow', allow, penalty_failures: 0 } },
			}),
		);
		const sender = await started(startSender());
		const { offer } = await challenge(gate.chat, BODY);
		right = (await show({ chain, gate, upstream, sender, folder, offer })) && native;
	} finally {
		for (const part of parts.reverse()) await part.stop();
	}
	console.log(right ? 'demo: every row came out right' : 'demo: WRONG');
	return right ? 0 : 1;
}

process.exit(await (process.argv[2] === '--inside' ? inside() : outside()));
