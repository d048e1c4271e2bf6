// SPDX-License-Identifier: Apache-2.0
// Runs every test of this folder, two at a time (they mostly wait), and adds up.  What a file says is printed when it has ended.
// With words on the command line only the files whose names contain one of them.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const FILE_MS_MAX = 15 * 60_000;
const AT_A_TIME = 2;

/* One file; → what it said and its closing counts. */
function runFile(file) {
	return new Promise((done) => {
		const child = spawn(process.execPath, [join(here, file)], { stdio: ['ignore', 'pipe', 'pipe'] });
		let said = '';
		const keep = (piece) => {
			said += piece;
		};
		const timer = setTimeout(() => child.kill('SIGTERM'), FILE_MS_MAX);
		child.stdout.on('data', keep);
		child.stderr.on('data', keep);
		child.on('close', (code) => {
			clearTimeout(timer);
			const counts = [...said.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1) ?? ['', 0, 1, 0];
			const [passed, failed, skipped] = counts.slice(1).map((count) => Number(count ?? 0));
			done({ said, count: { passed, failed: code !== 0 && failed === 0 ? 1 : failed, skipped } });
		});
	});
}

const words = process.argv.slice(2);
const files = readdirSync(here)
	.filter((name) => /\.test\.mjs$|^differential\.mjs$/.test(name))
	.filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
	.sort();
const total = { passed: 0, failed: 0, skipped: 0 };

async function runNext() {
	for (let file = files.shift(); file !== undefined; file = files.shift()) {
		const started = Date.now();
		const { said, count } = await runFile(file);
		console.log(`--- ${file}\n${said.trimEnd()}\n    ${((Date.now() - started) / 1000).toFixed(1)} s`);
		for (const [name, number] of Object.entries(count)) total[name] += number;
	}
}

await Promise.all(Array.from({ length: AT_A_TIME }, runNext));
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
