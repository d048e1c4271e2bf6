// SPDX-License-Identifier: Apache-2.0
// Bad input of every kind: each gets its reason in the answer, the counter and the log, and nothing else breaks.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, run, Skip, test } from './lib/check.mjs';
import { asV1, encode, payment } from './lib/payment.mjs';
import { built, scratch } from './lib/process.mjs';
import { refused, stillGood, unmoved } from './lib/refusal.mjs';
import { startTollbar } from './lib/tollbar.mjs';
import { sleep, until } from './lib/wait.mjs';
import { ask, askPaid, askRaw, BODY, BODY_STREAM, rawRequest, startWorld } from './lib/world.mjs';

/* Short enough to wait for, long enough for a busy machine. */
const TIMEOUTS = {
	head_ms: 1000,
	body_ms: 1000,
	first_byte_ms: 1000,
	token_ms: 1000,
	connect_ms: 1000,
	total_ms: 8000,
};
let world, payer;

const chat = () => world.gate.chat;
const pay = (method = 'eip3009', options) => payment(world.offer(method), payer, options);
const signed = (value) => ({ 'PAYMENT-SIGNATURE': value });
const bad = (name, body) =>
	test(name, async () => {
		await body();
		await stillGood(world);
	});

/* --- the payment header --- */

bad('no header', () => refused(world, 'payment_missing', () => ask(chat()), { method: 'eip3009' }));

bad('an empty header', () =>
	refused(world, ['payment_missing', 'payment_base64', 'payment_json'], () =>
		askRaw(world.gate, [rawRequest(world.gate, { headers: signed('') })]),
	),
);

bad('two headers', async () => {
	const one = encode(await pay()),
		two = encode(await pay());
	const twice = rawRequest(world.gate, { headers: signed(`${one}\r\nPAYMENT-SIGNATURE: ${two}`) });
	await refused(world, 'payment_duplicate', () => askRaw(world.gate, [twice]));
	const same = rawRequest(world.gate, { headers: signed(`${one}\r\npayment-signature: ${one}`) });
	await refused(world, 'payment_duplicate', () => askRaw(world.gate, [same]));
	const both = rawRequest(world.gate, { headers: { ...signed(one), 'X-PAYMENT': encode(asV1(await pay())) } });
	await refused(world, 'payment_duplicate', () => askRaw(world.gate, [both]));
});

bad('a header of 100 KB', () =>
	refused(world, 'http_large', () =>
		askRaw(world.gate, [rawRequest(world.gate, { headers: signed('A'.repeat(100_000)) })]),
	),
);

bad('many headers', () => {
	const headers = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'a']));
	return refused(world, 'http_large', () => askRaw(world.gate, [rawRequest(world.gate, { headers })]));
});

bad('a payment of 12 KB', () =>
	refused(world, 'payment_large', () =>
		askRaw(world.gate, [rawRequest(world.gate, { headers: signed('A'.repeat(12_000)) })]),
	),
);

for (const value of ['!!!!', 'AAAA=AAA', 'A', 'AA=A', 'e30', 'e30=e30=', '-_-_', 'AAAA AAAA'])
	bad(`not base64, or of nothing: ${value}`, () =>
		refused(world, ['payment_base64', 'payment_json', 'payment_version', 'payment_field'], () =>
			askRaw(world.gate, [rawRequest(world.gate, { headers: signed(value) })]),
		),
	);

for (const text of [
	'',
	'{',
	'null',
	'[]',
	'"a"',
	'7',
	'{"x402Version":2',
	'{"x402Version":2}x',
	'{x402Version:2}',
	"{'x402Version':2}",
	'\uFEFF{"x402Version":2}',
	'{"x402Version":2,}',
	'{"x402Version":02}',
	'{"a":"\\x"}',
	'{"a":"\\ud800"}',
	'{"a":"\t"}',
	'\0',
	'{"a":1}\0',
])
	bad(`not the JSON of a payment: ${JSON.stringify(text)}`, () =>
		refused(world, ['payment_missing', 'payment_json', 'payment_field', 'payment_version'], () =>
			askRaw(world.gate, [rawRequest(world.gate, { headers: signed(encode(text)) })]),
		),
	);

bad('duplicate keys', async () => {
	const text = JSON.stringify(await pay());
	for (const key of [
		'x402Version',
		'payload',
		'signature',
		'authorization',
		'value',
		'nonce',
		'accepted',
		'scheme',
		'amount',
	]) {
		const twice = text.replace(`"${key}":`, `"${key}":0,"${key}":`);
		assert.notEqual(twice, text);
		await refused(world, 'payment_json', () => ask(chat(), { headers: signed(encode(twice)) }), { label: key });
	}
});

bad('depth', async () => {
	const text = JSON.stringify(await pay());
	await refused(world, 'payment_json', () =>
		ask(chat(), { headers: signed(encode(text.replace('{', `{"deep":${'['.repeat(17)}${']'.repeat(17)},`))) }),
	);
});

/* Every member of a payment, by path. */
function paths(value, at = []) {
	if (value === null || typeof value !== 'object') return [at];
	return [
		...(at.length > 0 ? [at] : []),
		...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...at, key])),
	];
}

function changed(made, path, value) {
	const copy = structuredClone(made);
	const holder = path.slice(0, -1).reduce((at, key) => at[key], copy);
	if (value === undefined) delete holder[path.at(-1)];
	else holder[path.at(-1)] = value;
	return copy;
}

const WRONG = [undefined, null, true, 7, 'x', [], {}, '9'.repeat(5000)];
/* What the client echoes of our offer beyond what identifies it is not looked at. */
const ECHO = /^accepted\.extra/;

for (const [method, version] of [
	['eip3009', 2],
	['permit2', 2],
	['upto', 2],
	['eip3009', 1],
])
	bad(`every field missing or of a wrong type: ${method}, version ${version}`, async () => {
		const v2 = await pay(method);
		const made = version === 1 ? asV1(v2) : v2;
		for (const path of paths(made).filter((one) => !ECHO.test(one.join('.'))))
			for (const value of WRONG) {
				const broken = changed(made, path, value);
				const headers = version === 1 ? { 'X-PAYMENT': encode(broken) } : signed(encode(broken));
				const answer = await ask(chat(), { headers });
				const about = `${path.join('.')} = ${JSON.stringify(value)?.slice(0, 40)}: ${answer.status} ${answer.reason}`;
				assert.equal(answer.status, 402, about);
				assert.match(
					answer.reason,
					/^(payment_field|payment_version|scheme_unknown|network_wrong|signature_form|asset_wrong|offer_unmatched)$/,
					about,
				);
			}
		assert.equal((await askPaid(chat(), made)).status, 200, 'the payment itself is good, and was not burned');
		await sleep(1100); // lines per second are bounded: leave some for the tests that follow
	});

bad('numbers of 10000 digits', async () => {
	for (const digit of ['9', '0']) {
		const long = digit.repeat(10_000);
		const made = changed(await pay(), ['payload', 'authorization', 'value'], long);
		await refused(world, ['payment_field', 'payment_large'], () => ask(chat(), { headers: signed(encode(made)) }));
		const text = JSON.stringify(await pay()).replace(
			'"maxTimeoutSeconds":60',
			`"maxTimeoutSeconds":${long.slice(0, 4000)}`,
		);
		await refused(world, ['payment_field', 'payment_json', 'payment_large', 'offer_unmatched'], () =>
			ask(chat(), { headers: signed(encode(text)) }),
		);
	}
});

/* [what, method, overrides before signing, reason] */
const other = `0x${'77'.repeat(20)}`;
const seconds = () => Math.floor(Date.now() / 1000);
const WRONG_TERMS = [
	['payee', 'eip3009', () => ({ to: other }), 'payee_wrong'],
	['payee', 'permit2', () => ({ witness: { to: other } }), 'payee_wrong'],
	['payee', 'upto', () => ({ witness: { to: other } }), 'payee_wrong'],
	['spender', 'permit2', () => ({ spender: other }), 'spender_wrong'],
	['spender', 'upto', () => ({ spender: other }), 'spender_wrong'],
	['facilitator', 'upto', () => ({ witness: { facilitator: other } }), 'facilitator_wrong'],
	['asset', 'permit2', () => ({ permitted: { token: other } }), 'asset_wrong'],
	['asset', 'upto', () => ({ permitted: { token: other } }), 'asset_wrong'],
	['amount', 'eip3009', () => ({ value: '9999' }), 'amount_wrong'],
	['amount', 'upto', () => ({ permitted: { amount: '20000' } }), 'amount_wrong'],
	['time: past', 'eip3009', () => ({ validBefore: String(seconds() - 10) }), 'expired'],
	['time: past', 'permit2', () => ({ deadline: String(seconds() - 10) }), 'expired'],
	['time: too close', 'upto', () => ({ deadline: String(seconds() + 4) }), 'expired'],
	['time: not yet', 'eip3009', () => ({ validAfter: String(seconds() + 30) }), 'not_yet'],
	['time: not yet', 'permit2', () => ({ witness: { validAfter: String(seconds() + 30) } }), 'not_yet'],
	['time: for ever', 'eip3009', () => ({ validBefore: String(2n ** 256n - 1n) }), 'deadline_far'],
	['time: 2^64 later', 'upto', () => ({ deadline: String(2n ** 64n + BigInt(seconds() + 30)) }), 'deadline_far'],
];
for (const [what, method, overrides, reason] of WRONG_TERMS)
	bad(`wrong ${what}: ${method}`, async () => {
		await refused(world, reason, async () => askPaid(chat(), await pay(method, { overrides: overrides() })), {
			method,
		});
	});

bad('wrong chain', async () => {
	const made = await pay();
	await refused(
		world,
		'network_wrong',
		() => askPaid(chat(), changed(made, ['accepted', 'network'], 'eip155:8453')),
		{ method: 'eip3009' },
	);
	await refused(world, 'network_wrong', () => askPaid(chat(), { ...asV1(made), network: 'base' }), {
		method: 'eip3009',
	});
	await refused(world, 'network_wrong', () => askPaid(chat(), { ...asV1(made), network: 'moon' }), {
		method: 'eip3009',
	});
});

bad('signed by another', async () => {
	const stranger = await world.chain.payer();
	await refused(
		world,
		'signature_bad',
		async () =>
			askPaid(chat(), await payment(world.offer('eip3009'), stranger, { overrides: { from: payer.address } })),
		{ method: 'eip3009' },
	);
});

/* --- the body --- */

bad('a body shorter than said, then the end', async () => {
	const made = await pay();
	const request = rawRequest(world.gate, { headers: { ...signed(encode(made)), 'Content-Length': 5000 } });
	const answer = await askRaw(world.gate, [request], { half: true, ms: 3000 });
	assert.ok(answer.closed && !/choices/.test(answer.text), answer.text);
	assert.equal((await askPaid(chat(), made)).status, 200, 'the payment was not burned');
});

bad('a body shorter than said, then silence', async () => {
	const made = await pay();
	const request = rawRequest(world.gate, { headers: { ...signed(encode(made)), 'Content-Length': 5000 } });
	const answer = await refused(world, 'client_slow', () => askRaw(world.gate, [request], { ms: 6000 }));
	assert.equal(answer.closed, true);
	assert.equal((await askPaid(chat(), made)).status, 200, 'the payment was not burned');
});

bad('a body longer than said', async () => {
	const request =
		rawRequest(world.gate, { headers: signed(encode(await pay())), body: `${BODY}` })
		+ 'and more, much more\r\n\r\n';
	const answer = await askRaw(world.gate, [request], { ms: 3000 });
	assert.equal(answer.status, 200, 'the request itself is whole');
	const all = String(answer.bytes);
	assert.ok(!all.includes('much more'));
});

bad('a body larger than allowed', async () => {
	const made = await pay();
	const request = rawRequest(world.gate, { headers: { ...signed(encode(made)), 'Content-Length': 100_000_000 } });
	await refused(world, 'body_large', () => askRaw(world.gate, [request]));
	assert.equal((await askPaid(chat(), made)).status, 200, 'the payment was not burned');
});

for (const body of [
	'{',
	'[]',
	'null',
	'{"model":7}',
	'{"model":"a","model":"b"}',
	'{"stream":"yes"}',
	`${BODY}x`,
	'\xff\xfe',
])
	bad(`a body that is no request: ${JSON.stringify(body)}`, async () => {
		const made = await pay();
		await refused(world, 'body_bad', () => askPaid(chat(), made, { body }));
		assert.equal((await askPaid(chat(), made)).status, 200, 'the payment was not burned');
	});

/* --- the client --- */

bad('a client that sends a byte now and then', async () => {
	const request = rawRequest(world.gate, { headers: signed(encode(await pay())) });
	const answer = await refused(world, 'client_slow', () =>
		askRaw(world.gate, [...request.slice(0, 60)], { pause: 300, ms: 20_000 }),
	);
	assert.equal(answer.closed, true);
});

bad('a client that sends nothing', async () => {
	const answer = await askRaw(world.gate, [], { ms: 500 });
	assert.equal(answer.bytes.length, 0);
});

bad('a request in single bytes', async () => {
	const request = rawRequest(world.gate, { headers: signed(encode(await pay())) });
	const answer = await askRaw(world.gate, [...request], { pause: 0 });
	assert.equal(answer.status, 200, answer.text);
});

bad('two requests in one piece', async () => {
	const one = rawRequest(world.gate, {
		method: 'GET',
		target: '/v1/models',
		headers: { 'Content-Length': undefined, 'Content-Type': undefined },
		body: '',
	});
	const answer = await askRaw(world.gate, [one + one.replace('Host:', 'Connection: close\r\nHost:')], { ms: 2000 });
	assert.ok(answer.status === 200);
});

bad('wrong method on a route', async () => {
	await refused(world, 'method_wrong', () => ask(chat(), { method: 'PUT' }));
	await refused(world, ['method_wrong', 'route_unknown'], () =>
		ask(`${world.gate.url}/v1/models`, { method: 'DELETE' }),
	);
});

bad('an unknown expectation', async () => {
	await refused(world, 'expectation', () =>
		askRaw(world.gate, [rawRequest(world.gate, { headers: { Expect: '200-ok' } })]),
	);
});

bad('Expect: 100-continue is served', async () => {
	const request = rawRequest(world.gate, { headers: { ...signed(encode(await pay())), Expect: '100-continue' } });
	const at = request.indexOf('\r\n\r\n') + 4;
	const answer = await askRaw(world.gate, [request.slice(0, at), request.slice(at)], { pause: 200 });
	assert.match(String(answer.bytes), /HTTP\/1\.1 200/);
});

/* --- the model server --- */

bad('upstream down', async () => {
	const made = await pay();
	await world.upstream.stop();
	try {
		const answer = await askPaid(chat(), made);
		assert.equal(answer.reason, 'upstream_down', answer.text);
		assert.equal(answer.status, 502);
	} finally {
		await world.upstream.start();
	}
	assert.equal((await askPaid(chat(), made)).status, 200, 'the payment was not burned');
});

const FAULTS = [
	['hang', 'upstream_slow'],
	['reset', ['upstream_failed', 'upstream_down']],
	['reset-mid', 'upstream_failed'],
	['truncate', 'upstream_failed'],
	['hang-mid', 'upstream_slow'],
	['garbage', 'upstream_bad'],
	['huge-head', 'upstream_bad'],
	['huge', 'upstream_large'],
];
for (const [fault, reason] of FAULTS)
	for (const method of ['eip3009', 'upto'])
		bad(`upstream ${fault}: ${method}`, async () => {
			const careful = await world.chain.payer();
			const made = await payment(world.offer(method), careful);
			const answer = await refused(
				world,
				reason,
				() => askPaid(chat(), made, { headers: { 'x-fault': fault } }),
				{ ran: fault === 'reset' ? [1, 2] : 1 }, // nothing had come back: it may be sent again on a fresh connection
			);
			assert.doesNotMatch(answer.text, /choices/);
			await unmoved(world, careful, () => sleep(300));
			assert.equal(
				(await askPaid(chat(), made)).status,
				200,
				'nothing was served, so the payment is good for another try',
			);
		});

for (const fault of ['reset-mid', 'hang-mid', 'truncate'])
	bad(`upstream ${fault} in the middle of a paid stream`, async () => {
		const answer = await askPaid(chat(), await pay(), { body: BODY_STREAM, headers: { 'x-fault': fault } }).catch(
			(error) => ({ text: '', error }),
		);
		assert.doesNotMatch(answer.text, /\[DONE\]/, 'a cut stream must not look whole');
		assert.ok(answer.error || /"code":"upstream_(failed|slow)"/.test(answer.text), answer.text.slice(-300));
	});

/* --- the machine --- */

bad('a disk that is full', async () => {
	if (process.getuid() !== 0) throw new Skip('needs root, to mount a small disk');
	const folder = scratch('disk');
	const disk = join(folder.path, 'disk');
	mkdirSync(disk);
	if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tollbar-e2e', disk]).status !== 0)
		throw new Skip('cannot mount a tmpfs here');
	let gate;
	try {
		const state = join(disk, 'state');
		mkdirSync(state, { mode: 0o700 });
		gate = await startTollbar({ ...world, more: { node: { state } } });
		const tight = { ...world, gate };
		assert.equal((await askPaid(gate.chat, await pay())).status, 200);
		const filler = join(disk, 'filler');
		spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']); // stops when the disk is full
		const made = await pay();
		const answers = [];
		for (let i = 0; i < 40 && !answers.some(({ reason }) => reason === 'store_down'); i++)
			answers.push(await askPaid(gate.chat, i === 0 ? made : await pay()));
		const failed = answers.at(-1);
		assert.equal(failed.reason, 'store_down', `${failed.status} ${failed.text}`);
		assert.equal(failed.status, 503);
		assert.ok((await gate.refused('store_down')) > 0);
		assert.equal((await fetch(`${gate.adminUrl}/readyz`)).status, 503, 'not ready while nothing can be recorded');
		rmSync(filler);
		await until('the ledger to recover', 10000, async () => (await askPaid(gate.chat, await pay())).status === 200);
		await stillGood(tight);
	} finally {
		await gate?.stop();
		spawnSync('umount', ['-l', disk]);
	}
});

const TEN_MISTAKES = `[node]
listen = 127.0.0.1:99999
admin = nowhere
workers = many
colour = blue
state = /tmp/does-not-matter

[facilitator]
url = ftp://x

[upstream model]
url = http://127.0.0.1:1/path?

[offer one]
method = cash
network = eip155:0x1
asset = 0x1234
pay_to = 0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025
amount = -5

[route chat]
match = /v1/chat
offers = none-such
upstream = model
`;

test('a configuration with ten mistakes', async () => {
	const folder = scratch('config');
	const file = join(folder.path, 'ten.conf');
	writeFileSync(file, TEN_MISTAKES);
	const lines = [2, 3, 4, 5, 9, 12, 15, 16, 17, 19, 22];
	for (const args of [
		['check', file],
		['run', '-c', file],
	]) {
		const { status, stdout, stderr } = spawnSync(built('tollbar'), args, { timeout: 10_000, encoding: 'utf8' });
		assert.notEqual(status, 0);
		assert.notEqual(status, null, 'it ends by itself');
		for (const line of lines)
			assert.ok(
				`${stdout}${stderr}`.includes(`${file}:${line}:`),
				`${args[0]}: line ${line} in\n${stdout}${stderr}`,
			);
	}
	const good = spawnSync(built('tollbar'), ['check', world.gate.file], { encoding: 'utf8' });
	assert.equal(good.status, 0, good.stdout + good.stderr);
});

test('every refusal was logged with its reason', async () => {
	const counted = [...(await world.gate.metrics())]
		.filter(([, value]) => value > 0)
		.map(([name]) => name.match(/^tollbar_requests_refused_total\{reason="(\w+)"\}/)?.[1])
		.filter(Boolean);
	assert.ok(counted.length > 20, `${counted}`);
	const silent = counted.filter((reason) => !new RegExp(`reason=${reason}\\b`).test(world.gate.log()));
	assert.deepEqual(silent, []);
});

test('no payment and no signature in the log', async () => {
	assert.doesNotMatch(world.gate.log(), /0x[0-9a-fA-F]{130}|eyJ[A-Za-z0-9+/]{100}/);
});

await run({
	before: async () => {
		world = await startWorld({ more: { timeouts: TIMEOUTS, node: { log: 'debug', response_bytes_max: '256K' } } });
		payer = await world.chain.payer();
	},
	after: async () => world?.stop(),
});
