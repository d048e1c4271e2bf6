// SPDX-License-Identifier: Apache-2.0
// The reference resource server, @x402/express, selling the same three offers: what the harness is proved against.
import './node18.mjs';
import express from 'express';
import { HTTPFacilitatorClient } from '@x402/core/server';
import { ExactEvmScheme } from '@x402/evm/exact/server';
import { UptoEvmScheme } from '@x402/evm/upto/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import { NETWORK } from './chain.mjs';

/* startExpress: the three offers of the test configuration in front of `handler`.  → { url, stop() } */
export async function startExpress({ chain, facilitatorUrl, amount = '10000', handler }) {
	const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl }))
		.register(NETWORK, new ExactEvmScheme())
		.register(NETWORK, new UptoEvmScheme());
	const domain = { name: chain.tokenName, version: chain.tokenVersion };
	const offer = (scheme, assetTransferMethod) => ({
		scheme,
		network: NETWORK,
		payTo: chain.payTo,
		maxTimeoutSeconds: 60,
		price: {
			asset: chain.token,
			amount,
			extra: { ...domain, ...(assetTransferMethod && { assetTransferMethod }) },
		},
	});
	const accepts = [offer('exact'), offer('exact', 'permit2'), offer('upto', 'permit2')];
	const app = express();
	app.use(paymentMiddleware({ 'POST /v1/chat/completions': { accepts, description: 'chat' } }, resources));
	app.post('/v1/chat/completions', express.json(), handler);
	const server = await new Promise((done) => {
		const s = app.listen(0, '127.0.0.1', () => done(s));
	});
	return {
		url: `http://127.0.0.1:${server.address().port}`,
		stop: () =>
			new Promise((done) => {
				server.close(done);
				server.closeAllConnections();
			}),
	};
}
