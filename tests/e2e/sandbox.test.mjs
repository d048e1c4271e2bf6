// SPDX-License-Identifier: Apache-2.0
// What is left to whoever has a worker in hand: tests/hijack/hijack.c makes a daemon whose first request turns its worker against
// it.  And what is left to each thread, as the kernel tells it.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { assert, run, test } from './lib/check.mjs';
import { payment } from './lib/payment.mjs';
import { built } from './lib/process.mjs';
import { startTollbar } from './lib/tollbar.mjs';
import { until } from './lib/wait.mjs';
import { ask, askPaid, startWorld } from './lib/world.mjs';

const EPERM = 1,
	EACCES = 13,
	EFAULT = 14,
	ENOSYS = 38;

/* By a ring: the ring says no (EACCES), before anybody else is asked. */
const REFUSED = {
	open_call: EPERM,
	open_own_memory: EPERM,
	open_ring: EACCES,
	connect_call: EPERM,
	connect_ring: EACCES,
	connect_between: EPERM,
	fastopen_call: EPERM,
	fastopen_message: EPERM,
	fastopen_ring: EACCES,
	socket_ring: EACCES,
	peers_unprotect: EPERM,
	peers_replace: EPERM,
	peers_move_over: EPERM,
	peers_from_below: EPERM,
	peers_discard: EPERM,
	peers_read_into: EFAULT,
	memory_of_code: EPERM,
	make_ring: EPERM,
	datagrams: EPERM,
	local_socket: EPERM,
	listens: EPERM,
	option: EPERM,
	child: EPERM,
	thread: ENOSYS,
	signals_another: EPERM,
	signals_as_thread: EPERM,
	program_of_bpf: EPERM,
	become_root: EPERM,
	connect_upstream: 0,
};
const DEADLY = ['run_program', 'run_descriptor', 'trace', 'write_to_another'];
/* What works without a sandbox, whoever runs this: a refusal above is the sandbox's. */
const ALLOWED_WITHOUT = ['open_own_memory', 'connect_call', 'peers_unprotect', 'memory_of_code', 'make_ring', 'datagrams', 'local_socket', 'child'];

let world, stranger, strangerCalled;

async function hijacked(what, more = {}) {
	const gate = await startTollbar({ ...world, more, program: built('tests/hijack/tollbar') });
	await gate.stop('SIGTERM');
	await gate.start({ env: { TOLLBAR_HIJACK: what, TOLLBAR_HIJACK_PORT: String(stranger.address().port) } });
	return gate;
}

const outcomes = (gate) => Object.fromEntries([...gate.log().matchAll(/^hijack (\w+) (\d+)$/gm)].map(([, name, errno]) => [name, Number(errno)]));

test('a hijacked worker opens nothing, starts nothing and connects to nobody but the model server', async () => {
	const gate = await hijacked('all');
	try {
		const answer = await askPaid(gate.chat, await payment(world.offer('eip3009'), await world.chain.payer()));
		assert.deepEqual(outcomes(gate), REFUSED);
		assert.equal(strangerCalled, 0);
		assert.equal(answer.status, 200); /* and it still does what it is for */
	} finally {
		await gate.stop('SIGTERM');
	}
});

test('without the sandbox the same attempts succeed', async () => {
	const gate = await hijacked('all', { node: { sandbox: 'off' } });
	try {
		await ask(`${gate.url}/v1/models`, { method: 'GET' });
		const found = outcomes(gate);
		assert.deepEqual(
			ALLOWED_WITHOUT.filter((name) => found[name] !== 0),
			[],
		);
		await until('the stranger to be called', 10000, () => strangerCalled > 0);
		assert.equal(found.open_ring, EACCES); /* rings are restricted always */
		assert.match(execFileSync(built('tollbar'), ['status', '-c', gate.file], { encoding: 'utf8' }), /, sandbox off\n/);
	} finally {
		await gate.stop('SIGTERM');
	}
});

test('a program, a debugger: the process ends before they begin', async () => {
	for (const name of DEADLY) {
		const gate = await hijacked(name);
		await ask(`${gate.url}/v1/models`, { method: 'GET' }).catch(() => {});
		await until(`the end by ${name}`, 10000, () => !gate.running());
		assert.equal(gate.daemon.child.signalCode, 'SIGSYS');
		assert.deepEqual(outcomes(gate), {});
	}
});

test('each thread is behind filters, has no capability and gets no new privilege', async () => {
	const { pid } = world.gate.daemon.child;
	const filters = readdirSync(`/proc/${pid}/task`).map((task) => {
		const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
		const value = (name) => status.match(new RegExp(`^${name}:\\s*(\\w+)`, 'm'))[1];
		for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.equal(value(set), '0000000000000000', `${set} of ${task}`);
		assert.equal(value('NoNewPrivs'), '1');
		assert.equal(value('Seccomp'), '2');
		return Number(value('Seccomp_filters'));
	});
	assert.ok(filters.length >= 5, 'main, two workers, ledger, settlement');
	assert.ok(filters.every((cnt) => cnt >= 2), `the process's and its own: ${filters}`);
	assert.match(world.gate.log(), /event=sandbox state=/);
	assert.match(execFileSync(built('tollbar'), ['status', '-c', world.gate.file], { encoding: 'utf8' }), /, sandbox on/);
});

await run({
	before: async () => {
		strangerCalled = 0;
		stranger = createServer((socket) => {
			strangerCalled++;
			socket.destroy();
		});
		await new Promise((done) => stranger.listen(0, '127.0.0.1', done));
		world = await startWorld();
	},
	after: async () => {
		await world.stop();
		stranger.close();
	},
});
