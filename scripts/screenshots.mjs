// SPDX-License-Identifier: Apache-2.0
// The status page as README shows it: a node with traffic of every kind, seen by a headless browser.  Writes
// docs/status-light.png, docs/status-dark.png and docs/status-phone.png.  Needs the built programs and the tests' packages.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBrowser, PHONE } from '../tests/e2e/lib/browser.mjs';
import { headersOf, payment } from '../tests/e2e/lib/payment.mjs';
import { sleep } from '../tests/e2e/lib/wait.mjs';
import { ask, askPaid, BODY, BODY_STREAM, startWorld } from '../tests/e2e/lib/world.mjs';

const docs = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs');
const SECONDS = 240; /* most of the chart */
const PAYERS = 6;
const DESKTOP = { width: 1200, height: 800 }; /* a picture below 150 KB */

/* One of what comes in: mostly good requests, some that are not. */
async function one(world, payers, i) {
	const method = ['eip3009', 'upto', 'eip3009', 'permit2'][i % 4];
	const made = await payment(world.offer(method), payers[i % PAYERS]);
	const body = i % 3 === 0 ? BODY_STREAM : BODY;
	await askPaid(world.gate.chat, made, { body });
	if (i % 3 === 0) await ask(world.gate.chat, { body });
	if (i % 7 === 0) await askPaid(world.gate.chat, made, { body });
	if (i % 11 === 0) await ask(`${world.gate.url}/v1/models`, { method: 'GET' });
	if (i % 13 === 0) await ask(world.gate.chat, { body, headers: { 'payment-signature': 'e30=' } });
	if (i % 17 === 0) await ask(`${world.gate.url}/nowhere`, { method: 'GET' });
	if (i % 19 === 0) {
		const headers = headersOf(made);
		const [name] = Object.keys(headers);
		const changed = JSON.parse(Buffer.from(headers[name], 'base64'));
		changed.payload.signature = `0x${'11'.repeat(64)}1b`;
		await ask(world.gate.chat, { body, headers: { [name]: Buffer.from(JSON.stringify(changed)).toString('base64') } });
	}
}

async function traffic(world, state) {
	const payers = [];
	for (let i = 0; i < PAYERS; i++) payers.push(await world.chain.payer());
	const lanes = [...Array(4).keys()].map(async (lane) => {
		for (let i = lane; !state.over; i += 4) {
			await one(world, payers, i).catch(() => {});
			await sleep(60 + 400 * (1 + Math.sin(Date.now() / 9000)));
		}
	});
	await Promise.all(lanes);
}

const world = await startWorld();
const browser = await openBrowser();
const state = { over: false };
try {
	const busy = traffic(world, state);
	const views = {
		'status-light': { viewport: DESKTOP, colorScheme: 'light' },
		'status-dark': { viewport: DESKTOP, colorScheme: 'dark' },
		'status-phone': { viewport: PHONE, colorScheme: 'light', deviceScaleFactor: 1.25 },
	};
	const open = {};
	for (const [name, options] of Object.entries(views)) open[name] = await browser.open(world.gate.adminUrl, options);
	await sleep(SECONDS * 1000);
	for (const [name, { page, complaints }] of Object.entries(open)) {
		await page.screenshot({ path: join(docs, `${name}.png`) });
		if (complaints.length > 0) throw new Error(complaints.join('\n'));
		console.log(join(docs, `${name}.png`));
	}
	state.over = true;
	await busy;
} finally {
	state.over = true;
	await browser.stop();
	await world.stop();
}
