// SPDX-License-Identifier: Apache-2.0
// The whole test framework of this folder: test() registers, run() runs in order and prints the closing count.
import assert from 'node:assert/strict';

const tests = [];
const TEST_MS_MAX = 120_000;

export { assert };

export function test(name, body, ms = TEST_MS_MAX) {
	tests.push({ name, body, ms });
}

/* skip: throw this to say that a test cannot run here; it is counted as skipped, never as passed. */
export class Skip extends Error {}

async function runOne({ body, ms }) {
	let timer;
	const late = new Promise((_, fail) => {
		timer = setTimeout(() => fail(new Error(`not done after ${ms} ms`)), ms);
	});
	try {
		await Promise.race([body(), late]);
	} finally {
		clearTimeout(timer);
	}
}

/* run: before() → all tests → after(); the exit status is 0 only if none failed.  With words on the command line only
 * the tests whose names contain one of them are run. */
export async function run({ before = async () => {}, after = async () => {} } = {}) {
	const words = process.argv.slice(2);
	const chosen = tests.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
	const count = { passed: 0, failed: 0, skipped: 0 };
	try {
		await before();
		for (const one of chosen) {
			try {
				await runOne(one);
				count.passed++;
			} catch (error) {
				const skipped = error instanceof Skip;
				count[skipped ? 'skipped' : 'failed']++;
				console.log(`${skipped ? 'SKIP' : 'FAIL'} ${one.name}: ${skipped ? error.message : error.stack}`);
			}
		}
	} catch (error) {
		console.log(`FAIL before the tests: ${error.stack}`);
		count.failed++;
	} finally {
		await after().catch((error) => {
			console.log(`FAIL after the tests: ${error.stack}`);
			count.failed++;
		});
	}
	console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
	process.exit(count.failed === 0 ? 0 : 1);
}
