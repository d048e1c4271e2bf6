// SPDX-License-Identifier: Apache-2.0
// The known attacks on x402 gates.  Each is refused for the right reason, and an honest payment works afterwards.
import { Agent, request as httpRequest } from 'node:http';
import { assert, run, test } from './lib/check.mjs';
import { nonceOf } from './lib/facilitator.mjs';
import { asV1, encode, headersOf, payment, receiptOf } from './lib/payment.mjs';
import { refused, stillGood } from './lib/refusal.mjs';
import { AMOUNT, offers } from './lib/tollbar.mjs';
import { sleep, until } from './lib/wait.mjs';
import { ask, askPaid, askRaw, BODY, BODY_STREAM, rawRequest, startWorld } from './lib/world.mjs';

const DEAR = '/v1/completions'; /* the same model for five times the price */
const TWIN = '/v1/twin'; /* another route with the same offers */
let world, payer;

const chat = () => world.gate.chat;
const pay = (method = 'eip3009', options) => payment(world.offer(method), payer, options);
const attack = (name, body) =>
	test(name, async () => {
		await body();
		await stillGood(world);
	});
const runs = async () => (await world.upstream.stats()).requests;
const settlesOf = (made) =>
	world.facilitator.settles.filter(({ body }) => String(nonceOf(body.paymentPayload)) === String(nonceOf(made)));

for (const method of ['eip3009', 'permit2', 'upto'])
	attack(`replay, one after the other: ${method}`, async () => {
		const made = await pay(method);
		assert.equal((await askPaid(chat(), made)).status, 200);
		await refused(world, 'replayed', () => askPaid(chat(), made), { method });
		await sleep(300);
		await refused(world, 'replayed', () => askPaid(chat(), made, { body: BODY_STREAM }), { method });
	});

for (const method of ['eip3009', 'permit2', 'upto'])
	attack(`replay, 40 at once: ${method}`, async () => {
		const made = await pay(method);
		const before = await runs(),
			replayed = await world.gate.refused('replayed');
		const answers = await Promise.all(
			Array.from({ length: 40 }, () => askPaid(chat(), made, { headers: { 'x-delay-ms': '100' } })),
		);
		assert.equal(answers.filter(({ status }) => status === 200).length, 1, 'one is served');
		assert.equal(answers.filter(({ reason }) => reason === 'replayed').length, 39);
		assert.equal((await runs()) - before, 1, 'the model ran once');
		assert.equal((await world.gate.refused('replayed')) - replayed, 39);
		await until('the settlement', 5000, () => settlesOf(made).some(({ answer }) => answer?.success));
		assert.equal(settlesOf(made).length, 1, 'settled once');
	});

attack('the same payment on another route, body or resource', async () => {
	const made = await pay();
	assert.equal((await askPaid(chat(), made)).status, 200);
	await refused(world, 'replayed', () => askPaid(`${world.gate.url}${TWIN}`, made));
	await refused(world, 'replayed', () => askPaid(chat(), made, { body: BODY.replace('something', 'otherwise') }));
	await refused(world, 'replayed', () => askPaid(chat(), { ...made, resource: { url: `${world.gate.url}${TWIN}` } }));
});

attack('a cheap payment on a dear route', async () => {
	for (const method of ['eip3009', 'permit2', 'upto'])
		await refused(world, ['amount_wrong', 'offer_unmatched'], async () =>
			askPaid(`${world.gate.url}${DEAR}`, await pay(method)),
		);
});

attack('version 1 and version 2 share the ledger', async () => {
	const first = await pay(),
		second = await pay();
	assert.equal((await askPaid(chat(), first)).status, 200);
	await refused(world, 'replayed', () => askPaid(chat(), asV1(first)));
	assert.equal((await askPaid(chat(), asV1(second))).status, 200);
	await refused(world, 'replayed', () => askPaid(chat(), second));
});

attack('exact and upto share a Permit2 nonce', async () => {
	const { nonce } = (await pay('permit2')).payload.permit2Authorization;
	assert.equal((await askPaid(chat(), await pay('upto', { overrides: { nonce } }))).status, 200);
	await refused(world, 'replayed', async () => askPaid(chat(), await pay('permit2', { overrides: { nonce } })), {
		method: 'permit2',
	});
});

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const word = (n) => n.toString(16).padStart(64, '0');
const resigned = (made, change) => {
	const signature = made.payload.signature;
	const [r, s, v] = [
		BigInt(signature.slice(0, 66)),
		BigInt(`0x${signature.slice(66, 130)}`),
		parseInt(signature.slice(130), 16),
	];
	return { ...made, payload: { ...made.payload, signature: change(r, s, v) } };
};
const authorized = (made, change) => {
	const member = made.payload.authorization ? 'authorization' : 'permit2Authorization';
	return {
		...made,
		payload: { ...made.payload, [member]: { ...made.payload[member], ...change(made.payload[member]) } },
	};
};
const reversed = (value) =>
	value === null || typeof value !== 'object' || Array.isArray(value)
		? value
		: Object.fromEntries(
				Object.entries(value)
					.reverse()
					.map(([k, v]) => [k, reversed(v)]),
			);

/* The same payment in other words, after it was used: [what, method, change, reason] */
const ENCODINGS = [
	['members in another order', 'eip3009', reversed, 'replayed'],
	['addresses in lower case', 'eip3009', (p) => authorized(p, (a) => ({ from: a.from.toLowerCase() })), 'replayed'],
	['addresses in lower case', 'permit2', (p) => authorized(p, (a) => ({ from: a.from.toLowerCase() })), 'replayed'],
	[
		'nonce in upper case',
		'eip3009',
		(p) => authorized(p, (a) => ({ nonce: `0x${a.nonce.slice(2).toUpperCase()}` })),
		'replayed',
	],
	['v as 0 or 1', 'eip3009', (p) => resigned(p, (r, s, v) => `0x${word(r)}${word(s)}0${v - 27}`), 'replayed'],
	['v as 0 or 1', 'permit2', (p) => resigned(p, (r, s, v) => `0x${word(r)}${word(s)}0${v - 27}`), 'signature_form'],
	[
		'high s',
		'eip3009',
		(p) => resigned(p, (r, s, v) => `0x${word(r)}${word(ORDER - s)}${(55 - v).toString(16)}`),
		'signature_form',
	],
	[
		'high s',
		'upto',
		(p) => resigned(p, (r, s, v) => `0x${word(r)}${word(ORDER - s)}${(55 - v).toString(16)}`),
		'signature_form',
	],
	[
		'compact signature',
		'permit2',
		(p) => resigned(p, (r, s, v) => `0x${word(r)}${word(s | (BigInt(v - 27) << 255n))}`),
		'signature_form',
	],
	[
		'nonce in hexadecimal',
		'permit2',
		(p) => authorized(p, (a) => ({ nonce: `0x${BigInt(a.nonce).toString(16)}` })),
		'payment_field',
	],
	['nonce with a leading zero', 'upto', (p) => authorized(p, (a) => ({ nonce: `0${a.nonce}` })), 'payment_field'],
	[
		'deadline with a leading zero',
		'eip3009',
		(p) => authorized(p, (a) => ({ validBefore: `0${a.validBefore}` })),
		'payment_field',
	],
];
for (const [what, method, change, reason] of ENCODINGS)
	attack(`a used payment encoded anew: ${method}, ${what}`, async () => {
		const made = await pay(method);
		assert.equal((await askPaid(chat(), made)).status, 200);
		/* Which of two rules speaks first is not the point: that it is not served is. */
		await refused(world, [reason, 'replayed'], () => askPaid(chat(), change(made)));
	});

const NAMES = [
	['PAYMENT-SIGNATURE', 'payment-signature', 'Payment-Signature', 'pAYMENT-sIGNATURE'],
	['X-PAYMENT', 'x-payment', 'X-Payment', 'x-pAYMENT'],
];

/* The i-th way to write one and the same payment: all of it is the client's own affair, none of it another payment. */
function worded(made, i) {
	let left = i;
	const rest = (cnt) => {
		const choice = left % cnt;
		left = Math.floor(left / cnt);
		return choice;
	};
	const blanks = ' '.repeat(i);
	const upper = (hex) => `0x${hex.slice(2).toUpperCase()}`;
	const first = made.payload.authorization !== undefined && rest(2) === 1; /* version 1 has no Permit2 */
	const name = NAMES[Number(first)][rest(4)];
	const letters = [(hex) => hex, (hex) => hex.toLowerCase(), upper][rest(3)];
	let payload = authorized(first ? asV1(made) : made, ({ from, nonce }) => ({
		from: letters(from),
		nonce: nonce.startsWith('0x') ? letters(nonce) : nonce,
	}));
	if (rest(2) === 1) payload = resigned(payload, (r, s, v) => upper(`0x${word(r)}${word(s)}${v.toString(16)}`));
	if (rest(2) === 1) payload = reversed(payload);
	const header = encode(JSON.stringify(payload).replace('{', `{${blanks}`));
	return { [name]: rest(2) === 1 ? header.replace(/=+$/, '') : header };
}

/* post: one request on one of the agent's connections → status. */
const post = (agent, headers) =>
	new Promise((done, fail) => {
		const fields = { 'content-type': 'application/json', 'x-delay-ms': '200', ...headers };
		const request = httpRequest(chat(), { method: 'POST', agent, headers: fields }, (response) => {
			let text = '';
			response.on('data', (piece) => {
				text += piece;
			});
			response.on('end', () => done({ status: response.statusCode, text }));
		});
		request.on('error', fail);
		request.end(BODY);
	});

for (const method of ['eip3009', 'permit2', 'upto'])
	attack(`one payment, 200 times at once over 50 connections, in 200 ways to write it: ${method}`, async () => {
		const made = await pay(method);
		const ways = Array.from({ length: 200 }, (_, i) => worded(made, i));
		assert.equal(new Set(ways.map((way) => JSON.stringify(way))).size, 200);
		const agent = new Agent({ keepAlive: true, maxSockets: 50 });
		const before = await runs(),
			replayed = await world.gate.refused('replayed');
		const answers = await Promise.all(ways.map((way) => post(agent, way)));
		agent.destroy();
		const others = answers.filter(({ status, text }) => status !== 200 && !text.includes('"replayed"'));
		assert.deepEqual(others, []);
		assert.equal(answers.filter(({ status }) => status === 200).length, 1, 'one is served');
		assert.equal((await runs()) - before, 1, 'the model ran once');
		assert.equal((await world.gate.refused('replayed')) - replayed, 199);
		await until('the settlement', 5000, () => settlesOf(made).some(({ answer }) => answer?.success));
		await sleep(300);
		assert.equal(settlesOf(made).length, 1, 'settled once');
	});

attack('a nonce with 63 digits', async () => {
	const nonce = `${(await pay()).payload.authorization.nonce.slice(0, 65)}0`;
	const made = await pay('eip3009', { overrides: { nonce } });
	await refused(world, 'payment_field', () =>
		askPaid(
			chat(),
			authorized(made, () => ({ nonce: nonce.slice(0, 65) })),
		),
	);
	assert.equal((await askPaid(chat(), made)).status, 200);
	await refused(world, 'payment_field', () =>
		askPaid(
			chat(),
			authorized(made, () => ({ nonce: nonce.slice(0, 65) })),
		),
	);
});

attack("a stranger names a victim's nonce", async () => {
	const stranger = await world.chain.payer();
	for (const method of ['eip3009', 'permit2', 'upto']) {
		const victims = await pay(method);
		const { nonce } = victims.payload.authorization ?? victims.payload.permit2Authorization;
		const forged = await payment(world.offer(method), stranger, { overrides: { from: payer.address, nonce } });
		await refused(world, 'signature_bad', () => askPaid(chat(), forged), { method });
		const broken = resigned(victims, (r, s, v) => `0x${word(r ^ 1n)}${word(s)}${v.toString(16)}`);
		await refused(world, 'signature_bad', () => askPaid(chat(), broken), { method });
		assert.equal((await askPaid(chat(), victims)).status, 200, 'the victim can still pay');
	}
});

attack("the victim's own payment, sent by another at the same time with a body that never comes", async () => {
	const made = await pay();
	const head = rawRequest(world.gate, { headers: { 'PAYMENT-SIGNATURE': encode(made) } }).split('\r\n\r\n')[0];
	const slow = askRaw(world.gate, [`${head}\r\n\r\n`, BODY.slice(0, 10)], { ms: 1500 });
	await sleep(200);
	assert.equal((await askPaid(chat(), made)).status, 200);
	await slow;
});

const SUBSTITUTED = [
	['amount', (a) => ({ ...a, amount: '1' }), ['offer_unmatched', 'amount_wrong']],
	['asset', (a) => ({ ...a, asset: `0x${'55'.repeat(20)}` }), ['asset_wrong', 'offer_unmatched']],
	['payTo', (a) => ({ ...a, payTo: `0x${'66'.repeat(20)}` }), ['offer_unmatched', 'payee_wrong']],
	['network', (a) => ({ ...a, network: 'eip155:1' }), ['network_wrong']],
	['scheme', (a) => ({ ...a, scheme: 'deferred' }), ['scheme_unknown']],
	['timeout', (a) => ({ ...a, maxTimeoutSeconds: 100000 }), ['offer_unmatched']],
];
for (const method of ['eip3009', 'permit2', 'upto'])
	for (const [what, change, reasons] of SUBSTITUTED)
		attack(`${what} substituted in accepted: ${method}`, async () => {
			const made = await pay(method);
			await refused(world, reasons, () => askPaid(chat(), { ...made, accepted: change(made.accepted) }), {
				method,
			});
			assert.equal((await askPaid(chat(), made)).status, 200, 'the payment itself is good and was not burned');
		});

attack('a cheap token for an offer in a dear one', async () => {
	const cheap = await world.chain.deployToken('Cheap', '1');
	const poor = await world.chain.payer({ asset: cheap });
	const domain = { verifyingContract: cheap, name: 'Cheap', version: '1' };
	await refused(world, 'signature_bad', async () =>
		askPaid(chat(), await payment(world.offer('eip3009'), poor, { sign: { domain } })),
	);
	for (const method of ['permit2', 'upto']) {
		const made = await payment(world.offer(method), poor, { overrides: { permitted: { token: cheap } } });
		await refused(world, 'asset_wrong', () => askPaid(chat(), made), { method });
		await refused(
			world,
			['asset_wrong', 'offer_unmatched'],
			() => askPaid(chat(), { ...made, accepted: { ...made.accepted, asset: cheap } }),
			{ method },
		);
	}
});

const WRONG_AMOUNTS = [
	['one less', AMOUNT - 1n],
	['one more', AMOUNT + 1n],
	['2^64 more', AMOUNT + 2n ** 64n],
	['2^128 more', AMOUNT + 2n ** 128n],
	['2^192 more', AMOUNT + 2n ** 192n],
	['the largest', 2n ** 256n - 1n],
	['zero', 0n],
];
for (const method of ['eip3009', 'permit2', 'upto'])
	for (const [what, amount] of WRONG_AMOUNTS)
		attack(`signed for a wrong amount, ${what}: ${method}`, async () => {
			const overrides =
				method === 'eip3009' ? { value: String(amount) } : { permitted: { amount: String(amount) } };
			await refused(world, 'amount_wrong', async () => askPaid(chat(), await pay(method, { overrides })), {
				method,
			});
		});

for (const value of [
	String(AMOUNT + 2n ** 256n),
	`-${AMOUNT}`,
	'10000.0',
	'1e4',
	'0x2710',
	' 10000',
	'+10000',
	'٠١',
	'',
	Number(AMOUNT),
	[String(AMOUNT)],
	null,
])
	attack(`an amount written ${JSON.stringify(value)}`, async () => {
		await refused(world, 'payment_field', async () =>
			askPaid(
				chat(),
				authorized(await pay(), () => ({ value })),
			),
		);
		const permit = (a) => ({ permitted: { ...a.permitted, amount: value } });
		await refused(world, 'payment_field', async () => askPaid(chat(), authorized(await pay('permit2'), permit)));
	});

attack('zero payer with a signature that recovers to nobody', async () => {
	const zero = `0x${'00'.repeat(20)}`;
	for (const method of ['eip3009', 'permit2', 'upto'])
		for (const signature of [`0x${'00'.repeat(65)}`, `0x${'00'.repeat(64)}1b`, `0x${'ff'.repeat(64)}1b`]) {
			const made = await pay(method, { overrides: { from: zero } });
			const nobody = { ...made, payload: { ...made.payload, signature } };
			await refused(world, ['payer_zero', 'signature_form'], () => askPaid(chat(), nobody), { method });
		}
});

const permitTypes = (Witness) => ({
	PermitWitnessTransferFrom: [
		{ name: 'permitted', type: 'TokenPermissions' },
		{ name: 'spender', type: 'address' },
		{ name: 'nonce', type: 'uint256' },
		{ name: 'deadline', type: 'uint256' },
		{ name: 'witness', type: 'Witness' },
	],
	TokenPermissions: [
		{ name: 'token', type: 'address' },
		{ name: 'amount', type: 'uint256' },
	],
	Witness: Witness.map((name) => ({
		name,
		type: { to: 'address', facilitator: 'address', validAfter: 'uint256', extra: 'bytes' }[name],
	})),
});
const DOMAINS = [
	['another chain', 'eip3009', { domain: { chainId: 8453 } }],
	['another contract', 'eip3009', { domain: { verifyingContract: `0x${'22'.repeat(20)}` } }],
	['another name', 'eip3009', { domain: { name: 'USD Coin' } }],
	['another version', 'eip3009', { domain: { version: '1' } }],
	['a salt', 'eip3009', { domain: { salt: `0x${'33'.repeat(32)}` } }],
	['another chain', 'permit2', { domain: { chainId: 8453 } }],
	['another contract', 'upto', { domain: { verifyingContract: `0x${'22'.repeat(20)}` } }],
	['Permit2 with a version', 'permit2', { domain: { version: '1' } }],
	['Permit2 with a version', 'upto', { domain: { version: '1' } }],
	['witness with members swapped', 'permit2', { types: permitTypes(['validAfter', 'to']) }],
	['witness with members swapped', 'upto', { types: permitTypes(['facilitator', 'to', 'validAfter']) }],
	['witness of exact', 'upto', { types: permitTypes(['to', 'validAfter']) }],
	[
		'witness of the old form',
		'permit2',
		{ types: permitTypes(['extra', 'to', 'validAfter']) },
		{ witness: { extra: '0x' } },
	],
];
for (const [what, method, sign, overrides] of DOMAINS)
	attack(`signed under ${what}: ${method}`, async () => {
		await refused(world, 'signature_bad', async () => askPaid(chat(), await pay(method, { sign, overrides })), {
			method,
		});
	});

attack('the transfer reverts: nothing is released', async () => {
	for (const [method, options] of [
		['eip3009', { tokens: 0n }],
		['permit2', { tokens: 0n }],
		['permit2', { approve: false }],
	]) {
		const broke = await world.chain.payer(options);
		const made = await payment(world.offer(method), broke);
		const answer = await refused(world, 'settle_refused', () => askPaid(chat(), made), { ran: 1 });
		assert.doesNotMatch(answer.text, /choices/);
		assert.equal(receiptOf(answer).success, false);
		assert.ok(receiptOf(answer).errorReason.length > 0);
		const streamed = await payment(world.offer(method), broke);
		const stream = await ask(chat(), { headers: headersOf(streamed), body: BODY_STREAM });
		assert.equal(stream.reason, 'settle_refused', stream.text);
		assert.doesNotMatch(stream.text, /choices/);
	}
});

attack('nothing paid or unpaid may be kept by a cache', async () => {
	const paid = await askPaid(chat(), await pay());
	assert.match(paid.headers.get('cache-control'), /private/);
	const unpaid = await ask(chat());
	assert.equal(unpaid.headers.get('cache-control'), 'no-store');
});

attack('the payer cancels while the model runs', async () => {
	const sly = await world.chain.payer();
	const made = await payment(world.offer('eip3009'), sly);
	const asked = askPaid(chat(), made, { headers: { 'x-delay-ms': '1500' } });
	const { nonce } = made.payload.authorization;
	const signature = await sly.signTypedData({
		domain: {
			name: world.chain.tokenName,
			version: world.chain.tokenVersion,
			chainId: world.chain.chainId,
			verifyingContract: world.chain.token,
		},
		types: {
			CancelAuthorization: [
				{ name: 'authorizer', type: 'address' },
				{ name: 'nonce', type: 'bytes32' },
			],
		},
		primaryType: 'CancelAuthorization',
		message: { authorizer: sly.address, nonce },
	});
	const v = parseInt(signature.slice(130), 16),
		r = signature.slice(0, 66),
		s = `0x${signature.slice(66, 130)}`;
	await world.chain.call(sly, world.chain.token, 'Token', 'cancelAuthorization', [sly.address, nonce, v, r, s]);
	const answer = await asked;
	assert.equal(answer.reason, 'settle_refused', answer.text);
	assert.doesNotMatch(answer.text, /choices/);
	await refused(world, 'replayed', () => askPaid(chat(), made));
});

attack('the model server fails after the payment: no charge, and the payment is good for another try', async () => {
	for (const method of ['eip3009', 'permit2', 'upto'])
		for (const fault of ['500', '503', '429', 'reset']) {
			const careful = await world.chain.payer();
			const made = await payment(world.offer(method), careful);
			const failed = await askPaid(chat(), made, { headers: { 'x-fault': fault } });
			assert.ok(failed.status >= 429, `${method} ${fault}: ${failed.status}`);
			assert.equal(await world.chain.balance(careful.address), 1_000_000_000n);
			assert.equal((await askPaid(chat(), made)).status, 200, `${method} ${fault}: the same payment again`);
		}
});

/* cut: reads a few events of a stream, then leaves. */
async function cut(made, headers, events) {
	const leave = new AbortController();
	const response = await fetch(chat(), {
		method: 'POST',
		headers: { ...headersOf(made), ...headers },
		body: BODY_STREAM,
		signal: leave.signal,
	});
	assert.equal(response.status, 200);
	let text = '';
	for await (const piece of response.body) {
		text += Buffer.from(piece).toString();
		if (text.split('\n\n').length > events) break;
	}
	leave.abort();
}

const charged = async (who) => 1_000_000_000n - (await world.chain.balance(who.address));

attack('the client leaves in the middle of an upto stream: charged for what it got', async () => {
	const hasty = await world.chain.payer();
	const { disconnects } = await world.upstream.stats();
	await cut(await payment(world.offer('upto'), hasty), { 'x-tokens': '500', 'x-tick-us': '10000' }, 20);
	await until('the settlement', 10000, async () => (await charged(hasty)) > 0n);
	assert.ok((await charged(hasty)) < AMOUNT / 2n, `charged ${await charged(hasty)}`);
	assert.equal((await world.upstream.stats()).disconnects, disconnects + 1, 'the model was told to stop');
});

attack('the model server dies in the middle of an upto stream: charged for what came', async () => {
	const patient = await world.chain.payer();
	const made = await payment(world.offer('upto'), patient);
	await askPaid(chat(), made, { body: BODY_STREAM, headers: { 'x-tokens': '100', 'x-fault': 'reset-mid' } }).catch(
		() => {},
	);
	await until('the settlement', 10000, async () => (await charged(patient)) > 0n);
	assert.ok((await charged(patient)) < AMOUNT / 2n, `charged ${await charged(patient)}`);
	await refused(world, 'replayed', () => askPaid(chat(), made));
});

attack('an upto answer without usage is not charged the maximum', async () => {
	const other = await world.chain.payer();
	const answer = await askPaid(chat(), await payment(world.offer('upto'), other), {
		headers: { 'x-fault': 'no-usage' },
	});
	assert.equal(answer.status, 200);
	await sleep(1000);
	assert.ok((await charged(other)) < AMOUNT);
});

await run({
	before: async () => {
		const dear = (all) =>
			Object.fromEntries(
				Object.entries(all).map(([name, offer]) => [`${name}-dear`, { ...offer, amount: 5n * AMOUNT }]),
			);
		world = await startWorld({
			more: (chain) => ({
				...dear(offers(chain)),
				'route dear': {
					match: `POST ${DEAR}`,
					offers: 'eip3009-dear, permit2-dear, upto-dear',
					upstream: 'model',
				},
				'route twin': { match: `POST ${TWIN}`, offers: 'eip3009, permit2, upto', upstream: 'model' },
			}),
		});
		payer = await world.chain.payer();
	},
	after: async () => world?.stop(),
});
