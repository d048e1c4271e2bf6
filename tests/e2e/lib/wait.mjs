// SPDX-License-Identifier: Apache-2.0
// Waiting, always bounded.

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/* until: calls probe (may be async) until it gives something true; that is the result.  Throws after ms. */
export async function until(what, ms, probe) {
	const end = Date.now() + ms;
	for (;;) {
		const result = await probe();
		if (result) return result;
		if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
		await sleep(20);
	}
}
