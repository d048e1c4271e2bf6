// SPDX-License-Identifier: Apache-2.0
// The daemon under test: its configuration, its life, its counters.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { NETWORK } from './chain.mjs';
import { built, scratch, start } from './process.mjs';
import { until } from './wait.mjs';

export const CHAT = '/v1/chat/completions';
export const AMOUNT = 10000n; /* of every offer, atomic units */
export const PRICE = { input: 2_000_000n, output: 4_000_000n }; /* upto: atomic units per million tokens */
export const MAX_TIMEOUT_S = 60;

export async function freePort(host = '127.0.0.1') {
	const server = createServer();
	await new Promise((done) => server.listen(0, host, done));
	const { port } = server.address();
	await new Promise((done) => server.close(done));
	return port;
}

function ini(sections) {
	const lines = ([key, value]) =>
		[value]
			.flat()
			.filter((v) => v !== undefined)
			.map((v) => `${key} = ${v}`);
	return Object.entries(sections)
		.map(([name, settings]) => [`[${name}]`, ...Object.entries(settings).flatMap(lines), ''].join('\n'))
		.join('\n');
}

export function offers(chain) {
	const common = {
		network: NETWORK,
		asset: chain.token,
		pay_to: chain.payTo,
		amount: AMOUNT,
		max_timeout_s: MAX_TIMEOUT_S,
		token_name: chain.tokenName,
		token_version: chain.tokenVersion,
	};
	return {
		'offer eip3009': { method: 'eip3009', ...common },
		'offer permit2': { method: 'permit2', ...common },
		'offer upto': {
			method: 'upto',
			...common,
			facilitator: chain.facilitator.address,
			input_per_mtok: PRICE.input,
			output_per_mtok: PRICE.output,
		},
	};
}

/* configuration: the text of a configuration that sells CHAT by all three methods and gives /v1/models away.
 * `more` adds to or overrides settings by section: { node: { workers: 1 } }; undefined removes one. */
export function configuration({ chain, listen, admin, state, upstreamUrl, facilitatorUrl, more = {} }) {
	const sections = {
		node: { listen, admin, state, workers: 2, log: 'info' },
		facilitator: { url: facilitatorUrl, timeout_ms: 3000 },
		'upstream model': { url: upstreamUrl },
		...offers(chain),
		'route chat': {
			match: `POST ${CHAT}`,
			offers: 'eip3009, permit2, upto',
			upstream: 'model',
			description: 'chat',
		},
		'route models': { match: 'GET /v1/models', upstream: 'model' },
	};
	for (const [name, settings] of Object.entries(more)) sections[name] = { ...sections[name], ...settings };
	return ini(sections);
}

/* Prometheus text → Map from `name{labels}` to number. */
function parseMetrics(text) {
	const metrics = new Map();
	for (const line of text.split('\n')) {
		const match = line.match(/^([a-z_]+(?:\{[^}]*\})?) ([-+.eE0-9]+)$/);
		if (match) metrics.set(match[1], Number(match[2]));
	}
	return metrics;
}

/* startTollbar: writes the configuration, runs the daemon, waits until it is ready.  program: another build of it.
 * → { url, adminUrl, chat (url), file, state, log(), metrics(), metric(name), refused(reason),
 *   dropped(reason) (by the filter), signal(name), start({ env }), stop(signal) }
 * stop() then start() is a restart on the same state directory, ports and configuration. */
export async function startTollbar({
	chain,
	upstream,
	facilitator,
	more,
	host = '127.0.0.1',
	within = [],
	program = built('tollbar'),
}) {
	const folder = scratch('daemon');
	const state = join(folder.path, 'state');
	mkdirSync(state, { mode: 0o700 });
	const file = join(folder.path, 'tollbar.conf');
	const listen = `${host}:${await freePort()}`,
		admin = `127.0.0.1:${await freePort()}`;
	const text = configuration({
		chain,
		listen,
		admin,
		state,
		upstreamUrl: upstream.url,
		facilitatorUrl: facilitator.url,
		more,
	});
	writeFileSync(file, text);

	let daemon;
	const self = {
		url: `http://${listen}`,
		adminUrl: `http://${admin}`,
		chat: `http://${listen}${CHAT}`,
		file,
		folder,
		state,
	};
	const ready = async () => {
		if (!daemon.running()) throw new Error(`tollbar stopped: ${daemon.output}`);
		return fetch(`${self.adminUrl}/readyz`).then(
			(r) => r.ok,
			() => false,
		);
	};
	self.start = async ({ env } = {}) => {
		daemon = start(program, ['run', '-c', file], { within, env });
		self.daemon = daemon;
		await until('tollbar to be ready', 10000, ready);
	};
	self.stop = (signal, ms) => daemon.stop(signal, ms);
	self.signal = (name) => daemon.child.kill(name);
	self.log = () => daemon.output;
	self.running = () => daemon.running();
	self.metrics = async () => parseMetrics(await (await fetch(`${self.adminUrl}/metrics`)).text());
	self.metric = async (name) => (await self.metrics()).get(name) ?? 0;
	self.refused = (reason) => self.metric(`tollbar_requests_refused_total{reason="${reason}"}`);
	self.dropped = (reason) => self.metric(`tollbar_packets_total{reason="${reason}",verdict="drop"}`);
	await self.start();
	return self;
}
