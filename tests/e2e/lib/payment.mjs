// SPDX-License-Identifier: Apache-2.0
// Payments: by the stock x402 client, and by hand with viem for everything a stock client would not send.
import './node18.mjs';
import { randomBytes } from 'node:crypto';
import { wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http';
import {
	authorizationTypes,
	PERMIT2_ADDRESS,
	permit2WitnessTypes,
	uptoPermit2WitnessTypes,
	x402ExactPermit2ProxyAddress,
	x402UptoPermit2ProxyAddress,
} from '@x402/evm';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/client';
import { UptoEvmScheme } from '@x402/evm/upto/client';
import { CHAIN_ID, NETWORK, NETWORK_V1 } from './chain.mjs';

export const METHODS = ['eip3009', 'permit2', 'upto'];

/* The three words for an offer's method that the configuration, this test suite and the reports use. */
export function methodOf(offer) {
	if (offer.scheme === 'upto') return 'upto';
	return offer.extra?.assetTransferMethod === 'permit2' ? 'permit2' : 'eip3009';
}

/* stockFetch: fetch with the stock @x402/fetch client, which pays by `method`.  Spend controls are off because the
 * client refuses assets it does not know.  by: what it fetches with. */
export function stockFetch(account, method, by = fetch) {
	const client = new x402Client((version, accepts) => accepts.find((offer) => methodOf(offer) === method));
	client.register(NETWORK, new ExactEvmScheme(account));
	client.register(NETWORK, new UptoEvmScheme(account));
	client.setSpendControls(false);
	return wrapFetchWithPayment(by, client);
}

/* stockFetchV1: the same client as it was before version 2: it reads the 402's body and answers X-PAYMENT. */
export function stockFetchV1(account) {
	const client = new x402Client((version, accepts) => accepts.find((offer) => methodOf(offer) === 'eip3009'));
	client.registerV1(NETWORK_V1, new ExactEvmSchemeV1(account));
	client.setSpendControls(false);
	const withoutV2 = async (request) => {
		const response = await fetch(request);
		const headers = new Headers(response.headers);
		headers.delete('PAYMENT-REQUIRED');
		return new Response(response.body, { status: response.status, headers });
	};
	return wrapFetchWithPayment(withoutV2, client);
}

export const receiptOf = (response) => {
	const header = response.headers.get('PAYMENT-RESPONSE') ?? response.headers.get('X-PAYMENT-RESPONSE');
	return header === null ? undefined : decodePaymentResponseHeader(header);
};

/* challenge: asks without paying → { required (v2), v1 (body), offer(method) }. */
export async function challenge(url, body) {
	const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
	if (response.status !== 402) throw new Error(`expected 402, got ${response.status}: ${await response.text()}`);
	const required = decodePaymentRequiredHeader(response.headers.get('PAYMENT-REQUIRED'));
	const v1 = await response.json();
	return { response, required, v1, offer: (method) => required.accepts.find((o) => methodOf(o) === method) };
}

export const now = () => Math.floor(Date.now() / 1000);

/* authorize: what a client signs for an offer, before signing.  Every value can be overridden. */
export function authorize(offer, from, overrides = {}) {
	const method = methodOf(offer);
	const deadline = String(now() + offer.maxTimeoutSeconds);
	if (method === 'eip3009')
		return {
			from,
			to: offer.payTo,
			value: offer.amount ?? offer.maxAmountRequired,
			validAfter: '0',
			validBefore: deadline,
			nonce: `0x${randomBytes(32).toString('hex')}`,
			...overrides,
		};
	const { witness, permitted, ...others } = overrides;
	return {
		from,
		permitted: { token: offer.asset, amount: offer.amount, ...permitted },
		spender: method === 'upto' ? x402UptoPermit2ProxyAddress : x402ExactPermit2ProxyAddress,
		nonce: BigInt(`0x${randomBytes(32).toString('hex')}`).toString(),
		deadline,
		witness: {
			to: offer.payTo,
			...(method === 'upto' ? { facilitator: offer.extra.facilitatorAddress } : {}),
			validAfter: '0',
			...witness,
		},
		...others,
	};
}

/* typedData: the EIP-712 message of an authorization; `domain` overrides members of the domain (undefined removes). */
export function typedData(offer, authorization, { domain, types } = {}) {
	const method = methodOf(offer);
	const clean = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
	if (method === 'eip3009')
		return {
			domain: clean({
				name: offer.extra.name,
				version: offer.extra.version,
				chainId: CHAIN_ID,
				verifyingContract: offer.asset,
				...domain,
			}),
			types: types ?? authorizationTypes,
			primaryType: 'TransferWithAuthorization',
			message: authorization,
		};
	return {
		domain: clean({ name: 'Permit2', chainId: CHAIN_ID, verifyingContract: PERMIT2_ADDRESS, ...domain }),
		types: types ?? (method === 'upto' ? uptoPermit2WitnessTypes : permit2WitnessTypes),
		primaryType: 'PermitWitnessTransferFrom',
		message: authorization,
	};
}

/* payment: offer → a whole signed version 2 payment.  overrides: members of the authorization, before signing;
 * sign: see typedData. */
export async function payment(offer, account, { overrides, sign, resource } = {}) {
	const authorization = authorize(offer, account.address, overrides);
	const signature = await account.signTypedData(typedData(offer, authorization, sign));
	const member = methodOf(offer) === 'eip3009' ? 'authorization' : 'permit2Authorization';
	return {
		x402Version: 2,
		...(resource ? { resource } : {}),
		payload: { signature, [member]: authorization },
		accepted: offer,
	};
}

/* asV1: the same authorization in the version 1 envelope. */
export const asV1 = (v2) => ({ x402Version: 1, scheme: 'exact', network: NETWORK_V1, payload: v2.payload });

export const encode = (payload) =>
	Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)).toString('base64');

/* headersOf: the request headers that carry a payment. */
export function headersOf(payload) {
	const name = payload.x402Version === 1 ? 'X-PAYMENT' : 'PAYMENT-SIGNATURE';
	return { 'content-type': 'application/json', [name]: encode(payload) };
}
