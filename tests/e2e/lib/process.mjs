// SPDX-License-Identifier: Apache-2.0
// Child processes of the tests: where the built programs are, scratch folders, and stopping what was started.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/* built: path of a built program; TOLLBAR_BUILD names another build folder (build/asan, say). */
export const built = (name) => join(process.env.TOLLBAR_BUILD ?? join(root, 'build'), name);

/* What must be gone when we are, however we end: killed children, scratch folders. */
const cleanups = new Set();
process.once('exit', () => {
	for (const cleanup of cleanups) cleanup();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

export function atExit(cleanup) {
	cleanups.add(cleanup);
	return () => cleanups.delete(cleanup);
}

export function scratch(name) {
	const path = mkdtempSync(join(tmpdir(), `tollbar-e2e-${name}-`));
	const remove = () => rmSync(path, { recursive: true, force: true });
	atExit(remove);
	return { path, remove };
}

const OUTPUT_MAX = 1 << 24;

/* start: a child whose output is kept (the newest of it) and which dies with us. */
export function start(command, args, { within = [], env } = {}) {
	const [program, ...all] = [...within, command, ...args];
	const child = spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
	const self = { child, output: '' };
	const keep = (piece) => {
		self.output = (self.output + piece).slice(-OUTPUT_MAX);
	};
	child.stdout.on('data', keep);
	child.stderr.on('data', keep);
	const forget = atExit(() => child.kill('SIGKILL'));
	self.exited = new Promise((done) => {
		child.once('error', (error) => {
			keep(`\n${error.message}\n`);
			done({ code: 127 });
		});
		child.once('close', (code, signal) => {
			forget();
			done({ code, signal });
		});
	});
	self.running = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
	/* stop: asks with `signal`, insists after ms; → { code, signal } */
	self.stop = async (signal = 'SIGTERM', ms = 15000) => {
		if (self.running()) child.kill(signal);
		const timer = setTimeout(() => child.kill('SIGKILL'), ms);
		const how = await self.exited;
		clearTimeout(timer);
		return how;
	};
	return self;
}
