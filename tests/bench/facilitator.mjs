// SPDX-License-Identifier: Apache-2.0
// The real npm facilitator on a private chain, for the paid figure that it limits.  Prints "ready URL ASSET KEY": where it
// is, the token to sell in (domain USDC, 2) and the private key of a payer with funds.  Runs until told to stop.
import { startChain } from '../e2e/lib/chain.mjs';
import { startFacilitator } from '../e2e/lib/facilitator.mjs';

const chain = await startChain({ tokenName: 'USDC', tokenVersion: '2' });
const facilitator = await startFacilitator(chain);
const payer = await chain.payer();
console.log(`ready ${facilitator.url} ${chain.token} ${payer.key}`);
process.on('SIGTERM', async () => {
	await facilitator.stop();
	await chain.stop();
	process.exit(0);
});
