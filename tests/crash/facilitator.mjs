// SPDX-License-Identifier: Apache-2.0
// A facilitator that answers, fails, hangs, answers late or not at all, as it happens to choose, and keeps a record of what
// it settled.  It moves no money: what it settled is settled once, however often it is asked again.
import { createServer } from 'node:http';
import { nonceOf, payerOf } from '../e2e/lib/facilitator.mjs';
import { sleep } from '../e2e/lib/wait.mjs';

/* How it may treat a call, how often of 100.  `settles`: before or after it answers, or never. */
const MOODS = [
	{ of100: 55, settles: 'before', answers: 'yes' },
	{ of100: 10, settles: 'after', answers: 'yes', slowly: true },
	{ of100: 8, settles: 'before', answers: 'never' },
	{ of100: 7, settles: 'never', answers: 'never' },
	{ of100: 5, settles: 'before', answers: 'reset' },
	{ of100: 4, settles: 'never', answers: 'reset' },
	{ of100: 4, settles: 'never', answers: 'error' },
	{ of100: 3, settles: 'before', answers: 'nonsense' },
	{ of100: 4, settles: 'never', answers: 'no' },
];

async function readJson(request) {
	let text = '';
	for await (const piece of request) text += piece;
	return JSON.parse(text);
}

/* startUnsteady: choose(n) gives a number below n. → { url, of(nonce) → { asked, settled, amount }, steady, stop() };
 * steady = true: from now on it says yes to everything at once. */
export async function startUnsteady(choose) {
	const records = new Map();
	const self = { steady: false, asked: 0 };
	self.of = (nonce) => records.get(BigInt(nonce)) ?? { asked: 0, settled: false };

	const settle = (record, requirements) => {
		const amount = BigInt(requirements.amount ?? requirements.maxAmountRequired);
		if (record.settled && record.amount !== amount) record.contradicted = true;
		record.settled = true;
		record.amount = amount;
	};
	const mood = () => {
		let at = choose(100);
		return MOODS.find(({ of100 }) => (at -= of100) < 0);
	};
	const answer = async (request, response) => {
		const { paymentPayload, paymentRequirements } = await readJson(request);
		const nonce = BigInt(nonceOf(paymentPayload));
		const record = records.get(nonce) ?? { asked: 0, settled: false };
		records.set(nonce, record);
		record.asked++;
		self.asked++;
		const { settles, answers, slowly } = self.steady ? MOODS[0] : mood();
		if (settles === 'before') settle(record, paymentRequirements);
		if (slowly) await sleep(choose(80));
		if (settles === 'after') settle(record, paymentRequirements);
		const json = (status, body) => {
			response.writeHead(status, { 'content-type': 'application/json' });
			response.end(typeof body === 'string' ? body : JSON.stringify(body));
		};
		const about = { network: paymentRequirements.network, payer: payerOf(paymentPayload) };
		if (answers === 'yes')
			json(200, { success: true, transaction: `0x${nonce.toString(16).padStart(64, '0')}`, ...about });
		if (answers === 'no')
			json(200, { success: false, errorReason: 'insufficient_funds', transaction: '', ...about });
		if (answers === 'error') json(500, '{"error":"broken"}');
		if (answers === 'nonsense') json(200, '<html>surely not JSON</html>');
		if (answers === 'reset') request.socket.resetAndDestroy();
	};
	const server = createServer((request, response) => {
		answer(request, response).catch(() => response.destroy()); /* the daemon died while it asked */
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	self.url = `http://127.0.0.1:${server.address().port}`;
	self.stop = async () => {
		server.closeAllConnections();
		server.close();
	};
	return self;
}
