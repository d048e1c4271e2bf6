// SPDX-License-Identifier: Apache-2.0
// Thousands of payments, good and mutated, judged by the gate's own code (tests/tools/verdict.c) and by the reference
// verifier (@x402/evm, its chain calls answered here).  The verdicts must be the same, but where STRICTER says why not.
// Where the gate would accept what the reference refuses there is no excuse, but SAME.
//
//   DIFFERENTIAL_COUNT  payments (default 2000)      DIFFERENTIAL_SEED  repeats a run
import './lib/node18.mjs';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import { decodePaymentSignatureHeader } from '@x402/core/http';
import { ExactEvmScheme } from '@x402/evm/exact/facilitator';
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/facilitator';
import { UptoEvmScheme } from '@x402/evm/upto/facilitator';
import { NETWORK, NETWORK_V1 } from './lib/chain.mjs';
import { SAME, STRICTER } from './lib/differences.mjs';
import { fits, MUTATIONS } from './lib/mutations.mjs';
import { asV1, authorize, METHODS, typedData } from './lib/payment.mjs';
import { built, scratch } from './lib/process.mjs';
import { REASONS } from './lib/reasons.mjs';
import { AMOUNT, configuration, MAX_TIMEOUT_S } from './lib/tollbar.mjs';

const COUNT = Number(process.env.DIFFERENTIAL_COUNT ?? 2000);
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? Math.floor(Math.random() * 2 ** 32));
const NOW = 1_800_000_000; // both judges see this time
Date.now = () => NOW * 1000;

/* mulberry32: small, seeded, good enough to choose mutations */
function makeRandom(seed) {
	let state = seed >>> 0;
	const next = () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), state | 1);
		t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
		return (t ^ (t >>> 14)) >>> 0;
	};
	const below = (n) => next() % n;
	const hex = (bytes) => Array.from({ length: bytes }, () => below(256).toString(16).padStart(2, '0')).join('');
	return { below, hex, pick: (array) => array[below(array.length)] };
}

const random = makeRandom(SEED);
const accounts = Array.from({ length: 8 }, () => privateKeyToAccount(`0x${random.hex(32)}`));
const chain = {
	token: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
	tokenName: 'USDC',
	tokenVersion: '2',
	payTo: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
	facilitator: { address: '0x1111111111111111111111111111111111111111' },
};

function offerOf(method) {
	const extra = { name: chain.tokenName, version: chain.tokenVersion };
	if (method !== 'eip3009') extra.assetTransferMethod = 'permit2';
	if (method === 'upto') extra.facilitatorAddress = chain.facilitator.address;
	return {
		scheme: method === 'upto' ? 'upto' : 'exact',
		network: NETWORK,
		amount: String(AMOUNT),
		asset: chain.token,
		payTo: chain.payTo,
		maxTimeoutSeconds: MAX_TIMEOUT_S,
		extra,
	};
}
const OFFERS = Object.fromEntries(METHODS.map((method) => [method, offerOf(method)]));
const { amount, ...OFFER_V1 } = { ...OFFERS.eip3009, network: NETWORK_V1, maxAmountRequired: OFFERS.eip3009.amount };

// --- the reference ---

const signer = {
	getAddresses: () => [chain.facilitator.address],
	getCode: async ({ address }) => (address.toLowerCase() === chain.token.toLowerCase() ? '0x60' : undefined),
	readContract: async () => undefined, // every simulation succeeds: funds and nonces are the chain's business
};
const verifiers = {
	exact: new ExactEvmScheme(signer),
	upto: new UptoEvmScheme(signer),
	v1: new ExactEvmSchemeV1(signer),
};

/* What the reference server does between the header and the verifier: decode, look at the version, find the offer.  A
 * field that is not looked at there (accepted.amount, say) is not looked at here: the verifier alone is the judge. */
async function reference(version, header) {
	try {
		const payload = decodePaymentSignatureHeader(header);
		if (payload.x402Version !== version) return 'invalid_x402_version';
		if (version === 1) return verdictOf(await verifiers.v1.verify(payload, OFFER_V1));
		const permit2 = 'permit2Authorization' in payload.payload;
		const offer = payload.accepted.scheme === 'upto' ? OFFERS.upto : permit2 ? OFFERS.permit2 : OFFERS.eip3009;
		if (payload.accepted.scheme !== offer.scheme) return 'unsupported_scheme';
		return verdictOf(await verifiers[offer.scheme].verify(payload, offer));
	} catch (error) {
		return `threw ${error.constructor.name}`;
	}
}
const verdictOf = ({ isValid, invalidReason }) => (isValid === true ? 'ok' : String(invalidReason));

// --- the payments ---

function mutableDraft(method) {
	const offer = structuredClone(OFFERS[method]);
	const account = random.pick(accounts);
	const nonce = random.hex(32);
	const authorization = authorize(offer, account.address, {
		nonce: method === 'eip3009' ? `0x${nonce}` : BigInt(`0x${nonce}`).toString(),
	});
	return { offer, account, authorization, now: NOW };
}

/* sign: with extra members for witness types that no client uses. */
async function sign({ offer, account, authorization, sign: how, signedExtra }) {
	const data = typedData(offer, authorization, how);
	if (signedExtra) data.message = { ...authorization, witness: { ...signedExtra, ...authorization.witness } };
	return account.signTypedData(data);
}

async function makeCase() {
	const method = random.pick(METHODS);
	const version = method === 'eip3009' && random.below(3) === 0 ? 1 : 2;
	const mutation =
		random.below(10) === 0 ? MUTATIONS[0] : random.pick(MUTATIONS.filter((m) => fits(m, method, version)));
	const draft = mutableDraft(method);
	mutation.before?.(draft, random);
	const member = method === 'eip3009' ? 'authorization' : 'permit2Authorization';
	const v2 = {
		x402Version: 2,
		payload: { signature: await sign(draft), [member]: draft.authorization },
		accepted: draft.offer,
	};
	const payload = structuredClone(version === 1 ? asV1(v2) : v2);
	mutation.after?.(payload, random);
	const text = mutation.text?.(JSON.stringify(payload), random) ?? JSON.stringify(payload);
	const base64 = Buffer.from(text).toString('base64');
	const header = mutation.header?.(base64, random) ?? base64;
	return { method, version, mutation, header };
}

// --- the gate ---

function gate(cases) {
	const folder = scratch('differential');
	const file = join(folder.path, 'tollbar.conf');
	writeFileSync(
		file,
		configuration({
			chain,
			listen: '127.0.0.1:8402',
			admin: '127.0.0.1:9402',
			state: folder.path,
			upstreamUrl: 'http://127.0.0.1:8000',
			facilitatorUrl: 'http://127.0.0.1:4021',
		}),
	);
	const { stdout, stderr, status } = spawnSync(built('tests/tools/verdict'), [file], {
		input: cases.map(({ version, header }) => `${version} ${NOW} ${header}\n`).join(''),
		maxBuffer: 1 << 28,
	});
	if (status !== 0) throw new Error(`verdict: ${stderr}`);
	const words = String(stdout).trim().split('\n');
	if (words.length !== cases.length) throw new Error(`verdict: ${words.length} answers to ${cases.length} payments`);
	return words;
}

// --- the comparison ---

const listed = (list, { mutation, method }, gateWord) =>
	list.find(
		({ when, word, methods }) =>
			when.test(mutation.name) && word === gateWord && (methods ?? METHODS).includes(method),
	);

/* → undefined when all is well, else what is wrong. */
function judge(one, gateWord, theirs, used) {
	const both = `gate ${gateWord}, reference ${theirs}`;
	if (gateWord === 'ok' && theirs === 'ok') return undefined;
	if (gateWord === 'ok') {
		const same = listed(SAME, one, gateWord);
		used.add(same);
		return same ? undefined : `ACCEPTED what the reference refuses: ${both}`;
	}
	if (theirs === 'ok') {
		const stricter = listed(STRICTER, one, gateWord);
		used.add(stricter);
		return stricter ? undefined : `refused what the reference accepts, and it is not in the list: ${both}`;
	}
	/* Both refuse.  When one thing alone is wrong, they must also say the same. */
	if (one.mutation.single && REASONS.get(gateWord)[one.method] !== theirs && !listed(STRICTER, one, gateWord))
		return `another reason: ${both}`;
	return undefined;
}

async function main() {
	console.log(`differential: ${COUNT} payments, seed ${SEED}`);
	const cases = [];
	for (let i = 0; i < COUNT; i++) cases.push(await makeCase());
	const words = gate(cases);
	const used = new Set();
	const count = { accepted: 0, refused: 0, stricter: 0, passed: 0, failed: 0 };
	for (const [i, one] of cases.entries()) {
		const theirs = await reference(one.version, one.header);
		const problem = judge(one, words[i], theirs, used);
		count[problem ? 'failed' : 'passed']++;
		count[words[i] === 'ok' ? 'accepted' : theirs === 'ok' ? 'stricter' : 'refused']++;
		if (problem)
			console.log(
				`FAIL ${one.method} v${one.version} "${one.mutation.name}": ${problem}\n     ${one.header.slice(0, 3000)}`,
			);
	}
	for (const line of new Set(
		[...STRICTER, ...SAME].filter((entry) => used.has(entry)).map(({ word, why }) => `differs: ${word}: ${why}`),
	))
		console.log(line);
	console.log(`${count.accepted} accepted, ${count.refused} refused by both, ${count.stricter} refused by us alone`);
	console.log(`${count.passed} passed, ${count.failed} failed`);
	process.exit(count.failed === 0 && count.accepted > 0 ? 0 : 1);
}

await main();
