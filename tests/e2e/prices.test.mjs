// SPDX-License-Identifier: Apache-2.0
// Prices by model, in dollars: what is charged is exact, and a model without a price is refused before anything is paid.
import { assert, run, test } from './lib/check.mjs';
import { payment } from './lib/payment.mjs';
import { refused, unmoved } from './lib/refusal.mjs';
import { AMOUNT } from './lib/tollbar.mjs';
import { until } from './lib/wait.mjs';
import { ask, askPaid, askRaw, BODY, BODY_STREAM, rawRequest, startWorld } from './lib/world.mjs';

const METERED = '/v1/completions'; /* every offer here goes by model */
const MODELS = { 'stand-in': ['2.50', '10'], 'acme/large:2': ['0.000001', '1234.567891'] };
const TOKEN = { usd: '0.7919', decimals: 6 };
let world;

const metered = () => `${world.gate.url}${METERED}`;
const bodyFor = (model, rest = {}) => JSON.stringify({ ...JSON.parse(BODY), model, ...rest });
/* Twelve digits after the point: whole numbers, as in the gate, but counted here by itself. */
const units = (text) => {
	const [whole, fraction = ''] = text.split('.');
	return BigInt(whole + fraction.padEnd(12, '0'));
};

function cost(model, input, output) {
	const [perInput, perOutput] = MODELS[model].map(units);
	const above = (BigInt(input) * perInput + BigInt(output) * perOutput) * 10n ** BigInt(TOKEN.decimals);
	const below = units(TOKEN.usd) * 1_000_000n;
	const exact = (above + below - 1n) / below;
	return exact < AMOUNT ? exact : AMOUNT;
}

const pays = async (payer) => payment(world.offer('upto'), payer);

async function charged(payer) {
	const before = 1_000_000_000n;
	await until('the payment to settle', 10000, async () => (await world.chain.balance(payer.address)) < before);
	return before - (await world.chain.balance(payer.address));
}

for (const model of Object.keys(MODELS))
	for (const [input, output] of [
		[1, 0],
		[17, 3],
		[1000, 500],
		[123456, 7],
	])
		for (const stream of [false, true])
			test(`${model}: ${input} and ${output} tokens${stream ? ', streamed' : ''}`, async () => {
				const payer = await world.chain.payer();
				const answer = await askPaid(metered(), await pays(payer), {
					body: bodyFor(model, { stream }),
					headers: { 'x-usage': `${input},${output}` },
				});
				assert.equal(answer.status, 200, answer.text);
				assert.equal(await charged(payer), cost(model, input, output));
			});

test('a model without a price is refused before it is paid for', async () => {
	const payer = await world.chain.payer();
	for (const model of ['stand-in2', 'STAND-IN', 'large:2', ' stand-in']) {
		const body = bodyFor(model);
		await refused(world, 'model_unknown', () => ask(metered(), { body }), { label: `unpaid ${model}` });
		const made = await pays(payer);
		await refused(world, 'model_unknown', () => askPaid(metered(), made, { body }), { label: `paid ${model}` });
		const other = await askPaid(metered(), made, { body: bodyFor('stand-in') });
		assert.equal(other.status, 200, 'the payment is still good for a model that is sold');
	}
	await refused(world, 'model_unknown', async () => askPaid(metered(), await pays(payer), { body: '{"prompt":"x"}' }));
	const untouched = await world.chain.payer();
	await unmoved(world, untouched, async () => {
		await refused(world, 'model_unknown', async () => askPaid(metered(), await pays(untouched), { body: bodyFor('x') }));
	});
});

test('an unpaid request gets its challenge, whatever its body', async () => {
	for (const body of [BODY, BODY_STREAM, '{}', '{"model":', 'no JSON', '', '{"model":7}', `{"model":"x","a":"${'a'.repeat(20000)}"}`])
		await refused(world, 'payment_missing', () => ask(metered(), { body }), { label: body.slice(0, 40) });
	const slowly = rawRequest(world.gate, { target: METERED });
	await refused(world, 'payment_missing', () => askRaw(world.gate, [slowly.slice(0, -20), slowly.slice(-20)], { pause: 50 }));
	await refused(world, 'payment_missing', () => ask(metered(), { method: 'POST', body: '' }));
});

test('where another offer sells any model, the challenge comes first', async () => {
	const body = bodyFor('stand-in2');
	await refused(world, 'payment_missing', () => ask(world.gate.chat, { body }));
	const exact = await payment(world.offer('eip3009'), await world.chain.payer());
	assert.equal((await askPaid(world.gate.chat, exact, { body })).status, 200);
	await refused(world, 'model_unknown', async () => askPaid(world.gate.chat, await pays(await world.chain.payer()), { body }));
});

await run({
	before: async () => {
		const prices = Object.entries(MODELS).map(([model, [input, output]], i) => [
			`price p${i}`,
			{ model, input_usd_per_mtok: input, output_usd_per_mtok: output },
		]);
		world = await startWorld({
			more: {
				'offer upto': {
					input_per_mtok: undefined,
					output_per_mtok: undefined,
					token_usd: TOKEN.usd,
					token_decimals: TOKEN.decimals,
				},
				...Object.fromEntries(prices),
				'route metered': { match: `POST ${METERED}`, offers: 'upto', upstream: 'model' },
			},
		});
	},
	after: async () => world?.stop(),
});
