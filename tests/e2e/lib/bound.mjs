// SPDX-License-Identifier: Apache-2.0
// A client that binds its payment to the body, in full: viem, fetch, and nothing of this test suite.
//
// The nonce of a payment is the client's to choose.  Chosen as keccak256("TBR1" || salt || keccak256(body)) it commits the
// signature to the body, so whoever catches the payment can buy nothing else with it.  The salt goes along in a header.
import { concat, keccak256, stringToBytes, stringToHex, toHex } from 'viem';

/* bound: → { nonce (0x and 64 digits; for Permit2 its value in decimal), salt (the header's value) } */
export function bound(body, salt = crypto.getRandomValues(new Uint8Array(16))) {
	const commitment = keccak256(concat([stringToHex('TBR1'), toHex(salt), keccak256(stringToBytes(body))]));
	return { nonce: commitment, salt: toHex(salt).slice(2) };
}

/* fetchBound: asks, pays the first exact offer it is made by EIP-3009, and asks again. */
export async function fetchBound(account, url, body, headers = { 'content-type': 'application/json' }) {
	const first = await fetch(url, { method: 'POST', headers, body });
	if (first.status !== 402) return first;
	const { accepts } = JSON.parse(atob(first.headers.get('PAYMENT-REQUIRED')));
	const accepted = accepts.find((offer) => offer.scheme === 'exact' && !offer.extra.assetTransferMethod);
	const { nonce, salt } = bound(body);
	const validBefore = String(Math.floor(Date.now() / 1000) + accepted.maxTimeoutSeconds);
	const { asset, amount: value, network, payTo: to, extra } = accepted;
	const authorization = { from: account.address, to, value, validAfter: '0', validBefore, nonce };
	const [uint256, address] = ['uint256', 'address'];
	const types = { from: address, to: address, value: uint256, validAfter: uint256, validBefore: uint256, nonce: 'bytes32' };
	const signature = await account.signTypedData({
		domain: {
			name: extra.name,
			version: extra.version,
			chainId: Number(network.split(':')[1]),
			verifyingContract: asset,
		},
		types: { TransferWithAuthorization: Object.entries(types).map(([name, type]) => ({ name, type })) },
		primaryType: 'TransferWithAuthorization',
		message: authorization,
	});
	const payment = btoa(JSON.stringify({ x402Version: 2, accepted, payload: { signature, authorization } }));
	return fetch(url, { method: 'POST', headers: { ...headers, 'PAYMENT-SIGNATURE': payment, 'X-Tollbar-Salt': salt }, body });
}
