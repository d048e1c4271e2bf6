// SPDX-License-Identifier: Apache-2.0
// The native transport (docs/native.md) by viem and a plain socket: datagrams made by hand, so that each byte of them can be wrong.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { concat, encodeFunctionData, hexToBytes, keccak256, parseAbi, stringToHex, toHex } from 'viem';
import { CHAIN_ID } from './chain.mjs';
import { authorize, methodOf, typedData } from './payment.mjs';

const LIMITS = 'uint32 max_tokens, string[] stop_sequence, uint32 temperature';
const CALL = '(string id, string name, string arguments)';
const MESSAGE = `(string role, string content, string name, string tool_call_id, ${CALL}[] tool_calls)`;
const TOOL = '(string description, string name, string parameters)';
const abi = parseAbi([
	`function runLLMCompletion((uint8 mode, string modelCID, string prompt, ${LIMITS}) request)`,
	`function runLLMChat((uint8 mode, string modelCID, ${MESSAGE}[] messages, ${TOOL}[] tools, string tool_choice, ${LIMITS}) request)`,
]);
const plain = { mode: 0, modelCID: 'stand-in', max_tokens: 0, stop_sequence: [], temperature: 100 };
const call = (functionName, request) => encodeFunctionData({ abi, functionName, args: [{ ...plain, ...request }] });

export const CHAT_ROUTE = 7;
export const MAGIC = stringToHex('TBR1');
export const KINDS = { request: 1, knock: 2, cookie: 3, receipt: 4, opened: 5 };
const METHOD_NUMBERS = { eip3009: 1, permit2: 2, upto: 3 };

/* What tests ask for: a chat with one question, or a completion. */
export const chat = (content = 'Say something.') =>
	call('runLLMChat', {
		messages: [{ role: 'user', content, name: '', tool_call_id: '', tool_calls: [] }],
		tools: [],
		tool_choice: '',
	});
export const completion = (prompt = 'Say something.', more = {}) => call('runLLMCompletion', { prompt, ...more });

const salted = (calldata, salt) => keccak256(concat([MAGIC, salt, keccak256(calldata)]));
const sized = (number, size) => toHex(BigInt(number), { size });
const bytesOf = (hex) => (hex.length - 2) / 2;

/* orderOf: everything a datagram is made of, and the payment in the form that HTTP carries, which is the same one.
 * `overrides` are of the authorization, before it is signed; `fields` of the datagram, after. */
export async function orderOf(offer, account, { calldata = chat(), route = CHAT_ROUTE, stream = false, cookie = '0x', overrides, fields } = {}) {
	const salt = toHex(randomBytes(16));
	const method = methodOf(offer);
	const nonce = salted(calldata, salt);
	const authorization = authorize(offer, account.address, { nonce: method === 'eip3009' ? nonce : BigInt(nonce).toString(), ...overrides });
	const signature = await account.signTypedData(typedData(offer, authorization));
	const member = method === 'eip3009' ? 'authorization' : 'permit2Authorization';
	return {
		magic: MAGIC,
		kind: KINDS.request,
		method: METHOD_NUMBERS[method],
		chain: CHAIN_ID,
		payer: account.address,
		asset: offer.asset,
		amount: authorization.value ?? authorization.permitted.amount,
		validAfter: authorization.validAfter ?? authorization.witness.validAfter,
		deadline: authorization.validBefore ?? authorization.deadline,
		nonce,
		salt,
		signature,
		route,
		flags: (bytesOf(cookie) > 0 ? 1 : 0) | (stream ? 2 : 0),
		calldata,
		cookie,
		payment: { x402Version: 2, payload: { signature, [member]: authorization }, accepted: offer },
		...fields,
	};
}

/* datagramOf: the order's bytes; `length` and `calldataBytes` may say something else. */
export function datagramOf(order) {
	const { calldataBytes = bytesOf(order.calldata) } = order;
	const rest = concat([
		sized(order.chain, 8), order.payer, order.asset, sized(order.amount, 16), sized(order.validAfter, 8), sized(order.deadline, 8), order.nonce,
		order.salt, order.signature, sized(order.route, 1), sized(order.flags, 2), sized(calldataBytes, 4), order.calldata, order.cookie,
	]);
	const { length = 8 + bytesOf(rest) } = order;
	return Buffer.from(hexToBytes(concat([order.magic, sized(order.kind, 1), sized(order.method, 1), sized(length, 2), rest])));
}

/* readAnswer: one datagram of the node's. */
export function readAnswer(bytes) {
	if (bytes.toString('latin1', 0, 4) !== 'TBR1' || bytes.readUInt16BE(6) !== bytes.length || bytes[5] !== 0)
		throw new Error(`not an answer: ${bytes.toString('hex')}`);
	const hex = (from, to) => `0x${bytes.toString('hex', from, to)}`;
	if (bytes[4] === KINDS.cookie) return { kind: 'cookie', cookie: hex(8, 16), echo: hex(16, 24), bytes: bytes.length };
	if (bytes[4] === KINDS.receipt)
		return {
			kind: 'receipt',
			id: bytes.toString('hex', 8, 24),
			nonce: hex(24, 56),
			reason: bytes.readUInt16BE(56),
			place: bytes.readUInt32BE(60),
			bytes: bytes.length,
		};
	throw new Error(`kind ${bytes[4]}`);
}

/* openClient: a socket of its own, perhaps bound to an address. → { send(bytes), next(ms): the next answer or undefined,
 * ask(bytes, ms), close() } */
export async function openClient(port, { host = '127.0.0.1', from } = {}) {
	const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
	const answers = [];
	let waiting;
	socket.on('message', (bytes) => {
		answers.push(readAnswer(bytes));
		waiting?.();
	});
	await new Promise((done) => socket.bind(0, from, done));
	const self = {
		send: (bytes) => new Promise((done, fail) => socket.send(bytes, port, host, (error) => (error ? fail(error) : done()))),
		next: async (ms = 3000) => {
			if (answers.length === 0)
				await new Promise((done) => {
					const timer = setTimeout(done, ms);
					waiting = () => {
						clearTimeout(timer);
						done();
					};
				});
			waiting = undefined;
			return answers.shift();
		},
		close: () => socket.close(),
	};
	self.ask = async (bytes, ms) => {
		await self.send(bytes);
		return self.next(ms);
	};
	return self;
}

/* freeUdpPort: one that nobody listens on just now. */
export async function freeUdpPort(host = '127.0.0.1') {
	const socket = createSocket('udp4');
	await new Promise((done) => socket.bind(0, host, done));
	const { port } = socket.address();
	await new Promise((done) => socket.close(done));
	return port;
}
