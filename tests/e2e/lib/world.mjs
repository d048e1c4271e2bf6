// SPDX-License-Identifier: Apache-2.0
// Everything a test needs, started together: chain, facilitator, stand-in model server, the daemon between them.
import { connect } from 'node:net';
import { startChain } from './chain.mjs';
import { startFacilitator } from './facilitator.mjs';
import { challenge, headersOf, payment } from './payment.mjs';
import { AMOUNT, startTollbar } from './tollbar.mjs';
import { startUpstream } from './upstream.mjs';

export const BODY = JSON.stringify({ model: 'stand-in', messages: [{ role: 'user', content: 'Say something.' }] });
export const BODY_STREAM = JSON.stringify({ ...JSON.parse(BODY), stream: true });

/* startWorld: more, extra configuration, may be a function of the chain. → { chain, facilitator, upstream, gate, offer(method), pay(method, options), stop() } */
export async function startWorld({ more } = {}) {
	const parts = [];
	const stop = async () => {
		for (const part of parts.reverse()) await part.stop();
	};
	try {
		const chain = await startChain();
		parts.push(chain);
		const facilitator = await startFacilitator(chain);
		parts.push(facilitator);
		const upstream = await startUpstream();
		parts.push(upstream);
		const gate = await startTollbar({
			chain,
			facilitator,
			upstream,
			more: typeof more === 'function' ? await more(chain) : more,
		});
		parts.push(gate);
		const { offer } = await challenge(gate.chat, BODY);
		return { chain, facilitator, upstream, gate, offer, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

/* ask: one request → { status, headers, text, json, reason }.  The reason word is where the two forms of answer have it:
 * in `reason` of a 402 challenge, in `error.code` of everything else. */
export async function ask(url, { method = 'POST', headers = {}, body = BODY, signal } = {}) {
	const response = await fetch(url, {
		method,
		headers: { 'content-type': 'application/json', ...headers },
		signal,
		...(method === 'GET' || method === 'HEAD' ? {} : { body }),
	});
	return answer(response.status, response.headers, await response.text());
}

function answer(status, headers, text) {
	let json;
	try {
		json = JSON.parse(text);
	} catch {
		/* not every answer is JSON */
	}
	return { status, headers, text, json, reason: json?.reason ?? json?.error?.code };
}

export const askPaid = (url, payload, { headers, ...others } = {}) =>
	ask(url, { headers: { ...headersOf(payload), ...headers }, ...others });

/* askRaw: exact bytes on a fresh connection, in pieces with `pause` ms between them → the same form, plus `closed`
 * (did the other side close).  Reads until the answer's Content-Length is there, the close, or `ms`. */
export function askRaw(gate, pieces, { pause = 0, ms = 5000, half = false } = {}) {
	const { hostname, port } = new URL(gate.url);
	return new Promise((done, fail) => {
		const socket = connect(Number(port), hostname);
		let bytes = Buffer.alloc(0),
			finished = false;
		const finish = (closed) => {
			if (finished) return;
			finished = true;
			clearTimeout(timer);
			socket.destroy();
			done({ ...parseAnswer(bytes), closed, bytes });
		};
		const timer = setTimeout(() => finish(false), ms);
		socket.on('data', (piece) => {
			bytes = Buffer.concat([bytes, piece]);
			if (parseAnswer(bytes).complete) setTimeout(() => finish(socket.readableEnded || socket.destroyed), 50);
		});
		socket.on('end', () => finish(true));
		socket.on('close', () => finish(true));
		socket.on('error', (error) =>
			bytes.length > 0 || error.code === 'ECONNRESET' || error.code === 'EPIPE' ? finish(true) : fail(error),
		);
		socket.on('connect', async () => {
			for (const piece of pieces) {
				if (finished) return;
				socket.write(piece);
				if (pause > 0) await new Promise((next) => setTimeout(next, pause));
			}
			if (half) socket.end();
		});
	});
}

function parseAnswer(bytes) {
	const text = bytes.toString('latin1');
	const end = text.indexOf('\r\n\r\n');
	if (end < 0) return { status: 0, headers: new Headers(), text: '', complete: false };
	const [line, ...fields] = text.slice(0, end).split('\r\n');
	const headers = new Headers(
		fields.map((field) => {
			const at = field.indexOf(':');
			return [field.slice(0, at), field.slice(at + 1).trim()];
		}),
	);
	const body = text.slice(end + 4);
	const length = headers.get('content-length');
	return {
		...answer(Number(line.split(' ')[1]), headers, body),
		complete: length !== null && body.length >= Number(length),
	};
}

/* rawRequest: the bytes of a request as a careful client would send it, for tests that break one thing of it. */
export function rawRequest(gate, { method = 'POST', target = '/v1/chat/completions', headers = {}, body = BODY } = {}) {
	const fields = {
		Host: new URL(gate.url).host,
		'Content-Type': 'application/json',
		'Content-Length': Buffer.byteLength(body),
		...headers,
	};
	const lines = Object.entries(fields)
		.filter(([, v]) => v !== undefined)
		.map(([k, v]) => `${k}: ${v}\r\n`);
	return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/* goodPayment: does an honest client still get through?  → what ask gives. */
export async function goodPayment(world, method = 'eip3009', options = {}) {
	world.honest ??= await world.chain.payer();
	return askPaid(world.gate.chat, await payment(world.offer(method), world.honest), options);
}

export { AMOUNT };
