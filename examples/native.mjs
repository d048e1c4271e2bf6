// SPDX-License-Identifier: Apache-2.0
// A client of the native transport (docs/native.md), in full: viem, node:dgram, and nothing of tollbar.
//
//     node native.mjs KEY_FILE http://node.example:8402/v1/chat/completions MODEL "Say something"
//
// The offer comes from the 402 of the same URL.  The request is one signed datagram, its receipt another, and the answer is
// fetched over HTTP, as often as one likes.
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { concat, encodeFunctionData, hexToBytes, keccak256, parseAbi, size, slice, stringToHex, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const MAGIC = stringToHex('TBR1');
const CALL = '(string id, string name, string arguments)';
const MESSAGE = `(string role, string content, string name, string tool_call_id, ${CALL}[] tool_calls)`;
const TOOL = '(string description, string name, string parameters)';
const LIMITS = 'uint32 max_tokens, string[] stop_sequence, uint32 temperature';
const abi = parseAbi([
	`function runLLMChat((uint8 mode, string modelCID, ${MESSAGE}[] messages, ${TOOL}[] tools, string tool_choice, ${LIMITS}) request)`,
]);
const integer = (number, bytes) => toHex(number, { size: bytes });

/* calldataOf: an OpenAI chat without tools, as a call. */
function calldataOf({ model, messages, max_tokens = 0, stop = [], temperature = 1 }) {
	const all = messages.map((message) => ({ name: '', tool_call_id: '', tool_calls: [], ...message }));
	const limits = { max_tokens, stop_sequence: stop, temperature: Math.round(100 * temperature) };
	const request = { mode: 0, modelCID: model, messages: all, tools: [], tool_choice: '', ...limits };
	return encodeFunctionData({ abi, functionName: 'runLLMChat', args: [request] });
}

/* offerOf: the first exact offer that is paid by EIP-3009, and where to send what pays it. */
async function offerOf(url, body) {
	const first = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
	const { accepts, extensions } = JSON.parse(atob(first.headers.get('PAYMENT-REQUIRED') ?? btoa('{}')));
	const offer = accepts?.find(({ scheme, extra }) => scheme === 'exact' && !extra.assetTransferMethod);
	if (!offer || !extensions?.['tollbar-native']) throw new Error(`${first.status}, and no native offer`);
	return { ...offer, ...extensions['tollbar-native'].info };
}

/* signRequest: → { nonce, deadline, datagram(cookie) }.  The signature does not cover the cookie. */
async function signRequest(account, { asset, amount, network, payTo, maxTimeoutSeconds, extra, route }, calldata) {
	const chainId = Number(network.split(':')[1]);
	const salt = toHex(crypto.getRandomValues(new Uint8Array(16)));
	const nonce = keccak256(concat([MAGIC, salt, keccak256(calldata)]));
	const deadline = BigInt(Math.floor(Date.now() / 1000) + maxTimeoutSeconds);
	const [uint256, address, value] = ['uint256', 'address', BigInt(amount)];
	const types = { from: address, to: address, value: uint256, validAfter: uint256, validBefore: uint256, nonce: 'bytes32' };
	const signature = await account.signTypedData({
		domain: { name: extra.name, version: extra.version, chainId, verifyingContract: asset },
		types: { TransferWithAuthorization: Object.entries(types).map(([name, type]) => ({ name, type })) },
		primaryType: 'TransferWithAuthorization',
		message: { from: account.address, to: payTo, value, validAfter: 0n, validBefore: deadline, nonce },
	});
	const terms = concat([integer(chainId, 8), account.address, asset, integer(value, 16), integer(0, 8), integer(deadline, 8)]);
	const datagram = (cookie) => {
		const flags = integer(size(cookie) > 0 ? 1 : 0, 2);
		const asked = concat([integer(route, 1), flags, integer(size(calldata), 4), calldata, cookie]);
		return hexToBytes(concat([MAGIC, '0x0101', integer(201 + size(asked), 2), terms, nonce, salt, signature, asked]));
	};
	return { nonce, deadline, datagram };
}

/* receiptOf: sends until there is a receipt, with a cookie once it is asked for one.  → { id, reason } */
function receiptOf(socket, { nonce, deadline, datagram }) {
	let [cookie, cookies, pause, timer] = ['0x', 0, 250];
	return new Promise((done, failed) => {
		const send = () => {
			if (Date.now() > 1000 * (Number(deadline) - 6)) return failed(new Error('no receipt'));
			socket.send(datagram(cookie));
			timer = setTimeout(send, pause);
			pause = Math.min(1000, 2 * pause);
		};
		socket.on('error', failed).on('message', (answer) => {
			const hex = toHex(answer);
			const is = (head, bytes) => answer.length === bytes && slice(hex, 0, 8) === concat([MAGIC, head]);
			if (is('0x04000040', 64) && slice(hex, 24, 56) === nonce) done({ id: hex.slice(18, 50), reason: answer.readUInt16BE(56) });
			if (!is('0x03000018', 24) || slice(hex, 16, 24) !== slice(nonce, 0, 8) || cookies++ === 3) return;
			cookie = slice(hex, 8, 16);
			clearTimeout(timer);
			send();
		});
		send();
	}).finally(() => clearTimeout(timer));
}

const [key, url, model, content] = process.argv.slice(2);
const body = { model, messages: [{ role: 'user', content }] };
const offer = await offerOf(url, body);
const request = await signRequest(privateKeyToAccount(readFileSync(key, 'utf8').trim()), offer, calldataOf(body));
const { address, family } = await lookup(new URL(url).hostname.replace(/^\[|\]$/g, ''));
const socket = createSocket(`udp${family}`);
await new Promise((connected) => socket.connect(offer.port, address, connected));
const { id, reason } = await receiptOf(socket, request).finally(() => socket.close());
if (reason !== 0) throw new Error(`refused: reason ${reason}`);
const result = () => fetch(`${new URL(url).origin}/v1/requests/${id}?wait=60`);
let answer = await result();
while (answer.status === 202) answer = await result();
console.log(await answer.text());
