// SPDX-License-Identifier: Apache-2.0
// What every refusal must be: the right status, reason word and counter, nothing served, nothing else broken.
import { assert } from './check.mjs';
import { METHODS } from './payment.mjs';
import { REASONS } from './reasons.mjs';
import { goodPayment } from './world.mjs';

/* refused: runs `attempt` (→ an answer) and checks that it was refused for `reason`, once in the counter, without the
 * model server seeing it (or `ran` times).  reason and ran may be arrays: one of them. */
export async function refused(world, reason, attempt, { label = '', ran = 0, method } = {}) {
	const before = await world.gate.metrics();
	const { requests } = await world.upstream.stats();
	const answer = await attempt();
	const about = `${label}: ${answer.status} ${answer.text.slice(0, 300)}`;
	assert.ok([reason].flat().includes(answer.reason), `expected ${reason}, got ${answer.reason} ${about}`);
	const { status, [method ?? METHODS[0]]: code } = REASONS.get(answer.reason);
	assert.equal(answer.status, status, about);
	if (method && code) assert.equal(answer.json.error, code, about);
	const name = `tollbar_requests_refused_total{reason="${answer.reason}"}`;
	assert.equal((await world.gate.metrics()).get(name) ?? 0, (before.get(name) ?? 0) + 1, `${name} ${about}`);
	const runs = (await world.upstream.stats()).requests - requests;
	assert.ok([ran].flat().includes(runs), `the model server ran ${runs} times, not ${ran}: ${about}`);
	return answer;
}

/* stillGood: an honest payment works, as if nothing had happened. */
export async function stillGood(world) {
	const answer = await goodPayment(world);
	assert.equal(answer.status, 200, `an honest payment afterwards: ${answer.text}`);
}

/* unmoved: nothing is taken from this payer, now or a moment later. */
export async function unmoved(world, payer, wait) {
	const before = await world.chain.balance(payer.address);
	await wait();
	assert.equal(await world.chain.balance(payer.address), before, 'nothing was charged');
}
