// SPDX-License-Identifier: Apache-2.0
// The gate behind its own TLS: stock clients pay through it, and whoever cannot or may not speak to it is told so.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { assert, run, test } from './lib/check.mjs';
import { fetchWith, read, sClient, selfSigned, signedBy } from './lib/https.mjs';
import { METHODS, receiptOf, stockFetch } from './lib/payment.mjs';
import { built, scratch } from './lib/process.mjs';
import { freePort, startTollbar } from './lib/tollbar.mjs';
import { until } from './lib/wait.mjs';
import { BODY, BODY_STREAM, startWorld } from './lib/world.mjs';

const folder = scratch('https');
const certificate = join(folder.path, 'live.pem'), key = join(folder.path, 'live.key');
const MODELS = 'GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
let world, port, chat, first, second, rsa, client, echo;

const use = (pair) => {
	copyFileSync(pair.cert, certificate);
	copyFileSync(pair.key, key);
};
const trusting = (...pairs) => ({ ca: pairs.map(({ cert }) => read(cert)) });
const overTls = (agent) => fetchWith({ ...trusting(first, second, rsa), agent });
const post = (body, headers = {}) => ({ method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

/* Bytes as they are, at once or one by one, without TLS → what came back until the close. */
function tell(to, pieces) {
	return new Promise((done) => {
		const socket = connectPlain(to, '127.0.0.1', async () => {
			for (const piece of Array.isArray(pieces) ? pieces : [pieces]) {
				socket.write(typeof piece === 'number' ? Buffer.from([piece]) : piece);
				await new Promise(setImmediate);
			}
		}).setNoDelay(true);
		let said = Buffer.alloc(0);
		const timer = setTimeout(() => socket.destroy(), 20000);
		socket.on('data', (piece) => (said = Buffer.concat([said, piece])));
		socket.on('error', () => {});
		socket.on('close', () => {
			clearTimeout(timer);
			done(said.toString('latin1'));
		});
	});
}

/* What a refusal adds to its counter. */
async function counts(reason, body) {
	const before = await world.gate.refused(reason);
	const result = await body();
	await until(`one more ${reason}`, 10000, async () => (await world.gate.refused(reason)) === before + 1);
	return result;
}

for (const method of METHODS)
	test(`stock client pays ${method} over https`, async () => {
		const payer = await world.chain.payer();
		const response = await stockFetch(payer, method, overTls())(chat, post(BODY));
		assert.equal(response.status, 200, await response.clone().text());
		assert.match((await response.json()).choices[0].message.content, /t\d{5}/);
		assert.equal(receiptOf(response).success, true);
	});

test('a paid stream over https: each event as it comes', async () => {
	const payer = await world.chain.payer();
	const response = await stockFetch(payer, 'upto', overTls())(
		chat,
		post(BODY_STREAM, { 'x-tokens': '20', 'x-tick-us': '30000' }),
	);
	assert.equal(response.status, 200);
	let pieces = 0,
		text = '';
	for await (const piece of response.body) {
		pieces++;
		text += Buffer.from(piece).toString();
	}
	assert.match(text, /data: \[DONE\]\n\n$/);
	assert.ok(pieces >= 5, `${pieces} pieces`);
});

test('tollbar pay --cacert', async () => {
	const payer = await world.chain.payer();
	const file = join(folder.path, 'payer.key');
	writeFileSync(file, payer.key, { mode: 0o600 });
	const pay = (...more) =>
		promisify(execFile)(built('tollbar'), ['pay', '--key', file, '--method', 'eip3009', '--data', BODY, ...more, chat]);
	const { stdout } = await pay('--cacert', certificate);
	assert.match(stdout, /t\d{5}/);
	await assert.rejects(pay(), ({ code, stderr }) => code === 3 && /tollbar pay: https:/.test(stderr));
});

test('large bodies, however they are cut', async () => {
	const agent = new Agent({ keepAlive: true, maxSockets: 1, ...trusting(first) });
	for (const bytes of [1, 16383, 16384, 16385, 100000, 900000]) {
		const content = randomBytes(bytes / 2 + 1).toString('hex').slice(0, bytes);
		const body = JSON.stringify({ model: 'stand-in', messages: [{ role: 'user', content }] });
		const response = await overTls(agent)(`https://127.0.0.1:${port}/echo`, post(body));
		assert.equal(response.status, 200);
		assert.equal(await response.text(), body);
	}
	agent.destroy();
});

test('versions, ciphers, protocols', async () => {
	const spoken = async (...args) => (await sClient(port, args, MODELS)).match(/(?:New|Reused), (TLSv[\d.]+), Cipher is (\S+)/);
	assert.equal((await spoken('-tls1_3'))[1], 'TLSv1.3');
	assert.equal((await spoken('-tls1_2'))[1], 'TLSv1.2');
	for (const args of [
		['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'],
		['-tls1', '-cipher', 'DEFAULT@SECLEVEL=0'],
		['-tls1_2', '-cipher', 'AES128-SHA'],
		['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA'],
		['-alpn', 'h2'],
	]) {
		const said = await counts('tls_refused', () => sClient(port, args, MODELS));
		assert.match(said, /alert (protocol version|handshake failure|no application protocol)/, args.join(' '));
	}
	assert.match(await sClient(port, ['-alpn', 'h2,http/1.1'], MODELS), /ALPN protocol: http\/1\.1/);
	assert.match(await sClient(port, [], MODELS), /No ALPN negotiated/);
});

test('sessions are resumed, by any worker, and no renegotiation is', async () => {
	for (const version of ['-tls1_2', '-tls1_3']) {
		const file = join(folder.path, `session${version}`);
		const before = await world.gate.metric('tollbar_tls_resumed_total');
		assert.match(await sClient(port, [version, '-sess_out', file], MODELS), /New, TLS/);
		for (let i = 0; i < 4; i++) assert.match(await sClient(port, [version, '-sess_in', file], MODELS), /Reused, TLS/);
		assert.equal(await world.gate.metric('tollbar_tls_resumed_total'), before + 4);
	}
	const said = await sClient(port, ['-tls1_2'].concat('-no_ign_eof'), 'R\n');
	assert.match(said, /no renegotiation|RENEGOTIATING/);
	assert.doesNotMatch(said, /200 OK/);
});

test('plain HTTP, and what is nothing, at the TLS port', async () => {
	assert.match(await counts('tls_plain', () => tell(port, MODELS)), /^HTTP\/1\.1 400 [^]*"code":"tls_plain"/);
	assert.equal((await counts('tls_bad', () => tell(port, Buffer.alloc(64, 0xff)))).slice(0, 4), '');
	await counts('tls_bad', () => tell(port, Buffer.from('160301ffff01', 'hex'))); // a record larger than there are
});

test('half a handshake is given up', async () => {
	const before = await world.gate.refused('client_slow');
	const silent = connectPlain(port, '127.0.0.1', () => silent.write(Buffer.from('1603010200', 'hex')));
	await new Promise((done) => silent.on('close', done).on('error', () => {}));
	assert.equal(await world.gate.refused('client_slow'), before + 1);
});

test('close_notify ends an answer, and a peer that hangs up harms nobody', async () => {
	const socket = connect({ port, host: '127.0.0.1', ...trusting(first) });
	let ended = false;
	socket.on('end', () => (ended = true));
	socket.on('data', () => {});
	socket.write(MODELS);
	await until('the close', 20000, () => ended);
	for (let i = 0; i < 10; i++) {
		const gone = connectPlain(port, '127.0.0.1');
		gone.on('error', () => {});
		gone.write(Buffer.from('16030100', 'hex'));
		gone.resetAndDestroy();
	}
	await until('all connections to end', 20000, async () => (await world.gate.metric('tollbar_connections_open')) === 0);
});

test('certificates are reloaded under load, and no connection notices', async () => {
	let stop = false,
		served = 0;
	const serial = (agent) =>
		new Promise((done, fail) => {
			const sent = request(`https://127.0.0.1:${port}/v1/models`, { agent }, (answer) => {
				const name = answer.socket.getPeerCertificate().subject.CN;
				answer.resume().on('end', () => (answer.statusCode === 200 ? done(name) : fail(new Error(`${answer.statusCode}`))));
			});
			sent.on('error', fail);
			sent.end();
		});
	const load = async (keepAlive) => {
		const names = new Set();
		const agent = new Agent({ keepAlive, maxSockets: 1, maxCachedSessions: 0, ...trusting(first, second) });
		while (!stop) {
			names.add(await serial(agent));
			served++;
		}
		agent.destroy();
		return names;
	};
	const loads = [load(true), load(true), load(false), load(false)];
	const all = Promise.all(loads);
	all.catch(() => (stop = true));
	const more = async () => {
		const before = served;
		await until('more requests', 20000, () => stop || served > before + 40);
	};
	await more();
	use(second);
	world.gate.signal('SIGHUP');
	await until('the new certificate', 10000, () => /event=tls_loaded/.test(world.gate.log()));
	await more();
	writeFileSync(key, 'not a key');
	world.gate.signal('SIGHUP');
	await until('the complaint', 10000, () => /event=tls_load error="key .*live.key: .*those before stay in force/.test(world.gate.log()));
	await more();
	stop = true;
	const names = await all;
	assert.deepEqual(names.slice(0, 2).map((one) => [...one]), [['first'], ['first']], 'what runs keeps what it began with');
	assert.ok(names.slice(2).every((one) => one.has('second')));
	use(rsa); // of another kind
	world.gate.signal('SIGHUP');
	await until('the third', 10000, () => world.gate.log().match(/event=tls_loaded/g).length === 2);
	assert.match(await sClient(port, [], MODELS), /CN ?= ?rsa[^]*200 OK/);
	use(first);
	world.gate.signal('SIGHUP');
	await until('the first again', 10000, () => world.gate.log().match(/event=tls_loaded/g).length === 3);
});

/* A PROXY header as HAProxy writes it. */
function proxied(source, { command = 0x21, family = 0x11 } = {}) {
	const head = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
	const addresses = Buffer.from([...source.split('.').map(Number), 127, 0, 0, 1, 0xd4, 0x31, 0x20, 0xd2]);
	return Buffer.concat([head, Buffer.from([command, family, 0, addresses.length]), addresses]);
}

/* Another daemon beside the world's, as `more` has it. */
async function withGate(more, body) {
	const gate = await startTollbar({ ...world, more });
	try {
		return await body(gate, Number(new URL(gate.url).port));
	} finally {
		await gate.stop();
	}
}

test('PROXY protocol: whom it is for, in pieces too; without a header nothing', async () => {
	const tlsPort = await freePort();
	const more = {
		node: { proxy_protocol: 'v2', trusted_proxy: '127.0.0.1' },
		tls: { listen: `127.0.0.1:${tlsPort}`, certificate, key, proxy_protocol: 'v2' },
	};
	await withGate(more, async (gate, plainPort) => {
		const from = (source, others) => Buffer.concat([proxied(source, others), Buffer.from(MODELS)]);
		const bad = MODELS.replace('GET', 'G T');
		assert.match(await tell(plainPort, Buffer.concat([proxied('192.0.2.77'), Buffer.from(bad)])), /^HTTP\/1\.1 400/);
		assert.match(gate.log(), /reason=http_bad .*source=::ffff:192\.0\.2\.77/);
		assert.match(await tell(plainPort, from('192.0.2.78', { command: 0x20 })), /^HTTP\/1\.1 200/);
		assert.match(await tell(plainPort, [...from('192.0.2.79')]), /^HTTP\/1\.1 200/, 'byte by byte');
		assert.equal(await tell(plainPort, Buffer.from(MODELS)), '');
		assert.equal(await tell(plainPort, proxied('192.0.2.1', { family: 0x12 })), '');
		assert.equal(await gate.refused('proxy_bad'), 2);
		for (const apart of [false, true]) assert.match(await askBehindProxy(tlsPort, apart), /^HTTP\/1\.1 200/);
		assert.equal(await tell(tlsPort, Buffer.from(MODELS)), '', 'TLS begins behind the header');
		assert.equal(await gate.refused('proxy_bad'), 3);
		const before = await gate.metric('tollbar_connections_total');
		gate.signal('SIGSTOP'); // HAProxy's look whether somebody listens: a connection, reset before it is accepted
		for (let i = 0; i < 3; i++)
			await new Promise((done) => {
				const look = connectPlain(plainPort, '127.0.0.1', () => look.resetAndDestroy());
				look.on('close', done).on('error', () => {});
			});
		gate.signal('SIGCONT');
		await until('their end', 10000, async () => (await gate.metric('tollbar_connections_total')) >= before + 3 && (await gate.metric('tollbar_connections_open')) === 0);
		assert.equal(await gate.refused('proxy_untrusted'), 0);
	});
	more.node.trusted_proxy = '127.0.0.2';
	await withGate(more, async (gate, plainPort) => {
		assert.equal(await tell(plainPort, Buffer.concat([proxied('192.0.2.80'), Buffer.from(MODELS)])), '');
		assert.equal(await gate.refused('proxy_untrusted'), 1);
		assert.doesNotMatch(gate.log(), /192\.0\.2\.80/);
	});
});

/* A TLS session behind a PROXY header, which leaves in one piece with the first record or before it. */
function askBehindProxy(to, apart) {
	return new Promise((done, fail) => {
		const wire = connectPlain(to, '127.0.0.1', async () => {
			if (!apart) wire.cork();
			wire.write(proxied('192.0.2.90'));
			const session = connect({ socket: wire, host: '127.0.0.1', ...trusting(first) });
			setImmediate(() => wire.uncork());
			let said = '';
			session.on('data', (piece) => (said += piece));
			session.on('end', () => done(said));
			session.on('error', fail);
			session.write(MODELS);
		});
		wire.on('error', fail);
	});
}

test('half-open sessions keep to half of the places; a drain ends the others in order', async () => {
	const tlsPort = await freePort();
	const more = {
		node: { workers: 1, connections: 4 },
		tls: { listen: `127.0.0.1:${tlsPort}`, certificate, key },
		timeouts: { head_ms: 20000 },
	};
	await withGate(more, async (gate) => {
		const half = () => {
			const socket = connectPlain(tlsPort, '127.0.0.1', () => socket.write(Buffer.from('1603010200', 'hex')));
			return socket.on('error', () => {});
		};
		const held = [half(), half()];
		await until('two of them', 10000, async () => (await gate.metric('tollbar_connections_open')) === 2);
		const third = half();
		await new Promise((done) => third.on('close', done));
		assert.equal(await gate.refused('memory_full'), 1);
		assert.equal((await fetch(`${gate.url}/v1/models`)).status, 200, 'plain connections have room');
		held[0].destroy();
		await until('room for another session', 10000, async () => (await gate.metric('tollbar_connections_open')) < 3);
		const said = [];
		const socket = connect({ port: tlsPort, host: '127.0.0.1', ...trusting(first) });
		for (const event of ['data', 'end', 'error', 'close']) socket.on(event, () => said.push(event));
		socket.write(MODELS.replace('Connection: close\r\n', ''));
		await until('an answer', 10000, () => said.includes('data'));
		held[1].destroy();
		const { code } = await gate.stop();
		assert.equal(code, 0);
		await until('the close', 10000, () => said.includes('close'));
		assert.deepEqual([...new Set(said)], ['data', 'end', 'close']);
	});
});

test('client certificates: required, or optional and then good', async () => {
	const [required, optional] = [await freePort(), await freePort()];
	const args = (pair) => ['-cert', pair.cert, '-key', pair.key];
	const settings = { certificate, key, client_ca: first.cert };
	await withGate({ tls: { listen: `127.0.0.1:${required}`, ...settings } }, async (gate) => {
		for (const version of ['-tls1_2', '-tls1_3']) {
			const session = join(folder.path, `client${version}`);
			assert.match(await sClient(required, [version, ...args(client), '-sess_out', session], MODELS), /200 OK/);
			assert.match(await sClient(required, [version, ...args(client), '-sess_in', session], MODELS), /Reused[^]*200 OK/);
			const without = await sClient(required, [version], MODELS);
			assert.ok(/alert/.test(without) && !/200 OK/.test(without));
			const wrong = await sClient(required, [version, ...args(second)], MODELS);
			assert.ok(/alert/.test(wrong) && !/200 OK/.test(wrong));
		}
		assert.equal(await gate.refused('tls_refused'), 4);
	});
	await withGate({ tls: { listen: `127.0.0.1:${optional}`, ...settings, client: 'optional', min: '1.3' } }, async (gate) => {
		assert.match(await sClient(optional, [], MODELS), /200 OK/);
		assert.match(await sClient(optional, args(client), MODELS), /200 OK/);
		assert.doesNotMatch(await sClient(optional, args(second), MODELS), /200 OK/);
		assert.match(await sClient(optional, ['-tls1_2'], MODELS), /alert protocol version/);
		assert.equal(await gate.refused('tls_refused'), 2);
	});
});

await run({
	before: async () => {
		first = selfSigned(folder.path, 'first');
		second = selfSigned(folder.path, 'second');
		rsa = selfSigned(folder.path, 'rsa', ['rsa:2048']);
		client = signedBy(folder.path, first, 'client');
		use(first);
		port = await freePort();
		echo = createServer((asked, answer) => asked.pipe(answer));
		await new Promise((done) => echo.listen(0, '127.0.0.1', done));
		chat = `https://127.0.0.1:${port}/v1/chat/completions`;
		world = await startWorld({
			more: {
				tls: { listen: `127.0.0.1:${port}`, certificate, key },
				timeouts: { head_ms: 3000 },
				'upstream echo': { url: `http://127.0.0.1:${echo.address().port}` },
				'route echo': { match: 'POST /echo', upstream: 'echo' },
			},
		});
	},
	after: async () => {
		await world?.stop();
		echo?.close();
		echo?.closeAllConnections();
		folder.remove();
	},
});
