// SPDX-License-Identifier: Apache-2.0
// What the chain says of payers, against a real chain: money moved away, nonces cancelled, allowances withdrawn,
// accounts with code, a chain that was reorganised, and a node that lies, is slow or gone.
import { encodeFunctionData, serializeErc6492Signature } from 'viem';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MULTICALL3, PERMIT2_ADDRESS } from './lib/chain.mjs';
import { assert, run, test } from './lib/check.mjs';
import { METHODS, payment, stockFetch, typedData } from './lib/payment.mjs';
import { built, scratch, start } from './lib/process.mjs';
import { refused } from './lib/refusal.mjs';
import { nodeFaults, startNode } from './lib/rpc.mjs';
import { AMOUNT, PRICE, startTollbar } from './lib/tollbar.mjs';
import { UPSTREAM_USAGE } from './lib/upstream.mjs';
import { until } from './lib/wait.mjs';
import { ask, askPaid, BODY, startWorld } from './lib/world.mjs';

const RICH = 1_000_000_000n;
const USED =
	(BigInt(UPSTREAM_USAGE.prompt) * PRICE.input + BigInt(UPSTREAM_USAGE.completion) * PRICE.output) / 1_000_000n;
const section = (settings) => (chain) => ({
	'chain test': { network: `eip155:${chain.chainId}`, rpc: chain.node.url, timeout_ms: 1000, lag_s: 1, ...settings },
});
let world; /* its gate: cached, without Multicall3, contracts may pay */
let strict; /* the same world through a gate that asks everything, with Multicall3, and refuses code */

const through = (gate) => ({ ...world, gate });
const cached = () => world;
const pay = async (at, payer, method = 'eip3009', options) =>
	askPaid(at.gate.chat, await payment(world.offer(method), payer, options));
const served = async (at, payer, method) => {
	const answer = await pay(at, payer, method);
	assert.equal(answer.status, 200, answer.text);
};
const empty = async (payer) =>
	world.chain.call(payer, world.chain.token, 'Token', 'transfer', [
		world.chain.payTo,
		await world.chain.balance(payer.address),
	]);
const another = (settings, more = {}) =>
	startTollbar({ ...world, more: { ...section(settings)(world.chain), ...more } });

/* Until the fault is lifted, whatever the test does. */
async function under(fault, body) {
	world.chain.node.fault = fault;
	try {
		await body();
	} finally {
		world.chain.node.fault = undefined;
	}
	for (const { gate } of [world, strict])
		await until('the node to be asked again', 10000, () => gate.metric('tollbar_chain_up{chain="test"}'));
}

for (const mode of ['cached', 'strict'])
	for (const method of METHODS)
		test(`an honest payer is served: ${mode}, ${method}`, async () => {
			const at = mode === 'cached' ? cached() : strict;
			const payer = await world.chain.payer();
			for (let i = 0; i < 3; i++) {
				const response = await stockFetch(payer, method)(at.gate.chat, {
					method: 'POST',
					headers: { 'content-type': 'application/json' },
					body: BODY,
				});
				assert.equal(response.status, 200, await response.text());
			}
			await until('settlement', 10000, async () => (await world.chain.balance(payer.address)) < RICH);
		});

test('cached: a known payer is not asked about again', async () => {
	const payer = await world.chain.payer();
	await served(cached(), payer);
	const { requests } = world.chain.node;
	for (let i = 0; i < 5; i++) await served(cached(), payer);
	assert.equal(world.chain.node.requests, requests);
});

test('strict: money moved away is seen before the model runs', async () => {
	const payer = await world.chain.payer();
	await served(strict, payer);
	await empty(payer);
	await refused(strict, 'balance_low', () => pay(strict, payer), { method: 'eip3009' });
	await refused(strict, 'balance_low', () => pay(strict, payer, 'permit2'), { method: 'permit2' });
});

test('cached: money moved away costs one answer, which is not released, and then nothing', async () => {
	const payer = await world.chain.payer();
	await served(cached(), payer);
	await empty(payer);
	const answer = await refused(cached(), 'settle_refused', () => pay(cached(), payer), { ran: 1 });
	assert.doesNotMatch(answer.text, /choices/);
	await refused(cached(), 'balance_low', () => pay(cached(), payer));
});

test('a payer without anything is refused at once, and in the words of his method', async () => {
	for (const method of METHODS) {
		const payer = await world.chain.payer({ tokens: AMOUNT - 1n });
		await refused(cached(), 'balance_low', () => pay(cached(), payer, method), { method });
	}
});

/* A nonce that its payer took back. */
async function cancelled(payer, method) {
	const made = await payment(world.offer(method), payer);
	if (method === 'eip3009') {
		const { nonce } = made.payload.authorization;
		const signature = await payer.signTypedData({
			domain: typedData(world.offer(method), made.payload.authorization).domain,
			types: {
				CancelAuthorization: [
					{ name: 'authorizer', type: 'address' },
					{ name: 'nonce', type: 'bytes32' },
				],
			},
			primaryType: 'CancelAuthorization',
			message: { authorizer: payer.address, nonce },
		});
		const [r, s, v] = [signature.slice(0, 66), `0x${signature.slice(66, 130)}`, parseInt(signature.slice(130), 16)];
		await world.chain.call(payer, world.chain.token, 'Token', 'cancelAuthorization', [payer.address, nonce, v, r, s]);
	} else {
		const nonce = BigInt(made.payload.permit2Authorization.nonce);
		await world.chain.call(payer, PERMIT2_ADDRESS, 'Permit2', 'invalidateUnorderedNonces', [
			nonce >> 8n,
			1n << (nonce & 255n),
		]);
	}
	return made;
}

for (const method of METHODS)
	test(`a cancelled nonce: ${method}`, async () => {
		const payer = await world.chain.payer();
		const early = await cancelled(payer, method);
		await refused(strict, 'nonce_used', () => askPaid(strict.gate.chat, early), { method });
		await served(cached(), payer, method);
		const spoiled = await cancelled(payer, method);
		/* who used it, he or somebody who paid with it, is looked up */
		const word = method === 'eip3009' ? 'settle_unknown' : 'settle_refused';
		await refused(cached(), word, () => askPaid(world.gate.chat, spoiled), { ran: 1 });
		const again = await cancelled(payer, method); /* from now on he is asked about */
		await refused(cached(), 'nonce_used', () => askPaid(world.gate.chat, again), { method });
		await served(cached(), payer, method);
	});

test('an allowance never given, and one withdrawn: 412', async () => {
	const never = await world.chain.payer({ approve: false });
	for (const method of ['permit2', 'upto']) {
		const answer = await refused(cached(), 'allowance_low', () => pay(cached(), never, method), { method });
		assert.equal(answer.status, 412);
		assert.ok(answer.headers.get('payment-required'), 'the challenge comes with it');
	}
	await served(cached(), never, 'eip3009');
	const payer = await world.chain.payer();
	await served(strict, payer, 'permit2');
	await world.chain.call(payer, world.chain.token, 'Token', 'approve', [PERMIT2_ADDRESS, AMOUNT - 1n]);
	await refused(strict, 'allowance_low', () => pay(strict, payer, 'permit2'), { method: 'permit2' });
});

/* --- accounts with code --- */

const approveAll = () =>
	encodeFunctionData({
		abi: world.chain.contracts.Token.abi,
		functionName: 'approve',
		args: [PERMIT2_ADDRESS, 2n ** 256n - 1n],
	});

/* A contract wallet that owns tokens and has approved Permit2 → what signs for it. */
async function wallet() {
	const owner = await world.chain.payer({ tokens: 0n, approve: false });
	const address = await world.chain.deploy('Wallet', [owner.address]);
	await world.chain.call(owner, world.chain.token, 'Token', 'mint', [address, RICH]);
	await world.chain.call(owner, address, 'Wallet', 'execute', [world.chain.token, approveAll()]);
	return { address, signTypedData: (data) => owner.signTypedData(data) };
}

for (const method of METHODS)
	test(`a contract wallet: ${method}`, async () => {
		const account = await wallet();
		await served(cached(), account, method);
		await served(cached(), account, method);
		await until('settlement', 10000, async () => (await world.chain.balance(account.address)) < RICH);
		const stranger = await world.chain.payer({ tokens: 0n, approve: false });
		const forged = { address: account.address, signTypedData: (data) => stranger.signTypedData(data) };
		await refused(cached(), 'signature_bad', () => pay(cached(), forged, method), { method });
		const { requests } = world.chain.node;
		await refused(strict, 'signature_bad', () => pay(strict, account, method), { method });
		assert.equal(world.chain.node.requests, requests, 'where code may not pay, no stranger is asked about');
	});

/* A contract wallet of two owners, whose signatures have 130 bytes, or more when asked for. */
async function pair() {
	const [first, second] = [await world.chain.payer({ tokens: 0n, approve: false }), await world.chain.payer({ tokens: 0n })];
	const address = await world.chain.deploy('Pair', [first.address, second.address]);
	await world.chain.call(first, world.chain.token, 'Token', 'mint', [address, RICH]);
	await world.chain.call(first, address, 'Pair', 'execute', [world.chain.token, approveAll()]);
	const signed = (owners, bytes = 130) => ({
		address,
		signTypedData: async (data) => {
			const parts = await Promise.all(owners.map((owner) => owner.signTypedData(data)));
			return `0x${parts.map((part) => part.slice(2)).join('')}`.padEnd(2 + 2 * bytes, '5a');
		},
	});
	return { first, second, signed };
}

for (const method of METHODS)
	test(`a contract wallet whose signatures are longer: ${method}`, async () => {
		const { first, second, signed } = await pair();
		const both = signed([first, second]);
		await served(cached(), both, method);
		await served(cached(), signed([first, second], 960), method); /* the longest */
		await until('settlement', 10000, async () => (await world.chain.balance(both.address)) < RICH);
		for (const forged of [signed([second, first]), signed([first, first]), signed([first], 130)])
			await refused(cached(), 'signature_bad', () => pay(cached(), forged, method), { method });
		await refused(cached(), 'signature_form', () => pay(cached(), signed([first, second], 961), method), { method });
		const { requests } = world.chain.node;
		await refused(strict, 'signature_form', () => pay(strict, both, method), { method });
		/* of an account without code nobody can say yes, though its first 65 bytes hold */
		const payer = await world.chain.payer();
		const longer = { address: payer.address, signTypedData: async (data) => `${await payer.signTypedData(data)}00` };
		await refused(strict, 'signature_form', () => pay(strict, longer, method), { method });
		assert.equal(world.chain.node.requests, requests, 'where code may not pay, no stranger is asked about');
		await refused(cached(), 'signature_bad', () => pay(cached(), longer, method), { method });
	});

/* An account that does not exist yet, and owns tokens: made by a factory when its first payment is settled. */
const notYetThere = (multicall3) => async () => {
	const { chain } = world;
	const { abi } = chain.contracts.Factory;
	const code = chain.contracts.Multicall3.deployedCode;
	if (!multicall3) await chain.rpc('anvil_setCode', [MULTICALL3, '0x']);
	const known = through(await another({ contracts: 'yes', erc6492_factories: `${MULTICALL3}, ${chain.factory}` }));
	await chain.rpc('anvil_setCode', [MULTICALL3, code]); /* the facilitator's */
	assert.match(known.gate.log(), multicall3 ? /multicall3=yes/ : /multicall3=no/);
	const none = through(await another({ contracts: 'yes' }));
	try {
		const make = async (factory = chain.factory) => {
			const owner = await chain.payer({ tokens: 0n, approve: false });
			const address = await chain.reader.readContract({
				address: chain.factory,
				abi,
				functionName: 'addressOf',
				args: [owner.address],
			});
			await chain.call(owner, chain.token, 'Token', 'mint', [address, RICH]);
			const data = encodeFunctionData({ abi, functionName: 'make', args: [owner.address] });
			const by = (signer, form = (wrapped) => wrapped) => ({
				address,
				signTypedData: async (typed) =>
					form(serializeErc6492Signature({ address: factory, data, signature: await signer.signTypedData(typed) })),
			});
			return { address, owner, by };
		};
		const first = await make();
		const stranger = await chain.payer({ tokens: 0n, approve: false });
		await refused(known, 'signature_bad', () => pay(known, first.by(stranger)));
		const cut = (wrapped) => `0x${wrapped.slice(4)}`; /* one byte less in front: not readable any more */
		await refused(known, 'signature_form', () => pay(known, first.by(first.owner, cut)));
		const { requests } = chain.node;
		await refused(none, 'factory_unlisted', () => pay(none, first.by(first.owner)));
		const foreign = await make(chain.token);
		await refused(known, 'factory_unlisted', () => pay(known, foreign.by(foreign.owner)));
		assert.equal(chain.node.requests, requests, 'for a factory that is not listed nothing is asked');
		assert.equal(await chain.reader.getCode({ address: first.address }), undefined);
		await served(known, first.by(first.owner));
		assert.notEqual(await chain.reader.getCode({ address: first.address }), undefined, 'the facilitator made it');
		await served(known, first.by(first.owner)); /* wrapped still */
		await served(known, { address: first.address, signTypedData: (typed) => first.owner.signTypedData(typed) });
		await refused(known, 'signature_bad', () => pay(known, first.by(stranger)));
		assert.equal(await chain.balance(first.address), RICH - 3n * AMOUNT);
	} finally {
		await known.gate.stop();
		await none.gate.stop();
	}
};
test('an account that does not exist yet (ERC-6492)', notYetThere(true));
test('the same on a chain without Multicall3', notYetThere(false));

const delegate = async (payer, contract) =>
	world.chain.rpc('anvil_setCode', [payer.address, `0xef0100${(await world.chain.deploy(contract, [])).slice(2)}`]);

for (const method of METHODS)
	test(`a key's account that delegates to code (EIP-7702): ${method}`, async () => {
		const payer = await world.chain.payer();
		await delegate(payer, 'Delegate');
		await served(cached(), payer, method);
		await until('settlement', 10000, async () => (await world.chain.balance(payer.address)) < RICH);
		await refused(strict, 'account_code', () => pay(strict, payer, method), { method });
		const revoked = await world.chain.payer();
		await delegate(revoked, 'Revoked'); /* the key's signature holds, and is worth nothing */
		await refused(cached(), 'signature_bad', () => pay(cached(), revoked, method), { method });
	});

/* --- the chain and its node --- */

test('a chain that was reorganised', async () => {
	const snapshot = await world.chain.rpc('evm_snapshot', []);
	const payer = await world.chain.payer();
	await served(cached(), payer);
	await served(strict, payer);
	await world.chain.rpc('evm_revert', [snapshot]); /* his money never was */
	await refused(strict, 'balance_low', () => pay(strict, payer));
	await refused(cached(), 'settle_refused', () => pay(cached(), payer), { ran: 1 });
	await refused(cached(), 'balance_low', () => pay(cached(), payer));
	await served(cached(), await world.chain.payer());
});

test('a node that lies: nobody gets an answer he did not pay for', async () => {
	const poor = await world.chain.payer({ tokens: 0n }),
		rich = await world.chain.payer();
	await under(nodeFaults.lying(10n ** 18n), async () => {
		const answer = await refused(cached(), 'settle_refused', () => pay(cached(), poor), { ran: 1 });
		assert.doesNotMatch(answer.text, /choices/);
	});
	await refused(cached(), 'balance_low', () => pay(cached(), poor));
	await under(nodeFaults.lying(0n), () => refused(cached(), 'balance_low', () => pay(cached(), rich)));
});

test('a slow node: waited for', async () => {
	const payer = await world.chain.payer();
	await under(nodeFaults.slow(300), () => served(strict, payer));
});

const GONE = { silent: nodeFaults.silent(), 'too slow': nodeFaults.slow(3000), nonsense: nodeFaults.nonsense() };
for (const [name, fault] of Object.entries(GONE))
	test(`a node that does not answer: ${name}`, async () => {
		const known = await world.chain.payer(),
			unknown = await world.chain.payer();
		await served(cached(), known);
		const made = await payment(world.offer('eip3009'), unknown);
		await under(fault, async () => {
			const answer = await refused(cached(), 'chain_down', () => askPaid(world.gate.chat, made));
			assert.ok(Number(answer.headers.get('retry-after')) > 0);
			await served(cached(), known);
			await refused(strict, 'chain_down', () => pay(strict, known));
		});
		const answer = await askPaid(world.gate.chat, made);
		assert.equal(answer.status, 200, `the same payment, later: ${answer.text}`);
	});

test('a node that went away and came back, and an exposure', async () => {
	const gate = await another({ exposure: 2n * AMOUNT });
	try {
		const payer = await world.chain.payer();
		await world.chain.node.stop();
		try {
			await served(through(gate), payer);
			assert.equal(await gate.metric('tollbar_funds_total{way="blind"}'), 1);
			assert.equal(await gate.metric('tollbar_chain_up{chain="test"}'), 0);
			await refused(strict, 'chain_down', () => pay(strict, payer));
		} finally {
			await world.chain.node.start();
		}
		await until('the node to be asked again', 10000, async () => {
			const answer = await pay(strict, payer);
			return answer.status === 200;
		});
	} finally {
		await gate.stop();
	}
});

test('a wrong offer ends the start, and says what is wrong', async () => {
	const wrong = [
		[
			{ 'offer eip3009': { token_version: '1' } },
			/offer=eip3009 what=token_name .* it has name "Toll Dollar", version "2"/,
		],
		[{ 'offer upto': { asset: world.chain.payTo } }, /offer=upto what=asset is not a contract/],
	];
	for (const [more, words] of wrong)
		await assert.rejects(
			startTollbar({ ...world, more: { ...section({})(world.chain), ...more } }),
			(error) => /tollbar stopped/.test(error.message) && words.test(error.message),
		);
});

test('check --chain says the same before the daemon is started', async () => {
	const check = async (file) => {
		const run = start(built('tollbar'), ['check', '--chain', file]);
		const { code } = await run.exited;
		return { code, text: run.output };
	};
	const good = await check(strict.gate.file);
	assert.equal(good.code, 0, good.text);
	assert.match(good.text, /chain test: eip155:84532, payers' funds are looked at for every payment/);
	const folder = scratch('check');
	const file = join(folder.path, 'tollbar.conf');
	const text = readFileSync(strict.gate.file, 'utf8');
	writeFileSync(file, text.replace(/token_name = .*/, 'token_name = Another'));
	const wrong = await check(file);
	assert.equal(wrong.code, 1);
	assert.match(wrong.text, /\[chain test\] and offer eip3009: token_name "Another" .* it has name "Toll Dollar"/);
	writeFileSync(file, text.replaceAll('eip155:84532', 'eip155:8453'));
	const elsewhere = await check(file);
	assert.equal(elsewhere.code, 1);
	assert.match(elsewhere.text, /rpc is a node of chain eip155:84532, not of eip155:8453/);
	folder.remove();
});

test('a session: each request is covered, and what they cost is owed until it is settled', async () => {
	const gate = await another({ funds: 'strict' }, {
		'offer upto': { session_reserve: USED },
		'route chat': { session: 'on', session_idle_s: 2, session_margin_s: 20 },
	});
	try {
		const payer = await world.chain.payer({ tokens: 2n * AMOUNT });
		const made = await payment(world.offer('upto'), payer);
		const first = await askPaid(gate.chat, made);
		assert.equal(first.status, 200, first.text);
		const headers = { 'x-upto-session': first.headers.get('x-upto-session') };
		assert.equal((await ask(gate.chat, { headers })).status, 200);
		await until('settlement', 15000, async () => (await world.chain.balance(payer.address)) < 2n * AMOUNT);
		assert.equal(2n * AMOUNT - (await world.chain.balance(payer.address)), 2n * USED);
		const again = await askPaid(gate.chat, await payment(world.offer('upto'), payer));
		assert.equal(again.status, 200, again.text);
		await empty(payer);
		const resumed = await ask(gate.chat, { headers: { 'x-upto-session': again.headers.get('x-upto-session') } });
		assert.equal(resumed.reason, 'balance_low', resumed.text);
	} finally {
		await gate.stop();
	}
});

/* --- many --- */

test('10,000 payments with a balance for 100: exactly 100 are served', async () => {
	const payer = await world.chain.payer({ tokens: 100n * AMOUNT });
	const refusals = await world.gate.refused('settle_refused');
	const folder = scratch('key');
	writeFileSync(join(folder.path, 'key'), payer.key, { mode: 0o600 });
	const load = start(built('tests/tools/load'), [
		...['--pay', '10000', '--key', join(folder.path, 'key'), '--connections', '32'],
		...['--data', BODY, world.gate.chat],
	]);
	await load.exited;
	const status = (code) => Number(load.output.match(new RegExp(`^status_${code} (\\d+)`, 'm'))?.[1] ?? 0);
	assert.equal(status(200), 100, load.output);
	assert.equal(status(402), 9900, load.output);
	assert.equal(await world.chain.balance(payer.address), 0n);
	assert.equal(await world.gate.refused('settle_refused'), refusals, 'nothing was promised that was not there');
	folder.remove();
}, 300_000);

run({
	before: async () => {
		world = await startWorld({
			more: async (chain) => {
				chain.node = await startNode(chain);
				return section({ contracts: 'yes', suspect_s: 20 })(chain);
			},
		});
		await world.chain.rpc('anvil_setCode', [MULTICALL3, world.chain.contracts.Multicall3.deployedCode]);
		strict = through(await another({ funds: 'strict' }));
		assert.match(world.gate.log(), /multicall3=no/);
		assert.match(strict.gate.log(), /multicall3=yes/);
	},
	after: async () => {
		await strict?.gate.stop();
		await world?.chain.node?.stop();
		await world?.stop();
	},
});
