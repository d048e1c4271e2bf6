// SPDX-License-Identifier: Apache-2.0
// A facilitator behind https: trusted when its certificate is vouched for, not asked when it is not.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { assert, run, test } from './lib/check.mjs';
import { payment, receiptOf } from './lib/payment.mjs';
import { scratch } from './lib/process.mjs';
import { AMOUNT, startTollbar } from './lib/tollbar.mjs';
import { askPaid, startWorld } from './lib/world.mjs';

let world, front;

/* An https front of the facilitator, with a certificate that only its own file vouches for. */
async function startFront(to) {
	const folder = scratch('tls');
	const key = join(folder.path, 'key.pem'), cert = join(folder.path, 'cert.pem');
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
		'-out', cert, '-days', '1', '-subj', '/CN=facilitator', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
	const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
		const { method, headers, url } = request;
		const onward = httpRequest(new URL(url, to.url), { method, headers }, (answer) => {
			response.writeHead(answer.statusCode, answer.headers);
			answer.pipe(response);
		});
		request.pipe(onward);
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	return {
		cert,
		url: `https://127.0.0.1:${server.address().port}`,
		stop: () => new Promise((done) => {
			server.close(done);
			server.closeAllConnections();
			folder.remove();
		}),
	};
}

async function payThrough(facilitator) {
	const payer = await world.chain.payer();
	const before = await world.chain.balance(payer.address);
	const gate = await startTollbar({ ...world, facilitator: front, more: { facilitator } });
	try {
		const answer = await askPaid(gate.chat, await payment(world.offer('eip3009'), payer));
		return { answer, moved: before - (await world.chain.balance(payer.address)) };
	} finally {
		await gate.stop('SIGKILL'); /* what is unknown would be waited for */
	}
}

test('vouched for: paid and settled', async () => {
	const { answer, moved } = await payThrough({ ca_file: front.cert });
	assert.equal(answer.status, 200, answer.text);
	assert.equal(receiptOf(answer).success, true);
	assert.equal(moved, AMOUNT);
});

test('vouched for by nobody: not asked, not served, nothing moves', async () => {
	const asked = world.facilitator.settles.length;
	const { answer, moved } = await payThrough({});
	assert.equal(answer.reason, 'settle_unknown', answer.text);
	assert.equal(world.facilitator.settles.length, asked);
	assert.equal(moved, 0n);
});

await run({
	before: async () => {
		world = await startWorld();
		front = await startFront(world.facilitator);
	},
	after: async () => {
		await front?.stop();
		await world?.stop();
	},
});
