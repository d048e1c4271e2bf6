// SPDX-License-Identifier: Apache-2.0
// Settlements of which the facilitator gives no outcome, and a chain that has one: paid, cancelled, spent on something
// else, never paid; and a chain that takes its word back (anvil_reorg).
import { execFileSync } from 'node:child_process';
import { PERMIT2_ADDRESS } from './lib/chain.mjs';
import { assert, run, test } from './lib/check.mjs';
import { faults, nonceOf } from './lib/facilitator.mjs';
import { METHODS, now, payment, typedData } from './lib/payment.mjs';
import { built } from './lib/process.mjs';
import { refused } from './lib/refusal.mjs';
import { startNode } from './lib/rpc.mjs';
import { AMOUNT, PRICE } from './lib/tollbar.mjs';
import { UPSTREAM_USAGE } from './lib/upstream.mjs';
import { sleep, until } from './lib/wait.mjs';
import { askPaid, startWorld } from './lib/world.mjs';

const CONFIRMATIONS = 3;
const RECHECK_S = 16; /* more than clocks may differ */
const RESOLVE_MS = 45_000; /* asking again is spaced out */
const USED =
	(BigInt(UPSTREAM_USAGE.prompt) * PRICE.input + BigInt(UPSTREAM_USAGE.completion) * PRICE.output) / 1_000_000n;
let world;

const due = (method) => (method === 'upto' ? USED : AMOUNT);
const chat = () => world.gate.chat;
const charged = async (payer) => 1_000_000_000n - (await world.chain.balance(payer.address));
const mine = (blocks) => world.chain.rpc('anvil_mine', [`0x${blocks.toString(16)}`]);
const fresh = async (method, options) => {
	const payer = await world.chain.payer();
	return { payer, method, made: await payment(world.offer(method), payer, options) };
};
const settlesOf = ({ made }) =>
	world.facilitator.settles.filter(({ body }) => String(nonceOf(body.paymentPayload)) === String(nonceOf(made)));
const claimOf = ({ payer }, ...more) => {
	const words = ['ledger', '-c', world.gate.file, '--payer', payer.address.toLowerCase(), '--json', ...more];
	try {
		return JSON.parse(execFileSync(built('tollbar'), words, { encoding: 'utf8' }))[0];
	} catch (error) {
		return JSON.parse(error.stdout)[0]; /* ledger and chain contradict each other */
	}
};
const comesTo = async (sale, state) => {
	await until(`the claim to be ${state}`, RESOLVE_MS, () => claimOf(sale).state === state);
	return claimOf(sale);
};
const unanswered = (sale) => refused(world, 'settle_unknown', () => askPaid(chat(), sale.made), { ran: 1 });

/* Until the fault is lifted, whatever the test does. */
async function under(fault, body) {
	world.facilitator.fault = fault;
	try {
		await body();
	} finally {
		world.facilitator.fault = undefined;
	}
}

/* Its payer takes the nonce back. */
async function cancel({ payer, method, made }) {
	if (method !== 'eip3009') {
		const nonce = BigInt(nonceOf(made));
		return world.chain.call(payer, PERMIT2_ADDRESS, 'Permit2', 'invalidateUnorderedNonces', [
			nonce >> 8n,
			1n << (nonce & 255n),
		]);
	}
	const signature = await payer.signTypedData({
		domain: typedData(world.offer(method), made.payload.authorization).domain,
		types: {
			CancelAuthorization: [
				{ name: 'authorizer', type: 'address' },
				{ name: 'nonce', type: 'bytes32' },
			],
		},
		primaryType: 'CancelAuthorization',
		message: { authorizer: payer.address, nonce: nonceOf(made) },
	});
	return world.chain.call(payer, world.chain.token, 'Token', 'cancelAuthorization', [
		payer.address,
		nonceOf(made),
		...split(signature),
	]);
}
const split = (signature) => [
	parseInt(signature.slice(130), 16),
	signature.slice(0, 66),
	`0x${signature.slice(66, 130)}`,
];

for (const method of METHODS)
	test(`paid, and the answer was lost: found on the chain: ${method}`, async () => {
		const sale = await fresh(method);
		await under(faults.swallow(), () => unanswered(sale));
		await until('the transfer', 10_000, async () => (await charged(sale.payer)) > 0n);
		const [{ answer }] = settlesOf(sale);
		await under(faults.status(500), async () => {
			await sleep(2500);
			assert.equal(claimOf(sale).state, 'unknown', 'the chain may still take it back');
			await mine(CONFIRMATIONS);
			const claim = await comesTo(sale, 'settled');
			assert.equal(claim.transaction, answer.transaction, 'nobody had named it');
		});
		assert.equal(await charged(sale.payer), due(method));
		assert.equal(claimOf(sale, '--rpc', world.chain.url).chain, 'paid');
	});

for (const method of METHODS)
	test(`cancelled before it was paid: ${method}`, async () => {
		const sale = await fresh(method);
		await under(faults.reset(), async () => {
			await unanswered(sale);
			await cancel(sale);
			await mine(CONFIRMATIONS);
			const claim = await comesTo(sale, 'refused');
			assert.equal(claim.word, 'chain_nonce_cancelled');
		});
		assert.equal(await charged(sale.payer), 0n);
	});

test('somebody else settled it first: paid, not refused', async () => {
	const sale = await fresh('eip3009');
	const { from, to, nonce, ...numbers } = sale.made.payload.authorization;
	const [value, after, before] = [numbers.value, numbers.validAfter, numbers.validBefore].map(BigInt);
	const args = [from, to, value, after, before, nonce, ...split(sale.made.payload.signature)];
	const { transactionHash } = await world.chain.call(
		sale.payer,
		world.chain.token,
		'Token',
		'transferWithAuthorization',
		args,
	);
	await unanswered(sale);
	await mine(CONFIRMATIONS);
	const claim = await comesTo(sale, 'settled');
	assert.equal(claim.transaction, transactionHash);
	assert.equal(await charged(sale.payer), AMOUNT);
});

for (const method of ['eip3009', 'upto'])
	test(`never paid: certain once the chain is past the deadline: ${method}`, async () => {
		const payer = await world.chain.payer();
		const deadline = now() + 9;
		const field = method === 'eip3009' ? 'validBefore' : 'deadline';
		const made = await payment(world.offer(method), payer, { overrides: { [field]: String(deadline) } });
		const sale = { payer, method, made };
		await under(faults.reset(), async () => {
			await unanswered(sale);
			await until('the deadline to pass', 20_000, () => now() > deadline);
			await sleep(1500);
			assert.equal(claimOf(sale).state, 'unknown', 'the final block is before the deadline');
			await mine(1 + CONFIRMATIONS);
			const claim = await comesTo(sale, 'expired');
			assert.equal(claim.word, 'chain_never_paid');
		});
		assert.equal(await charged(payer), 0n);
	});

test('what is in doubt is found on the chain after a restart, too', async () => {
	const sale = await fresh('permit2');
	await under(faults.swallow(), () => unanswered(sale));
	await world.gate.stop('SIGKILL');
	await mine(CONFIRMATIONS);
	await under(faults.status(500), async () => {
		await world.gate.start();
		await comesTo(sale, 'settled');
	});
	assert.equal(await charged(sale.payer), AMOUNT);
});

test('while the node is gone the facilitator is asked, as ever', async () => {
	const sale = await fresh('eip3009');
	await under(faults.reset(), () => unanswered(sale));
	await world.chain.node.stop();
	try {
		await comesTo(sale, 'settled');
	} finally {
		await world.chain.node.start();
	}
	assert.equal(await charged(sale.payer), AMOUNT);
});

/* --- the chain takes its word back --- */

for (const method of METHODS)
	test(`paid, the answer was lost, and reorganised away: settled again, once: ${method}`, async () => {
		const sale = await fresh(method);
		await under(faults.swallow(), () => unanswered(sale));
		await until('the transfer', 10_000, async () => (await charged(sale.payer)) > 0n);
		await world.chain.rpc('anvil_reorg', [1, []]);
		assert.equal(await charged(sale.payer), 0n, 'the transfer never was');
		const claim = await comesTo(sale, 'settled');
		assert.equal(await charged(sale.payer), due(method));
		const bodies = settlesOf(sale).map(({ body }) => JSON.stringify(body));
		assert.ok(bodies.length > 1 && new Set(bodies).size === 1, 'the identical body');
		assert.equal(claim.transaction, settlesOf(sale).at(-1).answer.transaction);
	});

test('settled, and reorganised away: tollbar ledger says so', async () => {
	const sale = await fresh('eip3009');
	const answer = await askPaid(chat(), sale.made);
	assert.equal(answer.status, 200, answer.text);
	assert.equal(claimOf(sale, '--rpc', world.chain.url).chain, 'paid');
	await world.chain.rpc('anvil_reorg', [1, []]);
	const claim = claimOf(sale, '--rpc', world.chain.url);
	assert.deepEqual([claim.state, claim.chain], ['settled', 'open']);
});

/* Blocks come, as they would, until it is so. */
const asBlocksCome = (what, holds) =>
	until(what, 90_000, async () => {
		await mine(1);
		await sleep(700);
		return holds();
	});
const isReverted = ({ id }, found) => world.gate.log().includes(`event=claim_reverted claim=${id} found=${found}\n`);

/* Sold for the facilitator's word; then the chain takes its own back. */
async function settledAndTakenBack(options) {
	const sale = await fresh('eip3009', options);
	const answer = await askPaid(chat(), sale.made);
	assert.equal(answer.status, 200, answer.text);
	assert.equal(await charged(sale.payer), AMOUNT);
	await world.chain.rpc('anvil_reorg', [1, []]);
	assert.equal(await charged(sale.payer), 0n, 'the transfer never was');
	return sale;
}

for (const restart of [false, true])
	test(`settled, and reorganised away: settled again, once${restart ? ', after a restart, too' : ''}`, async () => {
		const sale = await settledAndTakenBack();
		if (restart) {
			await world.gate.stop('SIGKILL');
			await world.gate.start();
		}
		await asBlocksCome('it to be settled again', async () => (await charged(sale.payer)) === AMOUNT);
		const claim = await comesTo(sale, 'settled');
		assert.ok(isReverted(claim, 'chain_reorganised'), 'said');
		assert.ok((await world.gate.metric('tollbar_claims_reverted_total')) > 0);
		const settles = settlesOf(sale);
		assert.equal(settles.length, 2);
		assert.equal(JSON.stringify(settles[0].body), JSON.stringify(settles[1].body), 'the identical body');
		assert.equal(claim.transaction, settles[1].answer.transaction);
		assert.equal(claimOf(sale, '--rpc', world.chain.url).chain, 'paid');
	});

test('settled, reorganised away, and its time is over: expired, and counted', async () => {
	const sale = await settledAndTakenBack({ overrides: { validBefore: String(now() + 14) } });
	await under(faults.reset(), async () => {
		await asBlocksCome('it to expire', () => claimOf(sale).state === 'expired');
	});
	const claim = claimOf(sale);
	assert.equal(claim.word, 'chain_never_paid');
	/* by the time it is looked at its deadline may be near, or past */
	assert.ok(isReverted(claim, 'chain_never_paid') || isReverted(claim, 'chain_reorganised'), 'said');
	assert.equal(await charged(sale.payer), 0n);
});

run({
	before: async () => {
		world = await startWorld({
			more: async (chain) => {
				chain.node = await startNode(chain);
				return {
					'chain test': {
						network: `eip155:${chain.chainId}`,
						rpc: chain.node.url,
						timeout_ms: 1000,
						lag_s: 1,
						confirmations: CONFIRMATIONS,
						recheck_s: RECHECK_S,
					},
				};
			},
		});
	},
	after: async () => {
		await world?.chain.node?.stop();
		await world?.stop();
	},
});
