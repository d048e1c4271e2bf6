// SPDX-License-Identifier: Apache-2.0
// Certificates of the tests' own, and requests over TLS that trust nobody else's.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';

const openssl = (...args) => execFileSync('openssl', args, { stdio: 'ignore' });

/* selfSigned: a certificate for 127.0.0.1 that vouches for itself → { cert, key }: files.  kind: of its key. */
export function selfSigned(folder, name, kind = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']) {
	const cert = join(folder, `${name}.pem`),
		key = join(folder, `${name}.key`);
	openssl('req', '-x509', '-newkey', ...kind, '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`,
		'-addext', 'subjectAltName=IP:127.0.0.1');
	return { cert, key };
}

/* signedBy: a client's certificate that `ca`, a selfSigned one, vouches for. */
export function signedBy(folder, ca, name) {
	const cert = join(folder, `${name}.pem`),
		key = join(folder, `${name}.key`),
		ask = join(folder, `${name}.csr`);
	openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', ask, '-subj', `/CN=${name}`);
	openssl('x509', '-req', '-in', ask, '-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial', '-days', '2', '-out', cert);
	return { cert, key };
}

/* fetchWith: what fetch does, with the options of tls.connect: an answer streams.  Enough for the stock x402 client. */
export function fetchWith(options) {
	return async (input, init) => {
		const asked = new Request(input, init);
		const body = Buffer.from(await asked.arrayBuffer());
		return new Promise((done, fail) => {
			const sent = request(asked.url, {
				method: asked.method,
				headers: { ...Object.fromEntries(asked.headers), ...(body.length > 0 && { 'content-length': body.length }) },
				...options,
			});
			sent.on('error', fail);
			sent.on('response', (answer) =>
				done(new Response(Readable.toWeb(answer), { status: answer.statusCode, headers: answer.headers })),
			);
			sent.end(body);
		});
	};
}

/* sClient: openssl s_client, which is told `input` and then waits for the close, `ms` at most → all it said. */
export function sClient(port, args = [], input = '', ms = 20000) {
	return new Promise((done) => {
		const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-ign_eof', ...args]);
		let said = '';
		const timer = setTimeout(() => child.kill('SIGKILL'), ms);
		for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += piece));
		child.stdin.on('error', () => {}); // it may end before it was told all
		child.stdin.write(input);
		child.on('close', () => {
			clearTimeout(timer);
			done(said);
		});
	});
}

export const read = (file) => readFileSync(file);
