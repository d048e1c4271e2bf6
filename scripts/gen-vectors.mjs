// SPDX-License-Identifier: Apache-2.0
// gen-vectors.mjs: writes tests/vectors/eip712.json and tests/vectors/payments.json.
//
//     node scripts/gen-vectors.mjs [directory that has node_modules/viem; default tests/e2e]
//
// viem hashes and signs; nothing here shares code with tollbar.  The same viem gives the same files, byte for byte: keys,
// nonces and amounts come from a counter through keccak256, and signatures are deterministic (RFC 6979).
import {
	EXACT_PROXY, UPTO_PROXY, about, account, address, bytes32, domainOf, messageOf, named, pick, privateKeyToAccount, typedOf, types, viem, word,
	write,
} from "./vectors.mjs";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const HALF_ORDER = ORDER >> 1n;
const MAX = (1n << 256n) - 1n;

const head = about(
	"scripts/gen-vectors.mjs",
	"EIP-712; x402 schemes exact and upto for EVM, as of coinbase/x402 commit dd927a2 and @x402/evm 2.27.0",
);
// an older form of the exact witness
const oldWitness = { ...types.permit2, Witness: [["bytes", "extra"], ["address", "to"], ["uint256", "validAfter"]] };

// --- eip712.json ---

const edges = [0n, 1n, (1n << 64n) - 1n, 1n << 64n, (1n << 128n) - 1n, 1n << 255n, MAX];
const number = () => (word() % 3n === 0n ? pick(edges) : word() >> BigInt(Number(word() % 256n)));

async function digestVector(method, index) {
	const signer = account();
	const offer = {
		chainId: pick([1, 8453, 84532, 10740, 2 ** 53 - 1]),
		asset: address(),
		tokenName: pick(["USD Coin", "USDC", "OpenGradient", "x", "A token with a name of 63 characters, the longest that is accepted"].map((n) => n.slice(0, 63))),
		tokenVersion: pick(["1", "2", "v", "10.0.1"]),
	};
	const p = {
		from: signer.address, to: address(), amount: number(), validAfter: number(), deadline: number(), nonce: bytes32(),
		token: method === "eip3009" ? viem.zeroAddress : offer.asset,
		spender: method === "eip3009" ? viem.zeroAddress : pick([EXACT_PROXY, UPTO_PROXY, address()]),
		facilitator: method === "upto" ? address() : viem.zeroAddress,
	};
	const typed = typedOf(method, domainOf(method, offer), messageOf(method, p));
	const domainTypes = viem.getTypesForEIP712Domain({ domain: typed.domain });
	return {
		name: `${method} ${index}`, method, ...offer, ...p,
		amount: p.amount.toString(), validAfter: p.validAfter.toString(), deadline: p.deadline.toString(),
		separator: viem.domainSeparator({ domain: typed.domain, types: { EIP712Domain: domainTypes } }),
		struct: viem.hashStruct({ data: typed.message, primaryType: typed.primaryType, types: typed.types }),
		digest: viem.hashTypedData(typed),
		signature: await signer.signTypedData(typed),
	};
}

async function digestVectors() {
	const vectors = [];
	for (const method of ["eip3009", "permit2", "upto"])
		for (let i = 0; i < 24; i++) vectors.push(await digestVector(method, i));
	return vectors;
}

// --- payments.json: headers against three offers at one moment, with the reason each must end in ---

const now = 1740672100n;
const payTo = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
const facilitator = "0x1111111111111111111111111111111111111111";
const usdc = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
const opg = "0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB";
const offers = {
	eip3009: { method: "eip3009", chainId: 84532, asset: usdc, payTo, amount: "10000", maxTimeoutSeconds: 60, tokenName: "USDC", tokenVersion: "2" },
	permit2: { method: "permit2", chainId: 84532, asset: usdc, payTo, amount: "10000", maxTimeoutSeconds: 60, tokenName: "USDC", tokenVersion: "2" },
	upto: { method: "upto", chainId: 8453, asset: opg, payTo, facilitator, amount: "100000000000000000", maxTimeoutSeconds: 300, tokenName: "OpenGradient", tokenVersion: "1" },
};
const payer = privateKeyToAccount(`0x${"42".repeat(32)}`);
const other = privateKeyToAccount(`0x${"43".repeat(32)}`);

const acceptedOf = (offer) => ({
	scheme: offer.method === "upto" ? "upto" : "exact",
	network: `eip155:${offer.chainId}`,
	amount: offer.amount, asset: offer.asset, payTo: offer.payTo, maxTimeoutSeconds: offer.maxTimeoutSeconds,
	extra: {
		name: offer.tokenName, version: offer.tokenVersion,
		...(offer.method !== "eip3009" && { assetTransferMethod: "permit2" }),
		...(offer.facilitator && { facilitatorAddress: offer.facilitator }),
	},
});

const authorizationOf = (method, p) =>
	method === "eip3009"
		? { from: p.from, to: p.to, value: `${p.amount}`, validAfter: `${p.validAfter}`, validBefore: `${p.deadline}`, nonce: p.nonce }
		: {
				from: p.from, permitted: { token: p.token, amount: `${p.amount}` }, spender: p.spender,
				nonce: BigInt(p.nonce).toString(), deadline: `${p.deadline}`,
				witness: { to: p.to, ...(method === "upto" && { facilitator: p.facilitator }), validAfter: `${p.validAfter}` },
			};

const split = (signature) => ({ r: BigInt(signature.slice(0, 66)), s: BigInt(`0x${signature.slice(66, 130)}`), v: BigInt(`0x${signature.slice(130)}`) });
const join = ({ r, s, v }) => viem.concat([viem.toHex(r, { size: 32 }), viem.toHex(s, { size: 32 }), viem.toHex(v, { size: 1 })]);

// change: what is signed differs from a good payment (p), the offer the domain is made from (domain), or the types (table);
// after: what is done to the message once it is signed.
async function payment(method, { p = {}, domain = {}, rawDomain = {}, table, signer = payer, version = 2, signature, after } = {}) {
	const offer = offers[method];
	const signed = {
		from: payer.address, to: offer.payTo, amount: BigInt(offer.amount), validAfter: now - 10n, deadline: now + 55n, nonce: bytes32(),
		token: offer.asset, spender: method === "upto" ? UPTO_PROXY : EXACT_PROXY, facilitator: offer.facilitator, ...p,
	};
	const made = { ...domainOf(method, { ...offer, ...domain }), ...rawDomain };
	const typed = typedOf(method, made, messageOf(method, signed), table);
	let bytes = await signer.signTypedData(typed);
	if (signature) bytes = typeof signature === "function" ? signature(bytes) : signature;
	const form = method === "eip3009" ? "authorization" : "permit2Authorization";
	const payload = { signature: bytes, [form]: authorizationOf(method, signed) };
	const v2 = { x402Version: 2, resource: { url: "https://node.example/v1/chat/completions" }, accepted: acceptedOf(offer), payload };
	const v1 = { x402Version: 1, scheme: "exact", network: "base-sepolia", payload };
	const message = version === 1 ? v1 : v2;
	after?.(message);
	return message;
}

const base64 = (text) => Buffer.from(text).toString("base64");

async function paymentRows() {
	const rows = [];
	const add = async (name, reason, method, change = {}, encode = (text) => base64(text)) =>
		rows.push({ name, version: change.version ?? 2, reason, header: encode(JSON.stringify(await payment(method, change))) });
	const all = async (name, reason, change, encode) => {
		for (const method of ["eip3009", "permit2", "upto"])
			await add(`${method}: ${name}`, typeof reason === "string" ? reason : reason[method], method, typeof change === "function" ? change(method) : change, encode);
	};
	const form = (m) => m.payload.authorization ?? m.payload.permit2Authorization;

	await all("as the reference client makes it", "ok", {});
	await add("v1", "ok", "eip3009", { version: 1 });

	// signatures
	await all("v 0 or 1", { eip3009: "ok", permit2: "signature_form", upto: "signature_form" },
		{ signature: (s) => join({ ...split(s), v: split(s).v - 27n }) });
	await all("v of the other parity", "signature_bad", { signature: (s) => join({ ...split(s), v: 55n - split(s).v }) });
	for (const v of [2n, 26n, 29n, 30n, 31n, 35n, 255n]) await all(`v ${v}`, "signature_form", { signature: (s) => join({ ...split(s), v }) });
	await all("high s, parity turned", "signature_form",
		{ signature: (s) => { const { r, s: low, v } = split(s); return join({ r, s: ORDER - low, v: 55n - v }); } });
	await all("s just above half the order", "signature_form", { signature: (s) => join({ ...split(s), s: HALF_ORDER + 1n }) });
	await all("s half the order", "signature_bad", { signature: (s) => join({ ...split(s), s: HALF_ORDER }) });
	for (const [what, value] of [["0", 0n], ["the order", ORDER], ["2^256 - 1", MAX]]) {
		await all(`r ${what}`, "signature_form", { signature: (s) => join({ ...split(s), r: value }) });
		await all(`s ${what}`, "signature_form", { signature: (s) => join({ ...split(s), s: value }) });
	}
	await all("r no point's", "signature_bad", { signature: (s) => join({ ...split(s), r: 5n }) });
	await all("compact, 64 bytes", "signature_form",
		{ signature: (s) => { const { r, s: low, v } = split(s); return viem.concat([viem.toHex(r, { size: 32 }), viem.toHex(low | ((v - 27n) << 255n), { size: 32 })]); } });
	await all("66 bytes", "signature_form", { signature: (s) => `${s}00` });
	await all("a contract's, wrapped", "signature_form",
		{ signature: (s) => viem.concat([viem.encodeAbiParameters([{ type: "address" }, { type: "bytes" }, { type: "bytes" }], [facilitator, "0x", s]), `0x${"6492".repeat(16)}`]) });
	await all("nothing", "signature_form", { signature: "0x" });
	await all("no 0x", "signature_form", { signature: (s) => s.slice(2) });
	await all("a digit short", "signature_form", { signature: (s) => s.slice(0, -1) });
	await all("by another key", "signature_bad", { signer: other });
	await all("zero payer, nothing recovers", "payer_zero", { p: { from: viem.zeroAddress }, signature: `0x${"00".repeat(65)}` });
	await all("zero payer, good signature", "payer_zero", { p: { from: viem.zeroAddress } });

	// each signed field changed after signing: the victim's nonce, or a payment moved
	await all("another payer named", "signature_bad", { after: (m) => { form(m).from = other.address; } });
	await all("nonce changed", "signature_bad", { after: (m) => { const f = form(m); f.nonce = f.nonce.startsWith("0x") ? bytes32() : "7"; } });
	await all("deadline changed", "signature_bad", { after: (m) => { const f = form(m); f[f.deadline ? "deadline" : "validBefore"] = `${now + 54n}`; } });
	await all("validAfter changed", "signature_bad", { after: (m) => { const f = form(m); (f.witness ?? f).validAfter = "0"; } });
	await all("amount of another signature", "signature_bad", (method) => ({ p: { amount: 1n }, after: (m) => { const f = form(m); if (f.permitted) f.permitted.amount = offers[method].amount; else f.value = offers[method].amount; } }));
	await all("payee of another signature", "signature_bad", { p: { to: facilitator }, after: (m) => { const f = form(m); (f.witness ?? f).to = payTo; } });

	// another domain or type
	await all("another chain's domain", "signature_bad", { domain: { chainId: 1 } });
	await all("another contract's domain", "signature_bad", { rawDomain: { verifyingContract: facilitator } });
	await add("name of the other USDC", "signature_bad", "eip3009", { domain: { tokenName: "USD Coin" } });
	await add("another version", "signature_bad", "eip3009", { domain: { tokenVersion: "1" } });
	await all("a salt in the domain", "signature_bad", { rawDomain: { salt: `0x${"00".repeat(32)}` } });
	for (const method of ["permit2", "upto"]) await add(`${method}: a version in the domain`, "signature_bad", method, { rawDomain: { version: "1" } });
	for (const method of ["permit2", "upto"]) await add(`${method}: old witness with extra`, "signature_bad", method, { table: oldWitness });
	await add("exact signed with upto's witness", "signature_bad", "permit2", { table: types.upto, p: { facilitator } });
	await add("upto signed with exact's witness", "signature_bad", "upto", { table: types.permit2 });

	// the offer
	for (const [field, value] of [["amount", "1"], ["asset", facilitator], ["payTo", facilitator], ["maxTimeoutSeconds", 61]])
		await all(`accepted ${field} changed`, field === "asset" ? { eip3009: "asset_wrong", permit2: "offer_unmatched", upto: "offer_unmatched" } : "offer_unmatched", { after: (m) => { m.accepted[field] = value; } });
	await all("accepted network changed", "network_wrong", { after: (m) => { m.accepted.network = "eip155:1"; } });
	await all("accepted network with a leading zero", "network_wrong", { after: (m) => { m.accepted.network = m.accepted.network.replace(":", ":0"); } });
	await all("accepted transfer method of another form", "offer_unmatched", (method) => ({ after: (m) => { m.accepted.extra.assetTransferMethod = method === "eip3009" ? "permit2" : "eip3009"; } }));
	await all("addresses in lower case", "ok", { after: (m) => { m.accepted.asset = m.accepted.asset.toLowerCase(); m.accepted.payTo = m.accepted.payTo.toLowerCase(); } });
	await all("hexadecimal in upper case", "ok", { after: (m) => { const f = form(m); m.payload.signature = `0x${m.payload.signature.slice(2).toUpperCase()}`; f.from = `0x${f.from.slice(2).toUpperCase()}`; } });
	await all("accepted and signed cheaper", "offer_unmatched", { p: { amount: 1n }, after: (m) => { m.accepted.amount = "1"; } });
	await all("one unit less", "amount_wrong", (method) => ({ p: { amount: BigInt(offers[method].amount) - 1n } }));
	await all("one unit more", "amount_wrong", (method) => ({ p: { amount: BigInt(offers[method].amount) + 1n } }));
	await all("2^64 more", "amount_wrong", (method) => ({ p: { amount: BigInt(offers[method].amount) + (1n << 64n) } }));
	await all("2^128 more", "amount_wrong", (method) => ({ p: { amount: BigInt(offers[method].amount) + (1n << 128n) } }));
	await all("to another payee", "payee_wrong", { p: { to: facilitator } });
	await add("cheap token signed", "asset_wrong", "permit2", { p: { token: facilitator } });
	await add("spender is upto's", "spender_wrong", "permit2", { p: { spender: UPTO_PROXY } });
	await add("spender is exact's", "spender_wrong", "upto", { p: { spender: EXACT_PROXY } });
	await add("another facilitator", "facilitator_wrong", "upto", { p: { facilitator: payTo } });

	// times
	const timeout = (method) => BigInt(offers[method].maxTimeoutSeconds);
	await all("deadline now + 6", "ok", { p: { deadline: now + 6n } });
	await all("deadline now + 5", "expired", { p: { deadline: now + 5n } });
	await all("deadline 0", "expired", { p: { deadline: 0n } });
	await all("deadline at the horizon", "ok", (method) => ({ p: { deadline: now + timeout(method) + 30n } }));
	await all("deadline past the horizon", "deadline_far", (method) => ({ p: { deadline: now + timeout(method) + 31n } }));
	await all("deadline 2^64 later", "deadline_far", { p: { deadline: now + 55n + (1n << 64n) } });
	await all("deadline 2^256 - 1", "deadline_far", { p: { deadline: MAX } });
	await all("valid from now", "ok", { p: { validAfter: now } });
	await all("valid in a second", "not_yet", { p: { validAfter: now + 1n } });
	await all("valid after 2^64", "not_yet", { p: { validAfter: 1n << 64n } });

	// spellings
	await all("padding left off", "ok", {}, (text) => base64(text).replace(/=+$/, ""));
	await all("escapes in strings", "ok", {}, (text) => base64(text.replace('"from":"0x', '"fr\\u006fm":"\\u0030x')));
	await all("white space", "ok", {}, (text) => base64(JSON.stringify(JSON.parse(text), null, 2)));
	await add("63 digits of nonce", "payment_field", "eip3009", { p: { nonce: `0x${"ab".repeat(31)}c0` }, after: (m) => { m.payload.authorization.nonce = `0x${"ab".repeat(31)}c`; } });
	await add("v1 in the v2 header", "payment_version", "eip3009", { version: 1 });
	rows[rows.length - 1].version = 2;
	await add("v2 in the v1 header", "payment_version", "eip3009", {});
	rows[rows.length - 1].version = 1;
	return rows;
}

write("eip712.json", { ...head, vectors: await digestVectors() });
write("payments.json", { ...head, now: Number(now), offers: Object.values(offers), payments: await paymentRows() });
