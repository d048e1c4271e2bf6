// SPDX-License-Identifier: Apache-2.0
// A node in front of the private chain that counts what it is asked, and on request is slow, silent, wrong or gone.
import { createServer } from 'node:http';
import { sleep } from './wait.mjs';

/* What a fault is given: the batch that was asked, and forward(), which asks the chain.  It gives the answer's text, or
 * undefined: no answer. */
export const nodeFaults = {
	slow: (ms) => async (batch, forward) => {
		await sleep(ms);
		return forward();
	},
	silent: () => () => undefined,
	nonsense: () => () => '<html>surely not JSON</html>',
	/* Every word of every contract is this number. */
	lying: (number) => async (batch, forward) => {
		const word = number.toString(16).padStart(64, '0');
		const answers = JSON.parse(await forward());
		for (const [i, { method, params }] of batch.entries())
			if (method === 'eth_call' && /^0x(70a08231|dd62ed3e)/.test(params[0].data))
				answers.find(({ id }) => id === batch[i].id).result = `0x${word}`;
		return JSON.stringify(answers);
	},
};

/* startNode: → { url, requests, calls, fault, stop(), start() }; stop and start again keep the port. */
export async function startNode(chain) {
	const self = { requests: 0, calls: 0, fault: undefined };

	async function onRequest(request, response) {
		let body = '';
		for await (const piece of request) body += piece;
		const batch = JSON.parse(body);
		const forward = async () =>
			(await fetch(chain.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).text();
		self.requests++;
		self.calls += batch.length;
		const text = await (self.fault !== undefined ? self.fault(batch, forward) : forward());
		if (text !== undefined) response.setHeader('content-type', 'application/json').end(text);
	}

	const server = createServer((request, response) =>
		onRequest(request, response).catch((error) => {
			if (!response.headersSent) response.writeHead(500).end(error.message);
		}),
	);
	const listen = (port) => new Promise((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done));
	await listen(0);
	const { port } = server.address();
	return Object.assign(self, {
		url: `http://127.0.0.1:${port}`,
		start: () => listen(port),
		stop: () =>
			new Promise((done) => {
				server.close(done);
				server.closeAllConnections();
			}),
	});
}
