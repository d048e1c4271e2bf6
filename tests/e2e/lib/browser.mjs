// SPDX-License-Identifier: Apache-2.0
// A headless Chromium, the distribution's: pages, and what they complain of or fetch.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PROGRAM = '/usr/bin/chromium';

export const hasBrowser = () => existsSync(PROGRAM);
export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 900 };

/* openBrowser: → { open(url, options), stop() }.  options: those of a playwright context (viewport, colorScheme,
 * javaScriptEnabled, ...).  open → { page, complaints, requests }: what its console and its errors said so far, and every address
 * it asked for. */
export async function openBrowser() {
	const browser = await chromium.launch({
		executablePath: PROGRAM,
		/* its own sandbox wants namespaces that containers and root do not have; it sees nothing but our page */
		args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--hide-scrollbars', '--disable-lcd-text'],
		timeout: 60_000,
	});
	return {
		stop: () => browser.close(),
		open: async (url, options = {}) => {
			const context = await browser.newContext({ viewport: DESKTOP, ...options });
			const page = await context.newPage();
			const complaints = [],
				requests = [];
			page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
			page.on('pageerror', (error) => complaints.push(error.message));
			page.on('request', (request) => requests.push(request.url()));
			await page.goto(url);
			return { page, complaints, requests, close: () => context.close() };
		},
	};
}
