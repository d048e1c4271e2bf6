// SPDX-License-Identifier: Apache-2.0
// gen-ec-vectors.mjs: writes tests/vectors/ecdsa.json: signatures that have broken implementations, each with why it is there.
//
//     node scripts/gen-ec-vectors.mjs [directory that has node_modules/@noble/curves; default tests/e2e]
//
// Every answer is computed here, by ecrecover's definition over @noble/curves' complete point formulas and a low s: a third
// implementation beside libsecp256k1 and our own.  Numbers come from a counter through keccak256, so the file is always the
// same.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const modules = resolve(process.argv[2] ?? resolve(root, "tests/e2e"));
const require = createRequire(resolve(modules, "package.json"));
const { secp256k1 } = require("@noble/curves/secp256k1");
const { keccak_256 } = require("@noble/hashes/sha3");
const Point = secp256k1.Point ?? secp256k1.ProjectivePoint;

const P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const HALF = N >> 1n;
const LAMBDA = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n;

const mod = (a, m = N) => ((a % m) + m) % m;
const power = (base, exponent, m) => {
	let result = 1n;
	for (base = mod(base, m); exponent > 0n; exponent >>= 1n, base = (base * base) % m) if (exponent & 1n) result = (result * base) % m;
	return result;
};
const inverse = (a) => power(a, N - 2n, N);
const bytes = (number, length) => Uint8Array.from(Buffer.from(number.toString(16).padStart(2 * length, "0"), "hex"));
const hex = (array) => "0x" + Buffer.from(array).toString("hex");
const times = (point, scalar) => (mod(scalar) === 0n ? Point.ZERO : point.multiplyUnsafe(mod(scalar)));
const keyBytes = (point) => point.toBytes ? point.toBytes(false).slice(1) : point.toRawBytes(false).slice(1);
const addressOf = (point) => keccak_256(keyBytes(point)).slice(12);

let counter = 0;
const number = () => mod(BigInt(hex(keccak_256(bytes(BigInt(++counter), 32)))));

// The point that recovery starts from, or null.
const lift = (r, id) => {
	const x = id >= 2 ? r + N : r;
	if (x >= P) return null;
	const square = mod(x ** 3n + 7n, P), root_ = power(square, (P + 1n) / 4n, P);
	if (mod(root_ * root_, P) !== square) return null;
	return Point.fromAffine({ x, y: (root_ & 1n) === BigInt(id & 1) ? root_ : P - root_ });
};
const recover = ({ digest, r, s, id }) => {
	if (id > 3 || r === 0n || r >= N || s === 0n || s >= N) return null;
	const point = lift(r, id);
	if (point === null) return null;
	const key = times(point, s * inverse(r)).add(times(Point.BASE, -digest * inverse(r)));
	return key.equals(Point.ZERO) ? null : key;
};

const vectors = [];
const add = (why, signature, signer) => {
	const key = recover(signature), claimed = signer ?? key ?? Point.BASE;
	const good = key !== null && signature.s <= HALF && hex(addressOf(key)) === hex(addressOf(claimed));
	vectors.push({
		why,
		digest: hex(bytes(signature.digest, 32)),
		signature: hex(bytes(signature.r, 32)) + hex(bytes(signature.s, 32)).slice(2),
		recoveryId: String(signature.id),
		key: hex(keyBytes(claimed)),
		verdict: good ? "good" : "bad",
	});
};
const sign = (secret, k, digest) => {
	const point = times(Point.BASE, k).toAffine(), r = mod(point.x);
	let s = mod(inverse(k) * (digest + r * secret)), id = Number(point.y & 1n) | (point.x >= N ? 2 : 0);
	if (s > HALF) [s, id] = [N - s, id ^ 1];
	return { digest, r, s, id };
};
const keyOf = (secret) => times(Point.BASE, secret);

// --- ordinary, and spoiled in one place ---
for (let i = 0; i < 8; i++) {
	const secret = number(), signature = sign(secret, number(), number()), key = keyOf(secret);
	add("an ordinary signature", signature, key);
	add("the other s: as good to the curve, refused by token contracts", { ...signature, s: N - signature.s, id: signature.id ^ 1 }, key);
	add("the other parity: another key", { ...signature, id: signature.id ^ 1 }, key);
	add("recovery id for x = r + n, which is no field element", { ...signature, id: signature.id | 2 }, key);
	add("recovery id out of range", { ...signature, id: signature.id + 4 }, key);
	add("one bit of the digest", { ...signature, digest: signature.digest ^ (1n << BigInt(31 * i)) }, key);
	add("one bit of s", { ...signature, s: signature.s ^ (1n << BigInt(27 * i)) }, key);
	add("another one's key", signature, keyOf(number()));
}
// --- the ends of the ranges ---
for (const [why, r] of [["r = 0", 0n], ["r = n", N], ["r = n - 1", N - 1n], ["r = p - n - 1", P - N - 1n], ["r = p - n", P - N], ["r of 256 ones", (1n << 256n) - 1n]])
	for (let id = 0; id < 4; id++) add(`${why}, recovery id ${id}`, { digest: number(), r, s: number() % HALF, id });
for (const [why, s] of [["s = 0", 0n], ["s = 1", 1n], ["s = (n - 1) / 2, the last low one", HALF], ["s = (n + 1) / 2, the first high one", HALF + 1n], ["s = n - 1", N - 1n], ["s = n", N], ["s of 256 ones", (1n << 256n) - 1n]])
	add(why, { ...sign(number(), number(), number()), s });
for (let r = 1n; r < 8n; r++)
	for (let id = 0; id < 4; id++) add(`r = ${r}, recovery id ${id}: x may be r or r + n, and may be no point's`, { digest: number(), r, s: number() % HALF, id });
for (const [why, digest] of [["digest 0: nothing of G in the sum", 0n], ["digest n: the same", N], ["digest n - 1", N - 1n], ["digest n + 1: digests are not reduced before", N + 1n], ["digest of 256 ones", (1n << 256n) - 1n]]) {
	const secret = number();
	add(why, sign(secret, number(), digest), keyOf(secret));
}
// --- known discrete logarithms: sums that meet their like ---
const special = [["1", 1n], ["2", 2n], ["3", 3n], ["-1", N - 1n], ["1/2", HALF + 1n], ["lambda", LAMBDA], ["lambda^2", mod(LAMBDA ** 2n)], ["-lambda", N - LAMBDA], ["2^128", 1n << 128n], ["2^129", 1n << 129n]];
for (const [a, secret] of special) {
	add(`secret ${a}`, sign(secret, number(), number()), keyOf(secret));
	add(`nonce ${a}`, sign(special[0][1] + number(), secret, number()));
	for (const [b, k] of special) add(`secret ${a}, nonce ${b}, small digest`, sign(secret, k, BigInt(++counter)), keyOf(secret));
}
// u1 G = ± u2 Q, and u1 = ± u2, for the verifier's u1 = z / s and u2 = r / s
for (const [a, secret] of special)
	for (const [why, u1] of [["u2 d", (u2) => mod(u2 * secret)], ["u2", (u2) => u2], ["-u2", (u2) => N - u2], ["lambda u2", (u2) => mod(u2 * LAMBDA)]]) {
		const u2 = number(), k = mod(u1(u2) + u2 * secret);
		if (k === 0n) continue;
		const r = mod(times(Point.BASE, k).toAffine().x), s = mod(r * inverse(u2));
		add(`secret ${a}, u1 = ${why}`, sign(secret, k, mod(u1(u2) * s)), keyOf(secret));
	}
// --- infinity ---
for (let i = 0; i < 4; i++) {
	const k = number(), point = times(Point.BASE, k).toAffine(), s = number() % HALF, r = mod(point.x), secret = number();
	add("s R = z G: recovery ends at infinity", { digest: mod(s * k), r, s, id: Number(point.y & 1n) }, keyOf(secret));
	add("z = -r d: with this key the sum is infinity", { digest: mod(-r * secret), r, s, id: 0 }, keyOf(secret));
}
// --- found by solving for the one scalar that breaks a sum (tests/unit/test_ec_exceptional.c) ---
for (const [why, v1, v2] of [
	["G's part of the recovery is twice the point its two halves share", 0xfffffffffffffffffffffffffffffff9445cac3e1cc2498eee42b6faec057f63n, number()],
	["R's part of the recovery ends with the row it has come to", number(), mod(26n * LAMBDA)],
]) {
	let signature;
	do {
		const k = number(), point = times(Point.BASE, k).toAffine(), r = mod(point.x);
		signature = { digest: mod(-v1 * r), r, s: mod(v2 * r), id: Number(point.y & 1n) };
	} while (signature.s > HALF);
	add(why, signature);
}

const { version } = JSON.parse(readFileSync(resolve(modules, "node_modules/@noble/curves/package.json")));
const file = resolve(root, "tests/vectors/ecdsa.json");
writeFileSync(file, JSON.stringify({ generator: "scripts/gen-ec-vectors.mjs", source: "SEC 1 v2 4.1.6; EIP-2 (low s)", tools: `@noble/curves ${version}`, vectors }, null, "\t") + "\n");
console.log(`${vectors.length} vectors, ${vectors.filter((v) => v.verdict === "good").length} good`);
