// SPDX-License-Identifier: Apache-2.0
// The status page in a headless browser: it lives, it is whole without a script, asks for nothing but itself, and fits the screen, in
// both colour schemes.
import { DESKTOP, hasBrowser, openBrowser, PHONE } from './lib/browser.mjs';
import { assert, run, Skip, test } from './lib/check.mjs';
import { payment } from './lib/payment.mjs';
import { until } from './lib/wait.mjs';
import { ask, askPaid, BODY, startWorld } from './lib/world.mjs';

const PATIENCE_MS = 30_000;
let world, browser;

const pageTest = (name, body) =>
	test(name, async () => {
		if (!hasBrowser()) throw new Skip('no chromium');
		await body();
	});

/* open: the page; `done` says that nothing was wrong with it. */
async function open(options, path = '/') {
	const opened = await browser.open(`${world.gate.adminUrl}${path}`, options);
	const done = async () => {
		assert.deepEqual(opened.complaints, []);
		const strangers = opened.requests.filter((url) => !url.startsWith(`${world.gate.adminUrl}/`) && !url.startsWith('data:'));
		assert.deepEqual(strangers, []);
		await opened.close();
	};
	return { ...opened, done };
}

const buy = async () => {
	const answer = await askPaid(world.gate.chat, await payment(world.offer('eip3009'), await world.chain.payer()), { body: BODY });
	assert.equal(answer.status, 200, answer.text);
};

const total = (page, key) => page.locator(`#funnel [data-key="${key}"]`).textContent();
const becomes = (what, probe, want) => until(`${what} to be ${want}`, PATIENCE_MS, async () => (await probe()) === want);

pageTest('values change while one looks, and rates come', async () => {
	const { page, done } = await open();
	const served = Number(await total(page, 'requests.served'));
	await page.evaluate(() => {
		window.cell = document.querySelector('#funnel [data-key="requests.served"]');
	});
	await buy();
	await buy();
	await becomes('served', () => total(page, 'requests.served'), String(served + 2));
	assert.ok(await page.evaluate(() => window.cell.isConnected), 'a row that stays keeps its place in the document');
	await ask(`${world.gate.url}/nowhere`, { method: 'GET' });
	await until('the refusal to have a row', PATIENCE_MS, async () =>
		(await page.locator('#refusals th', { hasText: 'route_unknown' }).count()) === 1,
	);
	await until('a rate above zero', PATIENCE_MS, async () => {
		await ask(`${world.gate.url}/nowhere`, { method: 'GET' });
		return Number(await page.locator('.tile [data-of="requests.refused_total"]').textContent()) > 0;
	});
	assert.match(await page.locator('#chart path.refused').getAttribute('d'), /^M[-0-9. ]+(L[-0-9. ]+)+$/);
	assert.match(await page.locator('#rates-text').textContent(), /^The last 5 minutes; now [\d.]+ begun, /);
	await done();
});

pageTest('the same numbers as /status', async () => {
	const { page, done } = await open();
	await buy();
	await until('the page to say what /status says', PATIENCE_MS, async () => {
		const status = await (await fetch(`${world.gate.adminUrl}/status`)).json();
		const shown = await page.$$eval('[data-key]', (cells) => cells.map(({ dataset: { key, n } }) => [key, Number(n)]));
		const said = (key) => key.split('.').reduce((object, member) => object?.[member], status);
		return shown.length > 10 && shown.every(([key, n]) => said(key) === n);
	});
	await done();
});

pageTest('a daemon that does not answer is said to, and the page goes on when it does', async () => {
	const { page, complaints, close } = await open();
	await world.gate.stop();
	const pulse = () => page.locator('#pulse').textContent();
	await until('the page to notice', PATIENCE_MS, async () => /^no answer since \d\d:\d\d:\d\d$/.test(await pulse()));
	await world.gate.start();
	await becomes('the pulse', pulse, 'live');
	await becomes('requests, counted from zero', () => total(page, 'requests.begun'), '0');
	assert.ok(complaints.every((text) => text.includes('net::ERR_')), complaints.join('\n'));
	await close();
	await buy();
});

pageTest('period and route are asked for, and stay in the address', async () => {
	const { page, requests, done } = await open();
	await page.selectOption('select[name=since]', '60');
	await page.selectOption('select[name=route]', 'models');
	await until('the answer', PATIENCE_MS, () => requests.some((url) => url.endsWith('/?since=60&route=models')));
	await until('the steps of a route nobody used', PATIENCE_MS, async () =>
		(await page.locator('#share').textContent()).includes('No paid request'),
	);
	assert.ok(page.url().endsWith('?since=60&route=models'));
	await done();
});

pageTest('without a script: the same tables, the form, and it comes again by itself', async () => {
	await buy();
	const { page, done } = await open({ javaScriptEnabled: false });
	const funnel = await page.locator('#funnel').innerText();
	assert.match(funnel, /Signature held\s+[1-9]/);
	assert.match(await page.locator('#steps').innerText(), /verify[\s\S]*µs/);
	assert.match(await page.locator('#share').innerText(), /% of the time to first token/);
	assert.match(await page.locator('.tile').first().innerText(), /[1-9]\d* so far/);
	assert.equal(await page.locator('#over-time').isVisible(), false, 'no empty chart');
	assert.equal(await page.locator('#funnel thead th.rate').isVisible(), false, 'no empty column');
	assert.equal(await page.locator('meta[http-equiv=refresh]').getAttribute('content'), '5');
	await page.selectOption('select[name=route]', 'chat');
	await page.locator('form button').click();
	await page.waitForURL('**/?since=0&route=chat', { timeout: PATIENCE_MS });
	assert.equal(await page.locator('select[name=route]').inputValue(), 'chat');
	await done();
});

/* Relative luminance and contrast as WCAG 2 has them. */
function contrast(one, other) {
	const luminance = (colour) => {
		const [r, g, b] = colour
			.match(/[\d.]+/g)
			.slice(0, 3)
			.map((v) => v / 255)
			.map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
	return (light + 0.05) / (dark + 0.05);
}

/* In the page: of each element with words of its own, its colour and what is behind it. */
const coloursOf = () =>
	[...document.querySelectorAll('body *')]
		.filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== ''))
		.map((e) => {
			let behind = e;
			while (behind && getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
			return [e.textContent.trim().slice(0, 30), getComputedStyle(e).color, getComputedStyle(behind ?? document.body).backgroundColor];
		});

for (const colorScheme of ['light', 'dark'])
	for (const [screen, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE }))
		pageTest(`${colorScheme}, ${screen}: legible, and nothing sticks out`, async () => {
			const { page, done } = await open({ colorScheme, viewport });
			await until('a first round', PATIENCE_MS, async () => (await page.locator('#chart path.begun').getAttribute('d')) !== null);
			const colours = await page.evaluate(coloursOf);
			assert.ok(colours.length > 50);
			for (const [text, ink, ground] of colours)
				assert.ok(contrast(ink, ground) >= 4.5, `"${text}": ${ink} on ${ground} is ${contrast(ink, ground).toFixed(2)}`);
			const [, , ground] = colours[0];
			assert.equal(contrast(ground, 'rgb(0, 0, 0)') < 3, colorScheme === 'dark', ground);
			const wide = await page.evaluate(() => document.documentElement.scrollWidth);
			assert.ok(wide <= viewport.width, `${wide} wide`);
			await done();
		});

pageTest('each table has a name and heads, each control a label, each picture words', async () => {
	const { page, done } = await open();
	const wrong = await page.evaluate(() => [
		...[...document.querySelectorAll('section')].filter((e) => !document.getElementById(e.getAttribute('aria-labelledby'))?.textContent),
		...[...document.querySelectorAll('th')].filter((e) => !e.scope || e.textContent === ''),
		...[...document.querySelectorAll('select')].filter((e) => e.labels.length !== 1),
		...[...document.querySelectorAll('svg')].filter((e) => !e.hasAttribute('aria-hidden') && e.getAttribute('role') !== 'img'),
		...[...document.querySelectorAll('[id]')].filter((e) => document.querySelectorAll(`#${e.id}`).length !== 1),
	].map((e) => e.outerHTML.slice(0, 100)));
	assert.deepEqual(wrong, []);
	await done();
});

test('the page is one answer: nothing of it may be kept, framed, or come from elsewhere', async () => {
	const answer = await fetch(world.gate.adminUrl);
	assert.equal(answer.headers.get('cache-control'), 'no-store');
	const policy = answer.headers.get('content-security-policy');
	for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "connect-src 'self'"])
		assert.ok(policy.includes(part), policy);
	assert.ok(!policy.includes('unsafe'), policy);
	const text = await answer.text();
	assert.ok(!/(src|href)="(?!data:)/.test(text) && !/@import|url\(/.test(text));
});

await run({
	before: async () => {
		world = await startWorld();
		if (hasBrowser()) browser = await openBrowser();
	},
	after: async () => {
		await browser?.stop();
		await world?.stop();
	},
});
