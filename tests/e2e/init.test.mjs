// SPDX-License-Identifier: Apache-2.0
// tollbar init: what it writes, told by options or asked on a terminal, runs, sells, and is sound to check and doctor.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startChain } from './lib/chain.mjs';
import { assert, run, test } from './lib/check.mjs';
import { startFacilitator } from './lib/facilitator.mjs';
import { challenge } from './lib/payment.mjs';
import { built, scratch, start } from './lib/process.mjs';
import { CHAT, freePort } from './lib/tollbar.mjs';
import { startUpstream } from './lib/upstream.mjs';
import { until } from './lib/wait.mjs';
import { BODY } from './lib/world.mjs';

const PAYEE = '0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025';
let chain, facilitator, upstream, folder;
const beside = () => ['--upstream', upstream.url, '--facilitator', facilitator.url];

/* Asynchronous, since the facilitator lives in this process. */
async function tollbar(...args) {
	const child = start(built('tollbar'), args);
	const { code } = await child.exited;
	return { code, output: child.output };
}

/* answers: to the questions in their order, a line each, on a terminal of its own. */
async function onTerminal(file, answers, ...options) {
	const command = [built('tollbar'), 'init', '-o', file, '--offline', ...options].join(' ');
	const child = start('bash', ['-c', `printf '%s\\n' "$@" | script -qefc '${command}' /dev/null`, 'bash', ...answers]);
	const { code } = await child.exited;
	return { code, output: child.output };
}

test('told by options: it runs and sells', async () => {
	const file = join(folder.path, 'told.conf');
	const port = await freePort();
	const told = ['--pay-to', PAYEE, '--price', '0.025', ...beside()];
	const made = await tollbar('init', '-o', file, ...told, '--listen', `127.0.0.1:${port}`, '--state', join(folder.path, 'state'));
	assert.equal(made.code, 0, made.output);
	assert.match(made.output, /settles such payments/);
	assert.equal(statSync(file).mode & 0o137, 0);
	assert.equal((await tollbar('check', file)).code, 0);
	const report = await tollbar('doctor', '-c', file);
	assert.match(report.output, /^ok +facilitator .*settles offer request/m);
	assert.match(report.output, /^ok +upstream /m);

	const daemon = start(built('tollbar'), ['run', '-c', file]);
	try {
		const { required } = await until('an offer', 30_000, () => {
			assert.ok(daemon.running(), daemon.output);
			return challenge(`http://127.0.0.1:${port}${CHAT}`, BODY).catch(() => undefined);
		});
		assert.equal(required.accepts.length, 1);
		assert.equal(required.accepts[0].amount, '25000');
		assert.equal(required.accepts[0].payTo, PAYEE);
		assert.equal((await fetch(`http://127.0.0.1:${port}/v1/models`)).status, 200);
	} finally {
		await daemon.stop();
	}
});

test('a facilitator that does not settle there is named', async () => {
	const made = await tollbar('init', '-o', '-', '--asset', 'usdc-base', '--pay-to', PAYEE, ...beside());
	assert.equal(made.code, 0, made.output);
	assert.match(made.output, /does not settle such payments on this chain/);
});

test('nothing is overwritten', async () => {
	const file = join(folder.path, 'told.conf');
	const before = readFileSync(file, 'utf8');
	const again = await tollbar('init', '-o', file, '--pay-to', PAYEE, '--price', '9', '--offline');
	assert.equal(again.code, 1);
	assert.match(again.output, /is there already/);
	assert.equal(readFileSync(file, 'utf8'), before);
});

test('asked on a terminal: wrong answers are asked again', async () => {
	const file = join(folder.path, 'asked.conf');
	const answers = ['gold', 'usdc-base', '0x17', PAYEE, 'much', '0.5', facilitator.url, upstream.url, '', '', ''];
	const asked = await onTerminal(file, answers);
	assert.equal(asked.code, 0, asked.output);
	const text = readFileSync(file, 'utf8');
	assert.match(text, /^network = eip155:8453$/m);
	assert.match(text, /^amount = 500000 /m);
	assert.match(text, new RegExp(`^pay_to = ${PAYEE} `, 'm'));
	assert.match(text, /^listen = 0\.0\.0\.0:8402 /m);
	assert.equal((await tollbar('check', file)).code, 0);
});

test('what is given is not asked for', async () => {
	const file = join(folder.path, 'given.conf');
	const asked = await onTerminal(file, [PAYEE, '', '', '', ''], '--asset', 'usdc-base-sepolia', '--price', '1', ...beside());
	assert.equal(asked.code, 0, asked.output);
	assert.doesNotMatch(asked.output, /What is paid in|Price of one|Facilitator, who/);
	assert.match(readFileSync(file, 'utf8'), /^amount = 1000000 /m);
});

test('without a terminal what is missing is said, and nothing is written', () => {
	const file = join(folder.path, 'none.conf');
	const child = spawnSync(built('tollbar'), ['init', '--offline', '--asset', 'usdc-base', '-o', file], { encoding: 'utf8' });
	assert.equal(child.status, 2);
	assert.match(child.stderr, /--pay-to ADDRESS must be given/);
	assert.match(child.stderr, /--facilitator URL must be given/);
	assert.ok(!existsSync(file));
});

await run({
	before: async () => {
		folder = scratch('init');
		chain = await startChain();
		facilitator = await startFacilitator(chain);
		upstream = await startUpstream();
	},
	after: async () => {
		for (const part of [upstream, facilitator, chain]) await part?.stop();
	},
});
