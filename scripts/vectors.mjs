// SPDX-License-Identifier: Apache-2.0
// vectors.mjs: what the generators of tests/vectors share: viem, repeatable numbers, and the typed data of the payments.
//
// viem comes from the directory that is the generator's argument, which has node_modules/viem; default tests/e2e.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(resolve(process.argv[2] ?? resolve(root, "tests/e2e"), "package.json"));
export const viem = require("viem");
export const { privateKeyToAccount } = require("viem/accounts");

export const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
export const EXACT_PROXY = "0x402085c248EeA27D92E8b30b2C58ed07f9E20001";
export const UPTO_PROXY = "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002";

// --- repeatable numbers ---

let counter = 0;
export const word = () => BigInt(viem.keccak256(viem.toHex(++counter, { size: 32 })));
export const pick = (list) => list[Number(word() % BigInt(list.length))];
export const hex = (number, bytes) => viem.toHex(number & ((1n << BigInt(8 * bytes)) - 1n), { size: bytes });
export const address = () => viem.getAddress(hex(word(), 20));
export const bytes32 = () => hex(word(), 32);
export const account = () => privateKeyToAccount(bytes32());

// --- typed data ---

export const types = {
	eip3009: {
		TransferWithAuthorization: [
			["address", "from"], ["address", "to"], ["uint256", "value"], ["uint256", "validAfter"],
			["uint256", "validBefore"], ["bytes32", "nonce"],
		],
	},
	permit2: {
		PermitWitnessTransferFrom: [
			["TokenPermissions", "permitted"], ["address", "spender"], ["uint256", "nonce"], ["uint256", "deadline"],
			["Witness", "witness"],
		],
		TokenPermissions: [["address", "token"], ["uint256", "amount"]],
		Witness: [["address", "to"], ["uint256", "validAfter"]],
	},
};
types.upto = { ...types.permit2, Witness: [["address", "to"], ["address", "facilitator"], ["uint256", "validAfter"]] };

export const named = (table) =>
	Object.fromEntries(Object.entries(table).map(([name, fields]) => [name, fields.map(([type, field]) => ({ type, name: field }))]));

export const domainOf = (method, { chainId, asset, tokenName, tokenVersion }) =>
	method === "eip3009"
		? { name: tokenName, version: tokenVersion, chainId, verifyingContract: asset }
		: { name: "Permit2", chainId, verifyingContract: PERMIT2 };

export const messageOf = (method, p) =>
	method === "eip3009"
		? { from: p.from, to: p.to, value: p.amount, validAfter: p.validAfter, validBefore: p.deadline, nonce: p.nonce }
		: {
				permitted: { token: p.token, amount: p.amount },
				spender: p.spender,
				nonce: BigInt(p.nonce),
				deadline: p.deadline,
				witness: { to: p.to, facilitator: p.facilitator, validAfter: p.validAfter, extra: "0x" },
			};

export const typedOf = (method, domain, message, table = types[method]) => ({
	domain,
	types: named(table),
	primaryType: method === "eip3009" ? "TransferWithAuthorization" : "PermitWitnessTransferFrom",
	message,
});

// --- the files ---

// The fields every file begins with: which generator made it, what it goes by, and with what.
export const about = (generator, source) => ({ generator, source, tools: `viem ${require("viem/package.json").version}` });

export const write = (name, value) => writeFileSync(resolve(root, "tests/vectors", name), `${JSON.stringify(value, null, "\t")}\n`);
