// SPDX-License-Identifier: Apache-2.0
// tollbar doctor: what is sound is said to be, and each thing that is broken is found, with what to do about it.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { CHAIN_ID } from './lib/chain.mjs';
import { assert, run, test } from './lib/check.mjs';
import { built, scratch, start } from './lib/process.mjs';
import { freePort } from './lib/tollbar.mjs';
import { startWorld } from './lib/world.mjs';

let world, folder;

/* Asynchronous, since some of those it asks live in this process. */
async function doctor(...args) {
	const child = start(built('tollbar'), ['doctor', '--json', ...args]);
	const { code } = await child.exited;
	const report = JSON.parse(child.output);
	for (const { state, text, remedy } of report.checks) assert.equal(remedy === null, state === 'ok', text);
	for (const state of ['ok', 'warn', 'bad'])
		assert.equal(report[state], report.checks.filter((check) => check.state === state).length, state);
	assert.equal(code, report.bad > 0 ? 1 : 0);
	return report;
}

const of = ({ checks }, area, state) => checks.filter((check) => check.area === area && (!state || check.state === state));
const finds = (report, area, state, pattern) =>
	assert.ok(
		of(report, area, state).some(({ text }) => pattern.test(text)),
		`no ${state} ${area} like ${pattern} in ${JSON.stringify(report.checks, null, 1)}`,
	);

/* The world's configuration with some lines changed. */
function changed(changes, name = 'changed.conf') {
	let text = readFileSync(world.gate.file, 'utf8');
	for (const [from, to] of changes) {
		assert.match(text, from);
		text = text.replace(from, to);
	}
	const file = join(folder.path, name);
	writeFileSync(file, text, { mode: 0o600 });
	return file;
}

/* A server that answers everything alike, until `body` is over. */
async function beside({ status = 200, text = '{}', headers = {} }, body) {
	const server = createServer((_, response) => response.writeHead(status, headers).end(text));
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	try {
		await body(`http://127.0.0.1:${server.address().port}`);
	} finally {
		server.closeAllConnections();
		await new Promise((done) => server.close(done));
	}
}

test('all is well', async () => {
	const report = await doctor('-c', world.gate.file);
	assert.equal(report.bad, 0, JSON.stringify(report.checks.filter(({ state }) => state === 'bad')));
	finds(report, 'daemon', 'ok', /is ready/);
	finds(report, 'upstream', 'ok', /1 models, the first is stand-in/);
	assert.equal(of(report, 'facilitator', 'ok').length, 3, 'one for each offer');
	finds(report, 'chain', 'ok', new RegExp(`eip155:${CHAIN_ID}`));
	assert.equal(of(report, 'clock', 'ok').filter(({ text }) => /agrees/.test(text)).length >= 1, true);
	finds(report, 'disk', 'ok', /owner's alone/);
});

test('nobody is asked when told so', async () => {
	const report = await doctor('--offline', '-c', changed([[/^admin = .*$/m, `admin = 127.0.0.1:${await freePort()}`]]));
	for (const area of ['daemon', 'upstream', 'facilitator', 'chain']) assert.equal(of(report, area).length, 0, area);
	assert.equal(report.bad, 0);
});

test('a configuration with mistakes: all of them', async () => {
	const file = changed([
		[/^listen = .*$/m, 'listen = nowhere'],
		[/^amount = .*$/m, 'amount = much'],
	]);
	const report = await doctor('-c', file);
	finds(report, 'config', 'bad', /listen = nowhere/);
	finds(report, 'config', 'bad', /amount = much/);
	assert.ok(of(report, 'kernel').length > 0, 'the machine is looked at all the same');
});

test('no configuration', async () => {
	finds(await doctor('-c', join(folder.path, 'none')), 'config', 'bad', /No such file/);
});

test('no daemon: its ports are tried', async () => {
	const listen = world.gate.url.replace('http://', '');
	const file = changed([
		[/^admin = .*$/m, `admin = 127.0.0.1:${await freePort()}`],
		[/^listen = .*$/m, `listen = ${listen}\nlisten = 192.0.2.1:8402\nlisten = 127.0.0.1:${await freePort()}`],
	]);
	const report = await doctor('-c', file);
	finds(report, 'daemon', 'warn', /none answers/);
	finds(report, 'daemon', 'bad', new RegExp(`${listen}: Address already in use`));
	finds(report, 'daemon', 'bad', /192\.0\.2\.1:8402: Cannot assign/);
	finds(report, 'daemon', 'ok', /is free to listen on/);
});

test('model servers that are not there, lock one out, fail, or are something else', async () => {
	const to = (url) => changed([[/^url = .*:\d+$/gm, (line) => (line.endsWith(`:${world.upstream.port}`) ? `url = ${url}` : line)]]);
	finds(await doctor('-c', to(`http://127.0.0.1:${await freePort()}`)), 'upstream', 'bad', /nobody listens/);
	await beside({ status: 401 }, async (url) => finds(await doctor('-c', to(url)), 'upstream', 'bad', /lets nobody in \(401\)/));
	await beside({ status: 500 }, async (url) => finds(await doctor('-c', to(url)), 'upstream', 'warn', /answers 500/));
	await beside({}, async (url) => finds(await doctor('-c', to(url)), 'upstream', 'warn', /no list of models/));
	await beside({ text: '{"data":[]}' }, async (url) => finds(await doctor('-c', to(url)), 'upstream', 'warn', /no model/));
});

test('facilitators that are not there, or do not settle what is offered', async () => {
	const to = (url) => changed([[world.facilitator.url, url]].map(([from, value]) => [new RegExp(from), value]));
	const kinds = (list) => JSON.stringify({ kinds: list, extensions: [], signers: {} });
	const exact = { x402Version: 2, scheme: 'exact', network: `eip155:${CHAIN_ID}` };
	finds(await doctor('-c', to(`http://127.0.0.1:${await freePort()}`)), 'facilitator', 'bad', /nobody listens/);
	await beside({ status: 403 }, async (url) => finds(await doctor('-c', to(url)), 'facilitator', 'bad', /answers 403/));
	await beside({ text: '<html>' }, async (url) => finds(await doctor('-c', to(url)), 'facilitator', 'bad', /no list of what/));
	await beside({ text: kinds([exact]) }, async (url) => {
		const report = await doctor('-c', to(url));
		assert.equal(of(report, 'facilitator', 'ok').length, 2);
		finds(report, 'facilitator', 'bad', /does not settle upto .* offer upto/);
	});
	const upto = { ...exact, scheme: 'upto', extra: { facilitatorAddress: `0x${'12'.repeat(20)}` } };
	await beside({ text: kinds([exact, upto]) }, async (url) =>
		finds(await doctor('-c', to(url)), 'facilitator', 'bad', /settles by 0x1212/),
	);
	await beside({ text: kinds([{ ...exact, network: 'eip155:1' }]) }, async (url) =>
		assert.equal(of(await doctor('-c', to(url)), 'facilitator', 'bad').length, 3),
	);
});

test('a clock that is off', async () => {
	for (const [off, state] of [
		[-3600, 'bad'],
		[15, 'warn'],
	])
		await beside({ headers: { date: new Date(Date.now() + off * 1000).toUTCString() } }, async (url) => {
			const file = changed([[new RegExp(world.upstream.url), url]]);
			finds(await doctor('-c', file), 'clock', state, off < 0 ? /ahead of model server/ : /behind of model server/);
		});
});

test('a node of another chain, a token of another name', async () => {
	finds(await doctor('-c', changed([[/^(rpc = ).*$/m, `$1http://127.0.0.1:${await freePort()}`]])), 'chain', 'bad', /no answer from rpc/);
	const name = changed([[/^token_name = .*$/m, 'token_name = Another']]);
	finds(await doctor('-c', name), 'chain', 'bad', /token_name "Another"/);
});

test('secrets and the ledger open to others', async () => {
	const file = changed([[/^timeout_ms = .*$/m, 'authorization = Bearer x']]);
	finds(await doctor('--offline', '-c', file), 'secrets', 'ok', /not everybody/);
	chmodSync(file, 0o644);
	finds(await doctor('--offline', '-c', file), 'secrets', 'bad', /anybody can read/);
	chmodSync(file, 0o602);
	finds(await doctor('--offline', '-c', file), 'secrets', 'bad', /anybody can write/);
	chmodSync(world.gate.state, 0o755);
	finds(await doctor('--offline', '-c', world.gate.file), 'disk', 'warn', /can be entered by others/);
	chmodSync(world.gate.state, 0o700);
	const nowhere = changed([[/^state = .*$/m, `state = ${folder.path}/a/b`]]);
	finds(await doctor('--offline', '-c', nowhere), 'disk', 'warn', /is not there/);
	const large = changed([[/^workers = .*$/m, 'ledger_bytes = 1T']]);
	finds(await doctor('--offline', '-c', large), 'disk', 'warn', /may take/);
});

test('a card that is not there', async () => {
	const file = changed([[/^workers = .*$/m, 'interface = nosuch0']]);
	finds(await doctor('--offline', '-c', file), 'interface', 'bad', /there is none/);
});

test('as text, and in the wrong way', () => {
	const text = spawnSync(built('tollbar'), ['doctor', '--offline', '-c', world.gate.file], { encoding: 'utf8' });
	assert.match(text.stdout, /^ok {4}config /m);
	assert.match(text.stdout, /^\d+ ok, \d+ warn, 0 bad$/m);
	for (const args of [['more'], ['--nosuch'], ['-c']])
		assert.equal(spawnSync(built('tollbar'), ['doctor', ...args]).status, 2, args.join(' '));
});

await run({
	before: async () => {
		folder = scratch('doctor');
		world = await startWorld({
			more: (chain) => ({ 'chain test': { network: `eip155:${CHAIN_ID}`, rpc: chain.url, funds: 'cached' } }),
		});
	},
	after: () => world?.stop(),
});
