// SPDX-License-Identifier: Apache-2.0
// The npm x402 facilitator behind a small HTTP server, with a switch in front of it that lets a test make /settle fail
// in every way a network can.
import './node18.mjs';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { x402Facilitator } from '@x402/core/facilitator';
import { toFacilitatorEvmSigner } from '@x402/evm';
import { ExactEvmScheme } from '@x402/evm/exact/facilitator';
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/facilitator';
import { UptoEvmScheme } from '@x402/evm/upto/facilitator';
import { NETWORK, NETWORK_V1 } from './chain.mjs';
import { sleep } from './wait.mjs';

/* What a fault is given: jobs, by id, which GET /settle/ID shows; settle() asks the real facilitator and gives its answer; reply(status, text) answers;
 * socket may be destroyed; returning without an answer hangs. */
export const faults = {
	status:
		(status, text = '{"error":"broken"}') =>
		({ reply }) =>
			reply(status, text),
	nonsense:
		(text = '<html>surely not JSON</html>') =>
		({ reply }) =>
			reply(200, text),
	accepted:
		() =>
		({ reply }) =>
			reply(202, '{"paymentJob":{"jobId":"1","status":"queued"}}'),
	/* As OpenGradient's does: every settlement becomes a job, carried out `ms` later, asked after by its id. */
	inLine:
		(ms = 0) =>
		({ settle, reply, jobs }) => {
			const job = { jobId: `payment-${randomUUID()}`, queue: 'x402-settle-payment-queue', status: 'queued' };
			jobs.set(job.jobId, job);
			sleep(ms)
				.then(settle)
				.then(
					(result) => Object.assign(job, { status: 'succeeded', result }),
					(error) => Object.assign(job, { status: 'failed', error: error.message }),
				);
			reply(202, JSON.stringify({ paymentJob: job }));
		},
	noBoolean:
		() =>
		({ reply }) =>
			reply(200, '{"transaction":"0x00","network":"eip155:84532"}'),
	hang: () => () => {},
	reset:
		() =>
		({ socket }) =>
			socket.destroy(),
	delay:
		(ms) =>
		async ({ settle, reply }) => {
			await sleep(ms);
			reply(200, JSON.stringify(await settle()));
		},
	/* The transfer happens, but the answer never arrives. */
	swallow:
		() =>
		async ({ settle, socket }) => {
			await settle();
			socket.destroy();
		},
	refuse:
		(errorReason) =>
		({ body, reply }) =>
			reply(
				200,
				JSON.stringify({
					success: false,
					errorReason,
					transaction: '',
					network: body.paymentRequirements.network,
				}),
			),
	/* No chain at all: answers success at once with a made-up hash. */
	instant:
		() =>
		({ body, reply }) =>
			reply(
				200,
				JSON.stringify({
					success: true,
					transaction: `0x${'ab'.repeat(32)}`,
					network: body.paymentRequirements.network,
					payer: payerOf(body.paymentPayload),
				}),
			),
};

export function payerOf(payload) {
	return (payload.payload.permit2Authorization ?? payload.payload.authorization).from;
}

export function nonceOf(payload) {
	return (payload.payload.permit2Authorization ?? payload.payload.authorization).nonce;
}

/* One transaction at a time: the account's next nonce is only known when the last one was accepted. */
function inTurn(call) {
	let last = Promise.resolve();
	return (...args) => {
		const mine = last.then(() => call(...args));
		last = mine.catch(() => {});
		return mine;
	};
}

function makeFacilitator(chain) {
	const client = chain.client(chain.facilitator);
	const signer = toFacilitatorEvmSigner({
		...client,
		address: chain.facilitator.address,
		writeContract: inTurn((args) => client.writeContract(args)),
	});
	return new x402Facilitator()
		.register(NETWORK, new ExactEvmScheme(signer, { eip6492AllowedFactories: [chain.factory] }))
		.register(NETWORK, new UptoEvmScheme(signer))
		.registerV1(NETWORK_V1, new ExactEvmSchemeV1(signer));
}

async function readJson(request) {
	let text = '';
	for await (const piece of request) text += piece;
	return JSON.parse(text);
}

/* startFacilitator: → { url, fault, settles, verifies, stop() }.
 * polls: how often each job was asked after, by id: { open, ended }.  settles: every /settle asked, in order: { body, answer (undefined until known), at }.  Set `fault` to one of faults
 * (or to undefined); it takes part from the next /settle on.  data: every /settle_data: { type, data, status }, answered as
 * OpenGradient's does; set dataStatus for another answer, dataJob for
 * what became of those that are in line then.  stop() and start() again keep the port: "down, then back". */
export async function startFacilitator(chain, { host = '127.0.0.1', port = 0 } = {}) {
	const real = makeFacilitator(chain);
	const self = { fault: undefined, settles: [], verifies: [], data: [], polls: new Map(), jobs: new Map() };

	async function onSettle(request, response) {
		const body = await readJson(request);
		const entry = { body, at: Date.now() };
		self.settles.push(entry);
		const settle = async () => (entry.answer = await real.settle(body.paymentPayload, body.paymentRequirements));
		const reply = (status, text) => {
			entry.answer ??= { status, text };
			response.writeHead(status, { 'content-type': 'application/json' }).end(text);
		};
		if (self.fault !== undefined) return self.fault({ body, settle, reply, socket: response.socket, jobs: self.jobs });
		return reply(200, JSON.stringify(await settle()));
	}

	function onJob(id, response) {
		const job = self.jobs.get(id);
		const polls = self.polls.get(id) ?? { open: 0, ended: 0 };
		polls[job?.status === 'succeeded' || job?.status === 'failed' ? 'ended' : 'open']++;
		self.polls.set(id, polls);
		response.writeHead(job ? 200 : 404, { 'content-type': 'application/json' });
		response.end(JSON.stringify(job ?? { error: `Settlement job not found: ${id}` }));
	}

	/* As OpenGradient's reads it: what it cannot read is a 400. */
	function onData(request, response) {
		const type = request.headers['x-settlement-type'];
		const entry = { type, status: self.dataStatus ?? 202 };
		try {
			const text = Buffer.from(request.headers['x-settlement-data'], 'base64').toString('utf8');
			const data = (entry.data = JSON.parse(text));
			const wanted = ['input_hash', 'output_hash', 'tee_signature'];
			if (type === 'individual') wanted.push('tee_id', 'timestamp', 'eth_address', 'input', 'output');
			else if (type !== 'batch') throw new Error(`Unsupported x-settlement-type: ${type}`);
			for (const name of wanted) if (!(name in data)) throw new Error(`Missing required settlement field: ${name}`);
		} catch (error) {
			Object.assign(entry, { status: 400, error: error.message });
		}
		self.data.push(entry);
		response.writeHead(entry.status, { 'content-type': 'application/json' });
		request.resume().on('end', async () => {
			await sleep(self.dataDelay ?? 0);
			const job = { jobId: `settlement-${randomUUID()}`, status: self.dataJob ?? 'succeeded' };
			self.jobs.set(job.jobId, job);
			response.end(JSON.stringify({ settlementJob: { ...job, status: 'queued' } }));
		});
	}

	async function onVerify(request, response) {
		const body = await readJson(request);
		self.verifies.push({ body, at: Date.now() });
		response.setHeader('content-type', 'application/json');
		response.end(JSON.stringify(await real.verify(body.paymentPayload, body.paymentRequirements)));
	}

	const server = createServer((request, response) => {
		const route = `${request.method} ${request.url}`;
		const answered =
			route === 'POST /settle'
				? onSettle(request, response)
				: route.startsWith('GET /settle/')
					? onJob(request.url.slice('/settle/'.length), response)
				: route === 'POST /settle_data'
					? onData(request, response)
				: route === 'POST /verify'
					? onVerify(request, response)
					: route === 'GET /supported'
						? response.end(JSON.stringify(real.getSupported()))
						: response.writeHead(404).end();
		Promise.resolve(answered).catch((error) => {
			if (!response.headersSent) response.writeHead(500).end(JSON.stringify({ error: error.message }));
		});
	});
	const listen = (at) => new Promise((done, fail) => server.once('error', fail).listen(at, host, done));
	await listen(port);
	const kept = server.address().port;
	return Object.assign(self, {
		url: `http://${host}:${kept}`,
		real,
		start: () => listen(kept),
		stop: () =>
			new Promise((done) => {
				server.close(done);
				server.closeAllConnections();
			}),
	});
}
