// SPDX-License-Identifier: Apache-2.0
// Traffic of every kind a node meets: paid in each way, streamed, in sessions, by datagram, free, wrong, slow and broken off.
// What became of each request is remembered, so that it can be held against what the node says it did.
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { datagramOf, openClient, orderOf } from './native.mjs';
import { encode, headersOf, payment } from './payment.mjs';
import { CHAT } from './tollbar.mjs';
import { sleep } from './wait.mjs';
import { BODY, BODY_STREAM } from './world.mjs';

export const DRAWN = '/v1/completions'; /* the route with sessions */
const TOKENS = { 'x-tokens': '8' };
const FAULTS = ['500', 'reset', 'garbage', 'reset-mid', 'truncate'];
const ANSWER_MS = 40_000; /* past the node's own patience: an answer that takes longer never comes */

/* → { status, reason, text, complete, late }: status 0 when the connection ended without an answer. */
export function call(url, { method = 'POST', headers = {}, body = BODY, leaveAfter, read } = {}) {
	return new Promise((done) => {
		const result = { status: 0, text: '', complete: false, late: false, headers: {} };
		const finish = () => {
			try {
				const json = JSON.parse(result.text);
				const word = json.reason ?? json.error?.code;
				if (typeof word === 'string') result.reason = word; // a number is the model server's own
			} catch {
				/* not every answer is JSON */
			}
			done(result);
		};
		const fields = { 'content-type': 'application/json', ...headers };
		const request = httpRequest(url, { method, agent: false, timeout: ANSWER_MS, headers: fields });
		request.on('response', (response) => {
			Object.assign(result, { status: response.statusCode, headers: response.headers });
			response.on('data', (piece) => {
				result.text += piece;
				if (leaveAfter !== undefined && result.text.length >= leaveAfter) request.destroy();
				else if (read) {
					response.pause();
					setTimeout(() => response.resume(), read);
				}
			});
			response.on('close', () => {
				result.complete = response.complete;
				finish();
			});
			response.on('error', () => {});
		});
		request.on('timeout', () => {
			result.late = true;
			request.destroy();
		});
		request.on('error', () => result.status === 0 && finish());
		request.end(method === 'GET' ? undefined : body);
	});
}

/* Bytes on a connection of their own, in pieces with `pause` ms between them, which is then closed, or read to its end. */
function raw(url, pieces, { pause = 0, leave = false } = {}) {
	const { hostname, port } = new URL(url);
	return new Promise((done) => {
		const socket = connect(Number(port), hostname);
		let text = '';
		const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
		socket.on('data', (piece) => {
			text += piece;
		});
		socket.on('error', () => {});
		socket.on('end', () => socket.end());
		socket.on('close', () => {
			clearTimeout(timer);
			done({ status: Number(text.split(' ')[1] ?? 0), text, reason: text.match(/"(?:code|reason)":"([a-z_]+)"/)?.[1] });
		});
		socket.on('connect', async () => {
			for (const piece of pieces) {
				if (socket.destroyed) return;
				socket.write(piece);
				if (pause > 0) await sleep(pause);
			}
			if (leave) setTimeout(() => socket.end(() => socket.destroy()), 50);
		});
	});
}

const head = (more = '') =>
	`POST ${CHAT} HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(BODY)}\r\n${more}`;

const strangers = () => Array.from({ length: 8 }, () => privateKeyToAccount(generatePrivateKey()));

/* startTraffic: url and nativePort of the node; offers by method, from its challenge.  → { headers, kinds (names), run(name) → outcome,
 * seen (by kind: { sent, answered, refused: Map, nothing, late }), resumed() (requests served in sessions opened before), close() } */
export async function startTraffic({ url, offer, host = '127.0.0.1', nativePort, from, payers = strangers() }) {
	let turn = 0;
	const payer = () => payers[turn++ % payers.length];
	const chat = `${url}${CHAT}`;
	const clients = nativePort ? await Promise.all(Array.from({ length: 4 }, () => openClient(nativePort, { host, from }))) : [];
	const pay = async (method, options) => headersOf(await payment(offer(method), payer(), options));
	const self = { headers: {} }; /* for the stand-in model server, with each paid request */
	const paid = async (method, body, more) => {
		const headers = { ...(await pay(method)), ...TOKENS, ...self.headers, ...more?.headers };
		return call(chat, { ...more, body, headers });
	};
	const sessions = [];
	let resumed = 0;

	const kinds = {
		exact: () => paid('eip3009', BODY),
		permit2: () => paid('permit2', BODY),
		upto: () => paid('upto', BODY),
		'exact, streamed': () => paid('eip3009', BODY_STREAM),
		'upto, streamed': () => paid('upto', BODY_STREAM, { headers: { 'x-tick-us': '5000' } }),
		free: () => call(`${url}/v1/models`, { method: 'GET' }),
		session: async () => {
			const id = sessions.length > 0 && turn % 4 !== 0 ? sessions.shift() : undefined;
			const headers = { ...(id ? { 'x-upto-session': id, 'content-type': 'application/json' } : await pay('upto')), ...TOKENS };
			const answer = await call(`${url}${DRAWN}`, { headers });
			const opened = answer.headers['x-upto-session'];
			if (answer.status === 200 && id) resumed++;
			if (answer.status === 200 && opened && sessions.length < 16) sessions.push(opened);
			return answer;
		},
		native: async () => {
			const client = clients.pop();
			if (client === undefined) return { skipped: true };
			const receipt = await client.ask(datagramOf(await orderOf(offer('eip3009'), payer())), ANSWER_MS);
			const taken = receipt?.reason === 0;
			const answer = taken && (await call(`${url}/v1/requests/${receipt.id}?wait=20`, { method: 'GET' }));
			clients.push(client);
			return taken ? answer : { status: 0, late: receipt === undefined };
		},

		unpaid: () => call(chat),
		'not a payment': () => call(chat, { headers: { 'PAYMENT-SIGNATURE': encode('{"x402Version":2}') } }),
		'not base64': () => call(chat, { headers: { 'PAYMENT-SIGNATURE': '*'.repeat(64) } }),
		'not JSON': () => call(chat, { headers: { 'PAYMENT-SIGNATURE': encode('{') } }),
		'signature of another': async () => {
			const made = await payment(offer('eip3009'), payer());
			made.payload.signature = `0x${'11'.repeat(64)}1b`;
			return call(chat, { headers: headersOf(made) });
		},
		'too little': async () => call(chat, { headers: await pay('eip3009', { overrides: { value: '1' } }) }),
		expired: async () => call(chat, { headers: await pay('eip3009', { overrides: { validBefore: '1700000000' } }) }),
		'paid twice': async () => {
			const headers = await pay('eip3009');
			const answers = await Promise.all([call(chat, { headers }), call(chat, { headers })]);
			return { several: answers };
		},
		'no such route': () => call(`${url}/nowhere`),
		'no such method': () => call(chat, { method: 'PUT' }),
		'body that is no JSON': async () => call(chat, { headers: await pay('upto'), body: '{"model":' }),
		'not HTTP': () => raw(url, ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n']),
		'two lengths': () => raw(url, [head('Content-Length: 1\r\n') + '\r\n' + BODY]),
		'a head too large': () => raw(url, [head(`X-Large: ${'x'.repeat(20000)}\r\n`)]),

		'the model fails': () => paid('eip3009', BODY, { headers: { 'x-fault': FAULTS[turn % FAULTS.length] } }),
		'the model breaks a stream off': () => paid('upto', BODY_STREAM, { headers: { 'x-fault': 'reset-mid' } }),

		'left in the head': () => raw(url, [head().slice(0, 40)], { leave: true }),
		'left in the body': () => raw(url, [`${head()}\r\n{"model"`], { leave: true }),
		'left in the answer': () => paid('upto', BODY_STREAM, { leaveAfter: 10, headers: { 'x-tokens': '200', 'x-tick-us': '5000' } }),
		'left while it waits': async () => {
			const headers = Object.entries(await pay('eip3009')).map(([name, value]) => (name === 'content-type' ? '' : `${name}: ${value}\r\n`));
			return raw(url, [`${head(headers.join(''))}x-delay-ms: 400\r\n\r\n${BODY}`], { leave: true });
		},
		'slow to ask': () => raw(url, (head('Connection: close\r\n') + '\r\n' + BODY).match(/[\s\S]{1,24}/g), { pause: 40 }),
		'slow to read': () => paid('upto', BODY_STREAM, { read: 30, headers: { 'x-tokens': '60' } }),
	};

	const seen = new Map(Object.keys(kinds).map((name) => [name, { sent: 0, answered: 0, refused: new Map(), nothing: 0, late: 0 }]));
	const note = (of, answer) => {
		of.sent++;
		if (answer.late) of.late++;
		if (answer.status === 0) of.nothing++;
		else if (answer.reason === undefined || answer.status < 400) of.answered++; // by the model server's own error, too
		else of.refused.set(answer.reason, (of.refused.get(answer.reason) ?? 0) + 1);
	};
	const run = async (name) => {
		const answer = await kinds[name]();
		if (!answer.skipped) for (const one of answer.several ?? [answer]) note(seen.get(name), one);
		return answer;
	};
	const close = () => clients.forEach((client) => client.close());
	return Object.assign(self, { kinds: Object.keys(kinds), run, seen, resumed: () => resumed, close });
}
