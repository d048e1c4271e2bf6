// SPDX-License-Identifier: Apache-2.0
// The reference server for paid_over_express: @x402/express in front of the upstream, selling one exact EIP-3009 offer.
//
//   node tests/bench/express.mjs FACILITATOR_URL UPSTREAM_URL ASSET      prints "port N" when it listens
import '../e2e/lib/node18.mjs';
import { createRequire } from 'node:module';
import http from 'node:http';

const modules = createRequire(new URL('../e2e/package.json', import.meta.url));
const load = (name) => import(modules.resolve(name));
const { default: express } = await load('express');
const { HTTPFacilitatorClient } = await load('@x402/core/server');
const { ExactEvmScheme } = await load('@x402/evm/exact/server');
const { paymentMiddleware, x402ResourceServer } = await load('@x402/express');

const [facilitatorUrl, upstreamUrl, asset] = process.argv.slice(2);
const NETWORK = 'eip155:84532', PAY_TO = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C';
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const upstream = new URL(upstreamUrl);

/* The request as it came, without its payment, to the upstream over a kept connection; the answer back. */
function forward(request, response) {
	const { host, 'payment-signature': payment, ...headers } = request.headers;
	const onward = http.request(new URL(request.url, upstream), { method: request.method, headers, agent }, (answer) => {
		response.writeHead(answer.statusCode, answer.headers);
		answer.pipe(response);
	});
	onward.on('error', () => response.status(502).end());
	request.pipe(onward);
}

const resources = new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl })).register(NETWORK, new ExactEvmScheme());
const accepts = [{
	scheme: 'exact', network: NETWORK, payTo: PAY_TO, maxTimeoutSeconds: 300,
	price: { asset, amount: '10000', extra: { name: 'USDC', version: '2' } },
}];
const app = express();
app.use(paymentMiddleware({ 'POST /v1/chat/completions': { accepts, description: 'chat' } }, resources));
app.post('/v1/chat/completions', forward);
const server = app.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
