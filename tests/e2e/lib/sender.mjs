// SPDX-License-Identifier: Apache-2.0
// The client's side of the demo, in the client's network namespace: one JSON job per line in, one JSON report out.
//   { id, kind: "pay", method, url, body }               the stock @x402/fetch client with `key`
//   { id, kind: "send", url, headers, body, from, ms }   one request as given, from a chosen source address
import './node18.mjs';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { privateKeyToAccount } from 'viem/accounts';
import { receiptOf, stockFetch } from './payment.mjs';

async function pay({ key, method, url, body }) {
	const response = await stockFetch(privateKeyToAccount(key), method)(url, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body,
	});
	let events = 0,
		text = '';
	for await (const piece of response.body) text += Buffer.from(piece).toString();
	for (const line of text.split('\n')) events += line.startsWith('data: ') ? 1 : 0;
	return { status: response.status, events, text, transaction: receiptOf(response)?.transaction };
}

/* http.request and not fetch: only it can be told which address to send from. */
function send({ url, headers, body, from, ms = 5000 }) {
	return new Promise((done) => {
		const call = request(
			url,
			{ method: 'POST', headers, localAddress: from, timeout: ms, agent: false },
			(response) => {
				let text = '';
				response.on('data', (piece) => {
					text += piece;
				});
				response.on('end', () => done({ status: response.statusCode, text }));
			},
		);
		call.on('timeout', () => call.destroy(new Error('no answer')));
		call.on('error', (error) => done({ status: 0, text: '', error: error.message }));
		call.end(body);
	});
}

for await (const line of createInterface({ input: process.stdin })) {
	const job = JSON.parse(line);
	const report = await (job.kind === 'pay' ? pay(job) : send(job)).catch((error) => ({
		status: 0,
		text: '',
		error: error.message,
	}));
	process.stdout.write(`${JSON.stringify({ id: job.id, ...report })}\n`);
}
