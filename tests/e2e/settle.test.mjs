// SPDX-License-Identifier: Apache-2.0
// The facilitator down, slow, lying and back: what is not known is said to be unknown, asked again, and nothing earned
// is forgotten.
import { execFileSync, spawnSync } from 'node:child_process';
import { assert, run, test } from './lib/check.mjs';
import { faults, nonceOf } from './lib/facilitator.mjs';
import { payment, receiptOf } from './lib/payment.mjs';
import { built } from './lib/process.mjs';
import { refused, stillGood } from './lib/refusal.mjs';
import { AMOUNT, PRICE, startTollbar } from './lib/tollbar.mjs';
import { UPSTREAM_USAGE } from './lib/upstream.mjs';
import { sleep, until } from './lib/wait.mjs';
import { askPaid, BODY_STREAM, startWorld } from './lib/world.mjs';

const RESOLVE_MS = 45_000; /* asking again is spaced out */
const USED =
	(BigInt(UPSTREAM_USAGE.prompt) * PRICE.input + BigInt(UPSTREAM_USAGE.completion) * PRICE.output) / 1_000_000n;
let world;

const chat = () => world.gate.chat;
const charged = async (payer) => 1_000_000_000n - (await world.chain.balance(payer.address));
const settlesOf = (made) =>
	world.facilitator.settles.filter(({ body }) => String(nonceOf(body.paymentPayload)) === String(nonceOf(made)));
const fresh = async (method) => {
	const payer = await world.chain.payer();
	return { payer, made: await payment(world.offer(method), payer) };
};

/* Until the fault is lifted, whatever the test does. */
async function under(fault, body) {
	world.facilitator.fault = fault;
	try {
		await body();
	} finally {
		world.facilitator.fault = undefined;
	}
}

const SILENT = {
	nonsense: faults.nonsense(),
	'no boolean': faults.noBoolean(),
	accepted: faults.accepted(),
	'status 500': faults.status(500),
	'status 404': faults.status(404),
	'status 200, empty': faults.status(200, ''),
	reset: faults.reset(),
	hang: faults.hang(),
	slow: faults.delay(4000),
};
const unanswered = []; /* what the faults below left unknown, all settled in the end: see after them */
for (const [name, fault] of Object.entries(SILENT))
	for (const method of ['eip3009', 'permit2'])
		test(`${name}: unknown, and not served: ${method}`, async () => {
			const { payer, made } = await fresh(method);
			await under(fault, async () => {
				const answer = await refused(world, 'settle_unknown', () => askPaid(chat(), made), { ran: 1 });
				assert.doesNotMatch(answer.text, /choices/);
				assert.equal(receiptOf(answer).success, false);
				await refused(world, 'replayed', () => askPaid(chat(), made));
			});
			unanswered.push({ name, payer, made });
			await stillGood(world);
		});

test('everything unknown is settled once the facilitator answers', async () => {
	for (const { name, payer, made } of unanswered) {
		await until(`${name} to be settled`, RESOLVE_MS, async () => (await charged(payer)) > 0n);
		assert.equal(await charged(payer), AMOUNT, name);
		await refused(world, 'replayed', () => askPaid(chat(), made), { label: name });
	}
});

test('facilitator down, then back', async () => {
	const exact = await fresh('eip3009'),
		upto = await fresh('upto'),
		stream = await fresh('eip3009');
	await world.facilitator.stop();
	try {
		await refused(world, 'settle_unknown', () => askPaid(chat(), exact.made), { ran: 1 });
		await refused(world, 'settle_unknown', () => askPaid(chat(), stream.made, { body: BODY_STREAM }), {
			ran: [0, 1],
		});
		const answer = await askPaid(chat(), upto.made, { body: BODY_STREAM });
		assert.equal(answer.status, 200, 'upto is settled after the answer');
		assert.match(answer.text, /\[DONE\]/);
	} finally {
		await world.facilitator.start();
	}
	for (const { payer } of [exact, upto, stream])
		await until('the settlement', RESOLVE_MS, async () => (await charged(payer)) > 0n);
	assert.equal(await charged(exact.payer), AMOUNT);
	assert.equal(await charged(upto.payer), USED);
	await stillGood(world);
});

test('slow but in time', async () => {
	const { payer, made } = await fresh('eip3009');
	await under(faults.delay(500), async () => {
		const answer = await askPaid(chat(), made);
		assert.equal(answer.status, 200, answer.text);
		assert.equal(receiptOf(answer).success, true);
	});
	assert.equal(await charged(payer), AMOUNT);
});

test('the transfer happens but the answer is lost: taken once, served never', async () => {
	const { payer, made } = await fresh('eip3009');
	await under(faults.swallow(), () => refused(world, 'settle_unknown', () => askPaid(chat(), made), { ran: 1 }));
	await sleep(3000);
	assert.equal(await charged(payer), AMOUNT);
	await refused(world, 'replayed', () => askPaid(chat(), made));
	await stillGood(world);
});

for (const method of ['eip3009', 'permit2'])
	test(`the facilitator says no: ${method}`, async () => {
		const { payer, made } = await fresh(method);
		await under(faults.refuse('invalid_exact_evm_insufficient_balance'), async () => {
			const answer = await refused(world, 'settle_refused', () => askPaid(chat(), made), { ran: 1 });
			assert.doesNotMatch(answer.text, /choices/);
			const receipt = receiptOf(answer);
			assert.equal(receipt.success, false);
			assert.equal(receipt.errorReason, 'invalid_exact_evm_insufficient_balance');
		});
		assert.equal(await charged(payer), 0n);
		await refused(world, 'replayed', () => askPaid(chat(), made));
		assert.equal(settlesOf(made).length, 1, 'a no is final');
	});

test('what is unknown survives a restart', async () => {
	const { payer, made } = await fresh('eip3009');
	await under(faults.hang(), async () => {
		await refused(world, 'settle_unknown', () => askPaid(chat(), made), { ran: 1 });
		await world.gate.stop('SIGKILL');
	});
	await world.gate.start();
	await until('the settlement', RESOLVE_MS, async () => (await charged(payer)) > 0n);
	assert.equal(await charged(payer), AMOUNT);
	await refused(world, 'replayed', () => askPaid(chat(), made));
});

for (const method of ['eip3009', 'upto'])
	test(`put in line, carried out later, served then: ${method}`, async () => {
		const { payer, made } = await fresh(method);
		await under(faults.inLine(600), async () => {
			const answer = await askPaid(chat(), made);
			assert.equal(answer.status, 200, answer.text);
			const receipt = receiptOf(answer);
			assert.equal(receipt.success, true);
			assert.match(receipt.transaction, /^0x[0-9a-f]{64}$/);
		});
		assert.ok((await charged(payer)) > 0n);
		assert.equal(settlesOf(made).length, 1, 'asked once, asked after since');
	});

test('a restart goes on asking after the job', async () => {
	const { payer, made } = await fresh('upto');
	await under(faults.inLine(4000), async () => {
		assert.equal((await askPaid(chat(), made, { body: BODY_STREAM })).status, 200);
		const asked = world.facilitator.polls.size;
		await until('the job', 5000, () => world.facilitator.polls.size > asked);
		await world.gate.stop('SIGKILL');
	});
	const [id] = [...world.facilitator.polls.keys()].slice(-1);
	await world.gate.start();
	await until('its end to be heard', 20_000, () => world.facilitator.polls.get(id).ended > 0);
	await sleep(2500);
	assert.equal(world.facilitator.polls.get(id).ended, 1, 'nothing is asked after the answer');
	assert.equal(await charged(payer), USED);
	assert.equal(settlesOf(made).length, 1);
});

test('a job that nobody knows any more is asked for anew, and pays once', async () => {
	const { payer, made } = await fresh('upto');
	await under(faults.inLine(60_000), async () => {
		assert.equal((await askPaid(chat(), made, { body: BODY_STREAM })).status, 200);
		await until('the job', 5000, () => settlesOf(made).length > 0);
	});
	world.facilitator.jobs.clear();
	await until('the settlement', RESOLVE_MS, async () => (await charged(payer)) > 0n);
	assert.equal(await charged(payer), USED);
	assert.equal(settlesOf(made).length, 2);
});

test('the facilitator is down: another one settles, and who waits is served', async () => {
	const by = { settle_by: 'default, spare' };
	const gate = await startTollbar({
		...world,
		facilitator: { url: 'http://127.0.0.1:1' },
		more: {
			'facilitator spare': { url: world.facilitator.url },
			'offer eip3009': by,
			'offer upto': by,
		},
	});
	try {
		for (const method of ['eip3009', 'upto']) {
			const { payer, made } = await fresh(method);
			const answer = await askPaid(gate.chat, made);
			assert.equal(answer.status, 200, answer.text);
			assert.ok((await charged(payer)) > 0n);
			assert.equal(settlesOf(made).length, 1);
		}
		const { made } = await fresh('permit2'); /* which names nobody else */
		assert.equal((await askPaid(gate.chat, made)).reason, 'settle_unknown');
		assert.equal(settlesOf(made).length, 0);
	} finally {
		await gate.stop('SIGKILL');
	}
});

test('tollbar ledger shows it beside the running daemon', async () => {
	const { payer, made } = await fresh('eip3009');
	assert.equal((await askPaid(chat(), made)).status, 200);
	const ask = (...words) =>
		execFileSync(built('tollbar'), ['ledger', '-c', world.gate.file, '--payer', payer.address.toLowerCase(), ...words], {
			encoding: 'utf8',
		});
	const [claim, ...more] = JSON.parse(ask('--json'));
	assert.equal(more.length, 0);
	assert.equal(claim.state, 'settled');
	assert.equal(claim.nonce, nonceOf(made));
	assert.equal(claim.due, String(AMOUNT));
	assert.equal(claim.transaction, settlesOf(made)[0].answer.transaction);
	assert.match(ask(), /\n1 settled\n/);
	const [compared] = JSON.parse(ask('--json', '--rpc', world.chain.url));
	assert.equal(compared.chain, 'paid', 'the transfer is in the transaction that the facilitator named');
});

test('tollbar ledger finds what a lying facilitator never paid, and what a silent one did', async () => {
	const lied = await fresh('eip3009'),
		silent = await fresh('permit2');
	await under(faults.instant(), async () => assert.equal((await askPaid(chat(), lied.made)).status, 200));
	await under(faults.swallow(), () => refused(world, 'settle_unknown', () => askPaid(chat(), silent.made), { ran: 1 }));
	const compare = ({ payer }) => {
		const words = ['ledger', '-c', world.gate.file, '--payer', payer.address.toLowerCase(), '--json', '--rpc', world.chain.url];
		const { status, stdout } = spawnSync(built('tollbar'), words, { encoding: 'utf8' });
		return { status, ...JSON.parse(stdout)[0] };
	};
	const lie = compare(lied);
	assert.deepEqual([lie.status, lie.state, lie.chain], [1, 'settled', 'open']);
	const paid = compare(silent);
	assert.equal(paid.chain, 'used');
});

test('upto asks for what was used, not for what was signed', async () => {
	const { payer, made } = await fresh('upto');
	assert.equal((await askPaid(chat(), made)).status, 200);
	await until('the settlement', 5000, async () => (await charged(payer)) > 0n);
	const [{ body }] = settlesOf(made);
	assert.equal(body.paymentRequirements.amount, String(USED));
	assert.equal(body.paymentPayload.payload.permit2Authorization.permitted.amount, String(AMOUNT));
	assert.equal(body.paymentRequirements.payTo.toLowerCase(), world.chain.payTo.toLowerCase());
});

test('upto with zero usage settles nothing', async () => {
	const { payer, made } = await fresh('upto');
	assert.equal((await askPaid(chat(), made, { headers: { 'x-usage': '0,0' } })).status, 200);
	await sleep(500);
	assert.equal(await charged(payer), 0n);
	assert.equal(settlesOf(made).filter(({ answer }) => answer?.transaction).length, 0);
	await refused(world, 'replayed', () => askPaid(chat(), made));
});

test('upto never asks for more than was signed', async () => {
	const { payer, made } = await fresh('upto');
	assert.equal((await askPaid(chat(), made, { headers: { 'x-usage': '9000000,9000000' } })).status, 200);
	await until('the settlement', 5000, async () => (await charged(payer)) > 0n);
	assert.equal(await charged(payer), AMOUNT);
});

test('a drain waits for what is being settled', async () => {
	const { payer, made } = await fresh('upto');
	await under(faults.delay(700), async () => {
		assert.equal((await askPaid(chat(), made, { body: BODY_STREAM, headers: { 'x-tokens': '500' } })).status, 200);
		const { code } = await world.gate.stop('SIGTERM', 20_000);
		assert.equal(code, 0);
	});
	assert.equal(await charged(payer), USED);
	await world.gate.start();
	await refused(world, 'replayed', () => askPaid(chat(), made));
});

await run({
	before: async () => {
		world = await startWorld({
			more: { facilitator: { timeout_ms: 1000 }, timeouts: { settle_ms: 2500, drain_ms: 10000 } },
		});
	},
	after: async () => world?.stop(),
});
