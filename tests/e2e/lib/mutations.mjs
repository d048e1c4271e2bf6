// SPDX-License-Identifier: Apache-2.0
// Everything we know to do to a payment.  A mutation has a name and acts at one or more of four places:
//   before(draft)   on what is about to be signed: { offer, authorization, account, sign, now }
//   after(payload)  on the signed payment, as an object
//   text(json)      on its JSON text
//   header(base64)  on the header's value
// Each gets `random` as its second argument: { below(n), hex(bytes), pick(array) }.
import { privateKeyToAccount } from 'viem/accounts';

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const ZERO_ADDRESS = `0x${'00'.repeat(20)}`;
const word = (n) => n.toString(16).padStart(64, '0');

/* Where the members of each kind are.  "amount" and the like name one member in both forms of authorization. */
const NUMBERS = {
	eip3009: ['value', 'validAfter', 'validBefore'],
	permit2: ['permitted.amount', 'nonce', 'deadline', 'witness.validAfter'],
	upto: ['permitted.amount', 'nonce', 'deadline', 'witness.validAfter'],
};
const ADDRESSES = {
	eip3009: ['from', 'to'],
	permit2: ['from', 'permitted.token', 'spender', 'witness.to'],
	upto: ['from', 'permitted.token', 'spender', 'witness.to', 'witness.facilitator'],
};

const authorizationOf = (payload) => payload.payload.permit2Authorization ?? payload.payload.authorization;

function read(object, path) {
	return path.split('.').reduce((at, key) => at[key], object);
}

function write(object, path, value) {
	const keys = path.split('.'),
		last = keys.pop();
	const holder = keys.reduce((at, key) => at[key], object);
	if (value === undefined) delete holder[last];
	else holder[last] = value;
}

/* change: the same change of every member of a kind in the method at hand, before or after signing. */
function changes(place, kind, label, members, change, more = {}) {
	return ['eip3009', 'permit2', 'upto'].flatMap((method) =>
		members[method].map((path) => ({
			name: `${kind} ${label}: ${path}`,
			only: method,
			...more,
			[place]: (target, random) => {
				const object = place === 'before' ? target.authorization : authorizationOf(target);
				write(object, path, change(read(object, path), random));
			},
		})),
	);
}

const times = (label, seconds) =>
	['eip3009', 'permit2', 'upto'].flatMap((method) => [
		{
			name: `deadline ${label}`,
			only: method,
			single: true,
			before: ({ authorization, now }) => {
				authorization[method === 'eip3009' ? 'validBefore' : 'deadline'] = String(now + seconds);
			},
		},
		{
			name: `valid after ${label}`,
			only: method,
			single: true,
			before: ({ authorization, now }) => {
				const holder = method === 'eip3009' ? authorization : authorization.witness;
				holder.validAfter = String(now + seconds);
			},
		},
	]);

/* A number the signer signed, but not the one we sell for. */
const signedNumbers = [
	['one more', (n) => String(BigInt(n) + 1n)],
	['one less', (n) => String(BigInt(n) > 0n ? BigInt(n) - 1n : 0n)],
	['plus 2^64', (n) => String(BigInt(n) + 2n ** 64n)],
	['plus 2^128', (n) => String((BigInt(n) + 2n ** 128n) % 2n ** 256n)],
	['plus 2^192', (n) => String((BigInt(n) + 2n ** 192n) % 2n ** 256n)],
	['zero', () => '0'],
	['largest', () => String(2n ** 256n - 1n)],
].flatMap(([label, change]) => changes('before', 'signed number', label, NUMBERS, change));

/* The same or no number, written in another way. */
const writtenNumbers = [
	['in hexadecimal', (n) => `0x${BigInt(n).toString(16)}`],
	['with spaces', (n) => ` ${n} `],
	['with a plus', (n) => `+${n}`],
	['with a leading zero', (n) => `0${n}`],
	['as a JSON number', (n) => Number(BigInt(n) % 2n ** 53n)],
	['in an array', (n) => [n]],
	['plus 2^256', (n) => String(BigInt(n) + 2n ** 256n)],
	['negative', (n) => `-${n}`],
	['with an exponent', () => '1e4'],
	['with a fraction', (n) => `${n}.0`],
	['with an underscore', (n) => `${n[0]}_${n.slice(1)}`],
	['in Arabic digits', (n) => [...n].map((d) => String.fromCodePoint(0x660 + Number(d))).join('')],
	['of 10000 digits', () => '9'.repeat(10000)],
	['empty', () => ''],
	['null', () => null],
	['an object', () => ({})],
	['true', () => true],
	['with a NUL', (n) => `${n}\0`],
	['missing', () => undefined],
].flatMap(([label, change]) => changes('after', 'number', label, NUMBERS, change));

const unsignedNumbers = changes('after', 'number', 'changed after signing', NUMBERS, (n) => String(BigInt(n) + 1n));

const flipCase = (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase());
const badChecksum = (address) => {
	const at = [...address].findIndex((c, i) => i > 1 && /[a-f]/i.test(c));
	return at < 0 ? address : address.slice(0, at) + flipCase(address[at]) + address.slice(at + 1);
};

const writtenAddresses = [
	['in lower case', (a) => a.toLowerCase()],
	['in upper case', (a) => `0x${a.slice(2).toUpperCase()}`],
	['with a wrong checksum', badChecksum],
	['with 0X', (a) => `0X${a.slice(2)}`],
	['without 0x', (a) => a.slice(2)],
	['a digit short', (a) => a.slice(0, -1)],
	['a digit long', (a) => `${a}0`],
	['padded to 32 bytes', (a) => `0x${'00'.repeat(12)}${a.slice(2)}`],
	['with a space', (a) => `${a} `],
	['not hexadecimal', (a) => `${a.slice(0, -1)}g`],
	['empty', () => ''],
	['null', () => null],
	['a number', () => 5],
	['missing', () => undefined],
	['changed after signing', (a, random) => `0x${random.hex(20)}`],
].flatMap(([label, change]) => changes('after', 'address', label, ADDRESSES, change));

const signedAddresses = [
	['another', (a, random) => `0x${random.hex(20)}`],
	['zero', () => ZERO_ADDRESS],
].flatMap(([label, change]) => changes('before', 'signed address', label, ADDRESSES, change));

const nonces = [
	['63 digits', (n) => `${n.slice(0, -2)}0`.slice(0, 65)],
	['65 digits', (n) => `${n}0`],
	['in upper case', (n) => `0x${n.slice(2).toUpperCase()}`],
	['in decimal', (n) => BigInt(n).toString()],
	['without 0x', (n) => n.slice(2)],
	['not hexadecimal', (n) => `${n.slice(0, -1)}g`],
	['empty', () => '0x'],
	['null', () => null],
	['missing', () => undefined],
	['changed after signing', (n, random) => `0x${random.hex(32)}`],
].flatMap(([label, change]) => changes('after', 'nonce', label, { eip3009: ['nonce'], permit2: [], upto: [] }, change));

/* The signed nonce ends in a zero nibble, and that nibble is left out: some parsers pad it back. */
nonces.push({
	name: 'nonce without its last zero',
	only: 'eip3009',
	before: ({ authorization }) => {
		authorization.nonce = `${authorization.nonce.slice(0, -1)}0`;
	},
	after: (payload) => {
		authorizationOf(payload).nonce = authorizationOf(payload).nonce.slice(0, -1);
	},
});

const rsv = (signature) => ({
	r: BigInt(signature.slice(0, 66)),
	s: BigInt(`0x${signature.slice(66, 130)}`),
	v: parseInt(signature.slice(130), 16),
});
const join = ({ r, s, v }) => `0x${word(r)}${word(s)}${v.toString(16).padStart(2, '0')}`;
const signatures = [
	[
		'a bit flipped',
		(s, random) => {
			const at = 2 + random.below(128);
			return s.slice(0, at) + (parseInt(s[at], 16) ^ (1 << random.below(4))).toString(16) + s.slice(at + 1);
		},
	],
	['v as 0 or 1', (s) => join({ ...rsv(s), v: rsv(s).v - 27 })],
	['v swapped', (s) => join({ ...rsv(s), v: 55 - rsv(s).v })],
	['v plus 2', (s) => join({ ...rsv(s), v: rsv(s).v + 2 })],
	['v 2', (s) => join({ ...rsv(s), v: 2 })],
	['v 35', (s) => join({ ...rsv(s), v: rsv(s).v + 8 })],
	['v 255', (s) => join({ ...rsv(s), v: 255 })],
	['high s', (s) => join({ ...rsv(s), s: ORDER - rsv(s).s, v: 55 - rsv(s).v })],
	['high s, v kept', (s) => join({ ...rsv(s), s: ORDER - rsv(s).s })],
	['r zero', (s) => join({ ...rsv(s), r: 0n })],
	['s zero', (s) => join({ ...rsv(s), s: 0n })],
	['r the order', (s) => join({ ...rsv(s), r: ORDER })],
	['s the order', (s) => join({ ...rsv(s), s: ORDER })],
	['r plus the order', (s) => join({ ...rsv(s), r: (rsv(s).r + ORDER) % 2n ** 256n })],
	['all ones', () => `0x${'ff'.repeat(65)}`],
	['all zeros', () => `0x${'00'.repeat(65)}`],
	['compact', (s) => `0x${word(rsv(s).r)}${word(rsv(s).s | (BigInt(rsv(s).v - 27) << 255n))}`],
	['a byte short', (s) => s.slice(0, -2)],
	['a byte long', (s) => `${s}00`],
	['a digit short', (s) => s.slice(0, -1)],
	['in upper case', (s) => `0x${s.slice(2).toUpperCase()}`],
	['without 0x', (s) => s.slice(2)],
	['not hexadecimal', (s) => `${s.slice(0, 10)}g${s.slice(11)}`],
	['empty', () => '0x'],
	['null', () => null],
	['missing', () => undefined],
	[
		'wrapped as ERC-6492',
		(s) =>
			`0x${'00'.repeat(12)}${'11'.repeat(20)}${word(96n)}${word(128n)}${word(0n)}${word(65n)}`
			+ `${s.slice(2)}${'00'.repeat(31)}${'6492'.repeat(16)}`,
	],
].map(([label, change]) => ({
	name: `signature ${label}`,
	after: (payload, random) => {
		payload.payload.signature = change(payload.payload.signature, random);
	},
}));

const PERMIT_TYPES = {
	PermitWitnessTransferFrom: [
		{ name: 'permitted', type: 'TokenPermissions' },
		{ name: 'spender', type: 'address' },
		{ name: 'nonce', type: 'uint256' },
		{ name: 'deadline', type: 'uint256' },
		{ name: 'witness', type: 'Witness' },
	],
	TokenPermissions: [
		{ name: 'token', type: 'address' },
		{ name: 'amount', type: 'uint256' },
	],
};

const signers = [
	{
		name: 'signed by another key',
		before: (draft, random) => {
			draft.account = privateKeyToAccount(`0x${random.hex(32)}`);
		},
	},
	...[
		['name', { name: 'Other' }],
		['chain', { chainId: 1 }],
		['contract', { verifyingContract: `0x${'22'.repeat(20)}` }],
		['salt', { salt: `0x${'33'.repeat(32)}` }],
	].map(([label, domain]) => ({
		name: `domain ${label}`,
		before: (draft) => {
			draft.sign = { domain };
		},
	})),
	{
		name: 'domain version',
		only: 'eip3009',
		before: (draft) => {
			draft.sign = { domain: { version: '9' } };
		},
	},
	{
		name: 'domain without version',
		only: 'eip3009',
		before: (draft) => {
			draft.sign = { domain: { version: undefined } };
		},
	},
	{
		name: 'Permit2 domain with version',
		only: 'permit2',
		before: (draft) => {
			draft.sign = { domain: { version: '1' } };
		},
	},
	...['permit2', 'upto'].flatMap((method) => {
		const members = [
			['to', 'address'],
			['facilitator', 'address'],
			['validAfter', 'uint256'],
			['extra', 'bytes'],
		];
		const witness = (...names) => names.map((name) => ({ name, type: members.find(([n]) => n === name)[1] }));
		const other = method === 'permit2' ? witness('validAfter', 'to') : witness('to', 'validAfter', 'facilitator');
		const shapes = [
			['witness members swapped', other],
			['witness of the old form', witness('extra', 'to', 'validAfter')],
			[
				'witness of the other scheme',
				method === 'permit2' ? witness('to', 'facilitator', 'validAfter') : witness('to', 'validAfter'),
			],
		];
		return shapes.map(([name, Witness]) => ({
			name,
			only: method,
			before: (draft) => {
				draft.sign = { types: { ...PERMIT_TYPES, Witness } };
				draft.signedExtra = { extra: '0x', facilitator: `0x${'44'.repeat(20)}` };
			},
		}));
	}),
];

/* What the client says it accepted (version 2 only). */
const accepted = [
	[
		'scheme unknown',
		(a) => {
			a.scheme = 'maybe';
		},
	],
	[
		'scheme of the other method',
		(a) => {
			a.scheme = a.scheme === 'exact' ? 'upto' : 'exact';
		},
	],
	[
		'scheme missing',
		(a) => {
			delete a.scheme;
		},
	],
	[
		'network another',
		(a) => {
			a.network = 'eip155:1';
		},
	],
	[
		'network with a leading zero',
		(a) => {
			a.network = a.network.replace(':', ':0');
		},
	],
	[
		'network by its old name',
		(a) => {
			a.network = 'base-sepolia';
		},
	],
	[
		'network of another kind',
		(a) => {
			a.network = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp';
		},
	],
	[
		'network missing',
		(a) => {
			delete a.network;
		},
	],
	[
		'amount lower',
		(a) => {
			a.amount = '1';
		},
	],
	[
		'amount as a number',
		(a) => {
			a.amount = Number(a.amount);
		},
	],
	[
		'asset another',
		(a) => {
			a.asset = `0x${'55'.repeat(20)}`;
		},
	],
	[
		'asset in lower case',
		(a) => {
			a.asset = a.asset.toLowerCase();
		},
	],
	[
		'payTo another',
		(a) => {
			a.payTo = `0x${'66'.repeat(20)}`;
		},
	],
	[
		'timeout another',
		(a) => {
			a.maxTimeoutSeconds += 1;
		},
	],
	[
		'timeout as a string',
		(a) => {
			a.maxTimeoutSeconds = String(a.maxTimeoutSeconds);
		},
	],
	[
		'extra missing',
		(a) => {
			delete a.extra;
		},
	],
	[
		'extra larger',
		(a) => {
			a.extra = { ...a.extra, more: [1, { two: 'three' }] };
		},
	],
	[
		'member more',
		(a) => {
			a.more = 'more';
		},
	],
].map(([label, change]) => ({
	name: `accepted ${label}`,
	version: 2,
	after: (payload) => change((payload.accepted = structuredClone(payload.accepted))),
}));
accepted.push(
	{
		name: 'accepted missing',
		version: 2,
		after: (payload) => {
			delete payload.accepted;
		},
	},
	{
		name: 'accepted null',
		version: 2,
		after: (payload) => {
			payload.accepted = null;
		},
	},
);

const envelopeV1 = [
	[
		'scheme unknown',
		(p) => {
			p.scheme = 'maybe';
		},
	],
	[
		'scheme missing',
		(p) => {
			delete p.scheme;
		},
	],
	[
		'network another',
		(p) => {
			p.network = 'base';
		},
	],
	[
		'network unknown',
		(p) => {
			p.network = 'nowhere';
		},
	],
	[
		'network by its new name',
		(p) => {
			p.network = 'eip155:84532';
		},
	],
	[
		'network missing',
		(p) => {
			delete p.network;
		},
	],
].map(([label, after]) => ({ name: `v1 ${label}`, version: 1, after }));

const deep = (n) => '['.repeat(n) + ']'.repeat(n);
const texts = [
	['nothing', () => ''],
	['null', () => 'null'],
	['an array', (t) => `[${t}]`],
	['cut short', (t, random) => t.slice(0, random.below(t.length))],
	['with trailing bytes', (t) => `${t}x`],
	['with trailing spaces', (t) => `${t} \n`],
	['with a byte order mark', (t) => `\uFEFF${t}`],
	['with a comment', (t) => t.replace('{', '{/* */')],
	['with a trailing comma', (t) => `${t.slice(0, -1)},}`],
	['with a member twice', (t) => t.replace('"payload":', '"payload":{},"payload":')],
	['with a deep member twice', (t) => t.replace('"signature":', '"signature":"0x","signature":')],
	['with an escaped member twice', (t) => t.replace('"signature":', '"\\u0073ignature":"0x","signature":')],
	['with an escaped member', (t) => t.replace('"signature":', '"\\u0073ignature":')],
	['with a member in capitals', (t) => t.replace('"signature":', '"Signature":')],
	['with another member', (t) => t.replace('{', '{"other":{"a":[1,2.5e3,true,null,"\\n"]},')],
	['nested 12 deep', (t) => t.replace('{', `{"deep":${deep(12)},`)],
	['nested 100 deep', (t) => t.replace('{', `{"deep":${deep(100)},`)],
	['nested 5000 deep', (t) => t.replace('{', `{"deep":${deep(5000)},`)],
	['of 9000 bytes', (t) => t.replace('{', `{"long":"${'a'.repeat(9000)}",`)],
	['with a NUL', (t) => t.replace('{', '{\0')],
	[
		'with bad UTF-8',
		(t) => Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from(`",${t.slice(1)}`)]),
	],
	['with a single quote', (t) => t.replaceAll('"', "'")],
].map(([label, text]) => ({ name: `JSON ${label}`, text }));

const versions = [
	['missing', undefined],
	['of the other header', 'other'],
	['3', 3],
	['a string', 'string'],
	['null', null],
].map(([label, value]) => ({
	name: `x402Version ${label}`,
	after: (payload) => {
		const is = payload.x402Version;
		write(payload, 'x402Version', value === 'other' ? 3 - is : value === 'string' ? String(is) : value);
	},
}));

const envelopes = [
	[
		'payload missing',
		(p) => {
			delete p.payload;
		},
	],
	[
		'payload null',
		(p) => {
			p.payload = null;
		},
	],
	[
		'payload a string',
		(p) => {
			p.payload = 'payload';
		},
	],
	[
		'payload empty',
		(p) => {
			p.payload = {};
		},
	],
	[
		'authorization null',
		(p) => {
			for (const k of Object.keys(p.payload)) if (k !== 'signature') p.payload[k] = null;
		},
	],
	[
		'authorization missing',
		(p) => {
			p.payload = { signature: p.payload.signature };
		},
	],
	[
		'resource another',
		(p) => {
			p.resource = { url: 'https://elsewhere.example/' };
		},
	],
	[
		'resource a number',
		(p) => {
			p.resource = 7;
		},
	],
	[
		'extensions there',
		(p) => {
			p.extensions = { some: { info: { x: 1 } } };
		},
	],
].map(([label, after]) => ({ name: `envelope ${label}`, after }));

const STRAY = { A: 'B', Q: 'R', g: 'h', w: 'x', 0: '1', 4: '5', 8: '9' };
const headers = [
	['without padding', (b) => b.replace(/=+$/, '')],
	['with wrong padding', (b) => `${b}=`],
	['with only padding', () => '===='],
	['with stray bits', (b) => b.replace(/([AQgw048])(=+)$/, (_, last, pad) => STRAY[last] + pad)],
	['with a space', (b) => `${b.slice(0, 40)} ${b.slice(40)}`],
	['with a line feed escaped', (b) => `${b.slice(0, 40)}%0A${b.slice(40)}`],
	['in the URL alphabet', (b) => b.replaceAll('+', '-').replaceAll('/', '_')],
	['with a character no alphabet has', (b) => `${b.slice(0, 40)}*${b.slice(41)}`],
	['a character short', (b) => b.replace(/=+$/, '').slice(0, -1)],
	['twice', (b) => b + b],
	['not there', () => ''],
].map(([label, header]) => ({ name: `base64 ${label}`, header }));

export const MUTATIONS = [
	{ name: 'none' },
	...signedNumbers,
	...writtenNumbers,
	...unsignedNumbers,
	...writtenAddresses,
	...signedAddresses,
	...nonces,
	...signatures,
	...signers,
	...accepted,
	...envelopeV1,
	...texts,
	...versions,
	...envelopes,
	...headers,
	...[-1, 0, 1, 5, 6, 7, 59, 60, 61, 89, 90, 91, 92, 100000].flatMap((s) => times(`${s} s from now`, s)),
];

/* fits: can this mutation be made of a payment of this method and version? */
export const fits = (mutation, method, version) =>
	(mutation.only ?? method) === method && (mutation.version ?? version) === version;
