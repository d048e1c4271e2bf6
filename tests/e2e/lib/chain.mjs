// SPDX-License-Identifier: Apache-2.0
// A private chain: anvil with an EIP-3009 token, Permit2 and the two x402 proxies at their canonical addresses.
import './node18.mjs';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPublicClient, createWalletClient, defineChain, http, publicActions } from 'viem';
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from 'viem/accounts';
import { PERMIT2_ADDRESS, x402ExactPermit2ProxyAddress, x402UptoPermit2ProxyAddress } from '@x402/evm';
import { atExit } from './process.mjs';
import { until } from './wait.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/* The x402 v1 name of this chain id is base-sepolia, so v1 clients and the reference v1 verifier work on it. */
export const CHAIN_ID = 84532;
export const NETWORK = `eip155:${CHAIN_ID}`;
export const NETWORK_V1 = 'base-sepolia';

export const MULTICALL3 = '0xcA11bde05977b3631167028862bE2a173976CA11';
export { PERMIT2_ADDRESS };

const DEV_MNEMONIC = 'test test test test test test test test test test test junk'; // anvil's own default accounts

/* compile: contracts/*.sol → { Name: { abi, code, deployedCode } }, kept beside node_modules until a source changes. */
export function compile() {
	const folder = join(here, '..', 'contracts');
	const names = ['Token.sol', 'Permit2.sol', 'Proxies.sol', 'Recover.sol', 'Accounts.sol'];
	const sources = Object.fromEntries(names.map((n) => [n, { content: readFileSync(join(folder, n), 'utf8') }]));
	const hash = createHash('sha256').update(JSON.stringify(sources)).digest('hex').slice(0, 16);
	const cache = join(here, '..', 'node_modules', '.cache', `contracts-${hash}.json`);
	if (existsSync(cache)) return JSON.parse(readFileSync(cache, 'utf8'));

	const output = JSON.parse(
		require('solc').compile(
			JSON.stringify({
				language: 'Solidity',
				sources,
				settings: {
					evmVersion: 'paris',
					optimizer: { enabled: true, runs: 200 },
					outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
				},
			}),
		),
	);
	const errors = (output.errors ?? []).filter((e) => e.severity === 'error');
	if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join('\n'));

	const artifacts = {};
	for (const file of Object.values(output.contracts))
		for (const [name, contract] of Object.entries(file))
			artifacts[name] = {
				abi: contract.abi,
				code: `0x${contract.evm.bytecode.object}`,
				deployedCode: `0x${contract.evm.deployedBytecode.object}`,
			};
	mkdirSync(dirname(cache), { recursive: true });
	writeFileSync(`${cache}.${process.pid}`, JSON.stringify(artifacts)); // renamed: two test runs may race
	renameSync(`${cache}.${process.pid}`, cache);
	return artifacts;
}

/* The platform package holds the binary itself; the wrapper's install script may have been blocked. */
function anvilPath() {
	const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch];
	const manifest = require.resolve(`@foundry-rs/anvil-linux-${arch}/package.json`);
	return join(dirname(manifest), 'bin', 'anvil');
}

async function startAnvil(chainId) {
	const child = spawn(anvilPath(), ['--host', '127.0.0.1', '--port', '0', '--chain-id', String(chainId)], {
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let output = '';
	child.stdout.on('data', (piece) => {
		if (output.length < 65536) output += piece;
	});
	child.stderr.on('data', (piece) => {
		if (output.length < 65536) output += piece;
	});
	const port = await until('anvil to listen', 20000, () => {
		if (child.exitCode !== null) throw new Error(`anvil stopped:\n${output}`);
		return output.match(/Listening on 127\.0\.0\.1:(\d+)/)?.[1];
	});
	return { child, url: `http://127.0.0.1:${port}` };
}

function stopChild(child) {
	if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
	return new Promise((done) => {
		child.once('exit', done);
		child.kill('SIGKILL');
	});
}

/* startChain: → { url, chainId, token, tokenName, tokenVersion, facilitator (account), payTo, client(account),
 * payer(), balance(address), deploy(contract, args), deployToken(name, version), rpc(method, params), stop() }. */
export async function startChain({ chainId = CHAIN_ID, tokenName = 'Toll Dollar', tokenVersion = '2' } = {}) {
	const { child, url } = await startAnvil(chainId);
	const forget = atExit(() => child.kill('SIGKILL'));
	try {
		return await furnish({ child, url, forget, chainId, tokenName, tokenVersion });
	} catch (error) {
		await stopChild(child);
		throw error;
	}
}

async function furnish({ child, url, forget, chainId, tokenName, tokenVersion }) {
	const contracts = compile();
	const definition = defineChain({
		id: chainId,
		name: 'private',
		nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
		rpcUrls: { default: { http: [url] } },
	});
	const options = { chain: definition, transport: http(url), pollingInterval: 50 };
	const reader = createPublicClient(options);
	const rpc = (method, params) => reader.request({ method, params });
	const client = (account) => createWalletClient({ ...options, account }).extend(publicActions);
	const facilitator = mnemonicToAccount(DEV_MNEMONIC, { addressIndex: 0 });
	const deployer = client(mnemonicToAccount(DEV_MNEMONIC, { addressIndex: 1 }));

	await rpc('anvil_setCode', [PERMIT2_ADDRESS, contracts.Permit2.deployedCode]);
	await rpc('anvil_setCode', [x402ExactPermit2ProxyAddress, contracts.ExactProxy.deployedCode]);
	await rpc('anvil_setCode', [x402UptoPermit2ProxyAddress, contracts.UptoProxy.deployedCode]);

	const mined = async (hash) => {
		const receipt = await reader.waitForTransactionReceipt({ hash });
		if (receipt.status !== 'success') throw new Error(`transaction ${hash} failed`);
		return receipt;
	};
	const deploy = async (contract, args) =>
		(
			await mined(
				await deployer.deployContract({
					abi: contracts[contract].abi,
					bytecode: contracts[contract].code,
					args,
				}),
			)
		).contractAddress;
	const deployToken = (name, version) => deploy('Token', [name, version]);
	const call = (account, address, contract, functionName, args) =>
		client(account).writeContract({ address, abi: contracts[contract].abi, functionName, args }).then(mined);

	const token = await deployToken(tokenName, tokenVersion);
	const factory = await deploy('Factory', []);
	const payTo = privateKeyToAccount(generatePrivateKey()).address;

	/* payer: a fresh key that owns tokens and has approved Permit2. */
	const payer = async ({ tokens = 1_000_000_000n, approve = true, asset = token } = {}) => {
		const key = generatePrivateKey();
		const account = privateKeyToAccount(key);
		if (tokens > 0n) await call(deployer.account, asset, 'Token', 'mint', [account.address, tokens]);
		await rpc('anvil_setBalance', [account.address, '0xde0b6b3a7640000']);
		if (approve) await call(account, asset, 'Token', 'approve', [PERMIT2_ADDRESS, 2n ** 256n - 1n]);
		return Object.assign(account, { key });
	};
	const balance = (address, asset = token) =>
		reader.readContract({ address: asset, abi: contracts.Token.abi, functionName: 'balanceOf', args: [address] });
	const nonceUsed = (from, nonce, asset = token) =>
		reader.readContract({
			address: asset,
			abi: contracts.Token.abi,
			functionName: 'authorizationState',
			args: [from, nonce],
		});
	const stop = async () => {
		forget();
		await stopChild(child);
	};
	return {
		url,
		chainId,
		reader,
		rpc,
		client,
		call,
		contracts,
		deploy,
		token,
		factory,
		tokenName,
		tokenVersion,
		payTo,
		facilitator,
		deployToken,
		payer,
		balance,
		nonceUsed,
		stop,
	};
}
