// SPDX-License-Identifier: Apache-2.0
// gen-native-vectors.mjs: writes tests/vectors/native.json, the native transport as viem makes it, and the examples in
// docs/native.md.
//
//     node scripts/gen-native-vectors.mjs [directory that has node_modules/viem; default tests/e2e]
//
//   calldata   calls of the inference contract, and the request a model server gets for each
//   requests   datagrams of all three methods, with what was signed
//   knocks     datagrams, and the answers to one
//   answers    to the first request
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import {
	EXACT_PROXY, UPTO_PROXY, about, address, bytes32, domainOf, hex, messageOf, named, pick, privateKeyToAccount, root, typedOf, viem, word, write,
} from "./vectors.mjs";

const { concat, keccak256, stringToHex, toHex } = viem;
const upTo = (most) => Number(word() % BigInt(most + 1));
const list = (most, make) => Array.from({ length: upTo(most) }, make);

// --- calldata ---

const CALL = "(string id, string name, string arguments)";
const MESSAGE = `(string role, string content, string name, string tool_call_id, ${CALL}[] tool_calls)`;
const TOOL = "(string description, string name, string parameters)";
const LIMITS = "uint32 max_tokens, string[] stop_sequence, uint32 temperature";
const abi = viem.parseAbi([
	`function runLLMCompletion((uint8 mode, string modelCID, string prompt, ${LIMITS}) request)`,
	`function runLLMChat((uint8 mode, string modelCID, ${MESSAGE}[] messages, ${TOOL}[] tools, string tool_choice, ${LIMITS}) request)`,
]);
const encode = (functionName, request) => viem.encodeFunctionData({ abi, functionName, args: [request] });

const functionOf = (id, called) => ({ ...(id !== undefined && { id }), type: "function", function: called });

const messageBody = ({ role, content, name, tool_call_id, tool_calls }) => ({
	role,
	content,
	...(name && { name }),
	...(tool_call_id && { tool_call_id }),
	...(tool_calls.length && { tool_calls: tool_calls.map(({ id, name, arguments: text }) => functionOf(id, { name, arguments: text })) }),
});

const toolBody = ({ name, description, parameters }) =>
	functionOf(undefined, { name, ...(description && { description }), parameters: JSON.parse(parameters) });

const bodyOf = (r, stream) => ({
	model: r.modelCID,
	...(r.prompt !== undefined && { prompt: r.prompt }),
	...(r.messages && { messages: r.messages.map(messageBody) }),
	...(r.tools?.length && { tools: r.tools.map(toolBody) }),
	...(r.tool_choice && { tool_choice: r.tool_choice }),
	...(r.max_tokens && { max_tokens: r.max_tokens }),
	...(r.stop_sequence.length && { stop: r.stop_sequence }),
	temperature: r.temperature / 100,
	...(stream && { stream }),
});

const plain = { mode: 0, modelCID: "meta-llama/Llama-3.1-8B-Instruct", max_tokens: 0, stop_sequence: [], temperature: 0 };
const said = (role, content, more) => ({ role, content, name: "", tool_call_id: "", tool_calls: [], ...more });
const completion = (prompt, more) => ({ ...plain, prompt, ...more });
const chat = (messages, more) => ({ ...plain, messages, tools: [], tool_choice: "", ...more });
const weather = { description: "", name: "weather", parameters: '{"type":"object","properties":{"place":{"type":"string"}}}' };
const ask = { id: "call_1", name: "weather", arguments: '{"place":"Zürich \\"HB\\""}' };

const pieces = ["a", "word ", "\n", "\t", '"', "\\", "/", "é", "ß", "漢字", "😀", "\u0001", "\u007f", "\u2028", "</s>", "0123456789abcdef"];
const text = () => Array.from({ length: upTo(12) }, () => pick(pieces)).join("");
const limits = () => ({ max_tokens: pick([0, 1, 256, 2 ** 32 - 1]), stop_sequence: list(3, text), temperature: upTo(100) });
const anyCall = () => ({ id: text(), name: text(), arguments: text() });
const anyMessage = () => {
	const role = pick(["system", "developer", "user", "assistant", "tool"]);
	return said(role, text(), { name: text(), tool_call_id: text(), tool_calls: role === "assistant" ? list(3, anyCall) : [] });
};
const anyTool = () => ({ description: text(), name: text(), parameters: pick(["{}", weather.parameters, JSON.stringify({ [text()]: [text(), 1.5, null] })]) });
const anyCompletion = () => completion(text(), { mode: upTo(1), modelCID: pick(["m", plain.modelCID, "modèle"]), ...limits() });
const anyChat = () =>
	chat([anyMessage(), ...list(3, anyMessage)], {
		mode: upTo(1),
		tools: list(3, anyTool),
		tool_choice: pick(["", "none", "auto", "required"]),
		...limits(),
	});

function calldataVector(name, request, stream = false) {
	const call = request.messages ? "runLLMChat" : "runLLMCompletion";
	return { name, call, tee: request.mode === 1, stream, calldata: encode(call, request), body: bodyOf(request, stream) };
}

function calldataVectors() {
	const vectors = [
		calldataVector("a prompt", completion("Say something")),
		calldataVector("a prompt, all set", completion("Say something", { mode: 1, max_tokens: 64, stop_sequence: ["\n", "###"], temperature: 70 }), true),
		calldataVector("an empty prompt", completion("")),
		calldataVector("a question", chat([said("user", "Say something")])),
		calldataVector("a question, streamed", chat([said("user", "Say something")]), true),
		calldataVector("31, 32 and 33 bytes", chat([31, 32, 33].map((cnt) => said("user", "x".repeat(cnt))))),
		calldataVector("a tool called", chat(
			[
				said("system", "Be brief."), said("user", "And the weather?", { name: "anna" }), said("assistant", "", { tool_calls: [ask, ask] }),
				said("tool", "rain", { tool_call_id: "call_1" }),
			],
			{ mode: 1, tools: [weather, { ...weather, description: "Another" }], tool_choice: "auto", max_tokens: 2 ** 32 - 1, temperature: 100 },
		), true),
	];
	for (const temperature of [1, 9, 10, 11, 90, 99]) vectors.push(calldataVector(`temperature ${temperature}`, completion("t", { temperature })));
	for (let i = 0; i < 24; i++) vectors.push(calldataVector(`completion ${i}`, anyCompletion(), upTo(1) === 1));
	for (let i = 0; i < 40; i++) vectors.push(calldataVector(`chat ${i}`, anyChat(), upTo(1) === 1));
	return vectors;
}

// --- datagrams ---

const MAGIC = stringToHex("TBR1");
const KINDS = { request: 1, knock: 2, cookie: 3, receipt: 4, opened: 5 };
const METHODS = { eip3009: 1, permit2: 2, upto: 3 };
const zeros = (bytes) => `0x${"00".repeat(bytes)}`;
const u16 = (number) => toHex(number, { size: 2 });
const u32 = (number) => toHex(number, { size: 4 });
const u64 = (number) => toHex(number, { size: 8 });

// fields: name and bytes of each, in their order
const datagram = (kind, method, fields) => [...head(kind, method, fields), ...fields];
const bytesOf = (fields) => concat(fields.map(([, bytes]) => bytes));

const sizeOf = (fields) => fields.reduce((sum, [, bytes]) => sum + viem.size(bytes), 0);
const head = (kind, method, fields) => [
	["magic", MAGIC],
	[`kind: ${kind}`, toHex(KINDS[kind], { size: 1 })],
	["method", toHex(method, { size: 1 })],
	["bytes", u16(8 + sizeOf(fields))],
];

const now = 1740672100n;
const COOKIE = "0x8badf00d12345678";

async function requestVector(name, method, calldata, { route = 0, stream = false, cookie = "0x", p = {} } = {}) {
	const key = bytes32();
	const signer = privateKeyToAccount(key);
	const offer = { chainId: pick([1, 8453, 84532, 10740, 2 ** 53 - 1]), asset: address(), tokenName: pick(["USD Coin", "OpenGradient"]), tokenVersion: pick(["1", "2"]) };
	const salt = hex(word(), 16);
	const permit2 = method !== "eip3009";
	const signed = {
		from: signer.address, to: address(), amount: 10000n, validAfter: now - 10n, deadline: now + 55n,
		nonce: keccak256(concat([MAGIC, salt, keccak256(calldata)])),
		token: permit2 ? offer.asset : viem.zeroAddress,
		spender: permit2 ? (method === "upto" ? UPTO_PROXY : EXACT_PROXY) : viem.zeroAddress,
		facilitator: method === "upto" ? address() : viem.zeroAddress,
		...p,
	};
	const typed = typedOf(method, domainOf(method, offer), messageOf(method, signed));
	const signature = await signer.signTypedData(typed);
	const flags = (cookie === "0x" ? 0 : 1) | (stream ? 2 : 0);
	const fields = datagram("request", METHODS[method], [
		["chain", u64(offer.chainId)], ["payer", signed.from], ["asset", offer.asset], ["amount", toHex(signed.amount, { size: 16 })],
		["valid after", u64(signed.validAfter)], ["deadline", u64(signed.deadline)], ["nonce", signed.nonce], ["salt", salt],
		["signature", signature], ["route", toHex(route, { size: 1 })], ["flags", u16(flags)], ["calldata's bytes", u32(viem.size(calldata))],
		["calldata: selector", viem.slice(calldata, 0, 4)], ["and words", viem.slice(calldata, 4)], ["cookie", cookie],
	]);
	return {
		name, method, ...offer, ...signed,
		amount: `${signed.amount}`, validAfter: `${signed.validAfter}`, deadline: `${signed.deadline}`,
		key, digest: viem.hashTypedData(typed), signature, salt, route, stream, cookie, calldata, datagram: fields,
	};
}

async function requestVectors() {
	const prompt = encode("runLLMCompletion", completion("Say something", { max_tokens: 64 }));
	const question = encode("runLLMChat", chat([said("user", "Say something")]));
	const words = (cnt) => encode("runLLMCompletion", completion("x".repeat((cnt - 11) * 32), { modelCID: "m" }));
	const edges = { amount: (1n << 128n) - 1n, validAfter: 0n, deadline: (1n << 64n) - 1n };
	const vectors = [];
	for (const method of Object.keys(METHODS))
		vectors.push(
			await requestVector(`${method}: a prompt`, method, prompt),
			await requestVector(`${method}: a question, streamed, with a cookie`, method, question, { route: 7, stream: true, cookie: COOKIE }),
			await requestVector(`${method}: every bound`, method, prompt, { route: 255, p: edges }),
		);
	vectors.push(await requestVector("the longest", "upto", words(37)), await requestVector("the longest with a cookie", "upto", words(36), { cookie: COOKIE }));
	return vectors;
}

// --- knocks ---

async function knockVector(name, chainId, until, cookie = COOKIE) {
	const key = bytes32();
	const signer = privateKeyToAccount(key);
	const typed = {
		domain: { name: "tollbar", version: "1", chainId },
		types: named({ Knock: [["address", "payer"], ["bytes8", "cookie"], ["uint64", "until"]] }),
		primaryType: "Knock",
		message: { payer: signer.address, cookie, until },
	};
	const signature = await signer.signTypedData(typed);
	const knock = (shown, by) =>
		datagram("knock", 0, [
			["chain", u64(chainId)], ["payer", signer.address], ["zero", zeros(4)], ["until", u64(until)], ["cookie", shown], ["signature", by],
			["zero", zeros(7)],
		]);
	return {
		name, chainId, payer: signer.address, until: `${until}`, cookie, key,
		separator: viem.domainSeparator({ domain: typed.domain, types: { EIP712Domain: viem.getTypesForEIP712Domain({ domain: typed.domain }) } }),
		digest: viem.hashTypedData(typed), signature,
		asks: knock(zeros(8), zeros(65)),
		cookieReply: datagram("cookie", 0, [["cookie", cookie], ["echo", u64(until)]]),
		datagram: knock(cookie, signature),
		opened: datagram("opened", 0, [["until", u64(until)], ["source", "0x00000000000000000000ffffc0000207"]] /* 192.0.2.7 */),
	};
}

async function knockVectors() {
	const vectors = [];
	for (const chainId of [1, 8453, 84532, 2 ** 53 - 1]) vectors.push(await knockVector(`chain ${chainId}`, chainId, now + 300n));
	vectors.push(await knockVector("far", 8453, (1n << 64n) - 1n, "0x0000000000000001"));
	return vectors;
}

const answersTo = ({ nonce }) =>
	[
		{ name: "taken, third in line", id: hex(word(), 16), nonce, reason: 0, place: 3 },
		{ name: "taken, at the model", id: hex(word(), 16), nonce, reason: 0, place: 0 },
		{ name: "replayed", id: zeros(16), nonce, reason: 103, place: 0 },
	].map((receipt) => ({
		...receipt,
		datagram: datagram("receipt", 0, [
			["id", receipt.id], ["nonce", nonce], ["reason", u16(receipt.reason)], ["zero", zeros(2)], ["place", u32(receipt.place)],
		]),
	}));

// --- the document's examples: between `<!-- example: NAME -->` and the end of the block that follows ---

// Offset, at most 32 bytes, and of which field.
function lines(fields) {
	const out = [];
	let offset = 0;
	for (const [name, bytes] of fields)
		for (const [index, piece] of (bytes.slice(2).toLowerCase().match(/.{1,64}/g) ?? []).entries()) {
			out.push(`${`${offset}`.padStart(4)}  ${index > 0 ? piece : `${piece.padEnd(64)}  ${name}`}`);
			offset += piece.length / 2;
		}
	return out;
}

const shown = (vector, ...names) => names.map((name) => `${name.padEnd(12)}  ${vector[name]}`);

function illustrate(examples) {
	const path = resolve(root, "docs/native.md");
	let document = readFileSync(path, "utf8");
	for (const [name, text] of Object.entries(examples)) {
		const block = new RegExp(`(<!-- example: ${name} -->\n\`\`\`\n)[^\`]*(\`\`\`\n)`);
		if (!block.test(document)) throw new Error(`docs/native.md has no example ${name}`);
		document = document.replace(block, (_, start, end) => `${start}${text.join("\n")}\n${end}`);
	}
	writeFileSync(path, document);
}

// --- all of it ---

const requests = await requestVectors();
const knocks = await knockVectors();
const answers = answersTo(requests[0]);

illustrate({
	"what is signed": shown(
		requests[0], "chainId", "asset", "tokenName", "tokenVersion", "from", "to", "amount", "validAfter", "deadline", "salt", "nonce", "key", "digest",
		"signature",
	),
	request: lines(requests[0].datagram),
	receipt: lines(answers[0].datagram),
	"what a knock signs": shown(knocks[1], "chainId", "payer", "cookie", "until", "key", "digest", "signature"),
	asks: lines(knocks[1].asks),
	"cookie reply": lines(knocks[1].cookieReply),
	knock: lines(knocks[1].datagram),
	opened: lines(knocks[1].opened),
});

const flat = (vector) => Object.fromEntries(Object.entries(vector).map(([name, value]) => [name, Array.isArray(value) ? bytesOf(value) : value]));
write("native.json", {
	...about("scripts/gen-native-vectors.mjs", "docs/native.md; EIP-712; the ABI of OpenGradient's inference contract"),
	calldata: calldataVectors(),
	requests: requests.map(flat),
	knocks: knocks.map(flat),
	answers: answers.map(flat),
});
