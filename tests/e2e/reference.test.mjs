// SPDX-License-Identifier: Apache-2.0
// The harness against the reference server: if these fail, the fault is in the harness and not in the daemon.
import { assert, run, test } from './lib/check.mjs';
import { startChain } from './lib/chain.mjs';
import { startExpress } from './lib/express.mjs';
import { startFacilitator } from './lib/facilitator.mjs';
import { challenge, headersOf, METHODS, payment, receiptOf, stockFetch } from './lib/payment.mjs';

const AMOUNT = 10000n;
const BODY = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
let chain, facilitator, server, url;

for (const method of METHODS)
	test(`stock client pays ${method} through the reference server`, async () => {
		const payer = await chain.payer();
		const before = await chain.balance(chain.payTo);
		const response = await stockFetch(payer, method)(url, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: BODY,
		});
		assert.equal(response.status, 200, await response.clone().text());
		assert.equal(receiptOf(response).success, true);
		assert.equal((await chain.balance(chain.payTo)) - before, AMOUNT);
	});

for (const method of METHODS)
	test(`payment made by hand: ${method}`, async () => {
		const payer = await chain.payer();
		const { offer } = await challenge(url, BODY);
		const made = await payment(offer(method), payer);
		const response = await fetch(url, { method: 'POST', headers: headersOf(made), body: BODY });
		assert.equal(response.status, 200, await response.clone().text());
		assert.equal(await chain.balance(payer.address), 1_000_000_000n - AMOUNT);
		const again = await fetch(url, { method: 'POST', headers: headersOf(made), body: BODY });
		assert.equal(again.status, 402, 'the chain refuses the same nonce twice');
	});

await run({
	before: async () => {
		chain = await startChain();
		facilitator = await startFacilitator(chain);
		server = await startExpress({
			chain,
			facilitatorUrl: facilitator.url,
			handler: (_, answer) => answer.json({ ok: true }),
		});
		url = `${server.url}/v1/chat/completions`;
	},
	after: async () => {
		await server?.stop();
		await facilitator?.stop();
		await chain?.stop();
	},
});
