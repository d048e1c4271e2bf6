// SPDX-License-Identifier: Apache-2.0
// Runs every test of this folder, one after the other (they are timed, and the machine may be small), and adds up.
// With words on the command line only the files whose names contain one of them.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const FILE_MS_MAX = 15 * 60_000;

/* One file: its output as it comes; → its closing counts. */
function runFile(file) {
	return new Promise((done) => {
		const child = spawn(process.execPath, [join(here, file)], { stdio: ['ignore', 'pipe', 'inherit'] });
		let last = '';
		const timer = setTimeout(() => child.kill('SIGTERM'), FILE_MS_MAX);
		child.stdout.on('data', (piece) => {
			process.stdout.write(piece);
			last = (last + piece).slice(-4096);
		});
		child.on('close', (code) => {
			clearTimeout(timer);
			const [, passed, failed, skipped] = last.match(/(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/) ?? [
				0, 0, 1, 0,
			];
			const count = { passed: Number(passed), failed: Number(failed), skipped: Number(skipped ?? 0) };
			if (code !== 0 && count.failed === 0) count.failed = 1;
			done(count);
		});
	});
}

const words = process.argv.slice(2);
const files = readdirSync(here)
	.filter((name) => /\.test\.mjs$|^differential\.mjs$/.test(name))
	.filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
	.sort();
const total = { passed: 0, failed: 0, skipped: 0 };
for (const file of files) {
	console.log(`--- ${file}`);
	const started = Date.now();
	for (const [name, count] of Object.entries(await runFile(file))) total[name] += count;
	console.log(`    ${((Date.now() - started) / 1000).toFixed(1)} s`);
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
