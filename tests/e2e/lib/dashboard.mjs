// SPDX-License-Identifier: Apache-2.0
// dashboard.mjs DASHBOARD METRICS RULES: does the Grafana dashboard import, and does it ask for what /metrics has?  Prints what is
// wrong, a line each; writes its expressions as recording rules, for promtool to read.
import { readFileSync, writeFileSync } from 'node:fs';

const [dashboardFile, metricsFile, rulesFile] = process.argv.slice(2);
const dashboard = JSON.parse(readFileSync(dashboardFile, 'utf8'));
const complain = (text) => console.log(text);
const SOURCE = '${DS_PROMETHEUS}';

/* name → label → the values it has */
function readMetrics(text) {
	const metrics = new Map();
	for (const [, name, pairs = ''] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
		if (!metrics.has(name)) metrics.set(name, new Map());
		for (const [, label, value] of pairs.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g))
			metrics.get(name).set(label, (metrics.get(name).get(label) ?? new Set()).add(value));
	}
	return metrics;
}

/* What an import needs: without these Grafana refuses the file, or asks for nothing and shows nothing. */
function checkForm() {
	const { __inputs: inputs, __requires: requires, title, uid, schemaVersion, panels, templating, time, id } = dashboard;
	if (!inputs?.some(({ name, type, pluginId }) => name === 'DS_PROMETHEUS' && type === 'datasource' && pluginId === 'prometheus'))
		complain('no input for the data source');
	if (!title || !/^[A-Za-z0-9_-]{1,40}$/.test(uid ?? '') || !(schemaVersion >= 36) || !time?.from || id !== null)
		complain('title, uid, schemaVersion, time or id');
	if (!Array.isArray(panels) || panels.length < 10) complain('panels');
	for (const { name, type, query, datasource } of templating?.list ?? [])
		if (!name || type !== 'query' || !query?.query || datasource?.uid !== SOURCE) complain(`variable ${name}`);
	for (const type of new Set(panels.map((panel) => panel.type)))
		if (type !== 'row' && !requires?.some((one) => one.type === 'panel' && one.id === type)) complain(`panel type ${type} is not required`);
	const taken = new Map();
	for (const { id: number, title: name, gridPos: { x, y, w, h } } of panels) {
		if (!Number.isInteger(number) || panels.filter((other) => other.id === number).length !== 1) complain(`${name}: its id`);
		if (!name || x < 0 || w < 1 || x + w > 24 || h < 1) complain(`${name}: where it is`);
		for (let row = y; row < y + h; row++)
			for (let column = x; column < x + w; column++) {
				const cell = `${row} ${column}`;
				if (taken.has(cell)) return complain(`${name} lies on ${taken.get(cell)}`);
				taken.set(cell, name);
			}
	}
}

const queries = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({ panel, target })));

function checkQuery({ panel, target }, metrics) {
	const say = (text) => complain(`${panel.title} ${target.refId}: ${text}`);
	if (!target.refId || panel.targets.filter(({ refId }) => refId === target.refId).length !== 1) say('refId');
	if (target.datasource?.uid !== SOURCE || panel.datasource?.uid !== SOURCE) say('data source');
	const names = [...target.expr.matchAll(/\b(tollbar_[a-z_]+)(\{[^}]*\})?/g)];
	if (names.length === 0) say('asks for nothing of ours');
	for (const [, name, selector = ''] of names) {
		const labels = metrics.get(name);
		if (labels === undefined) say(`no ${name}`);
		for (const [, label, how, text] of selector.matchAll(/([a-z_]+)(=~?)"([^"]*)"/g)) {
			if (text.startsWith('$')) continue; /* Prometheus adds job and instance */
			for (const value of how === '=~' ? text.split('|') : [text])
				if (!labels?.get(label)?.has(value)) say(`no ${name}{${label}="${value}"}`);
		}
		for (const [, by] of target.expr.matchAll(/by \(([a-z_, ]+)\)/g))
			for (const label of by.split(', '))
				if (names.every(([, other]) => !metrics.get(other)?.has(label))) say(`no label ${label}`);
	}
}

const metrics = readMetrics(readFileSync(metricsFile, 'utf8'));
if (metrics.size < 50) complain('these are no metrics');
checkForm();
for (const query of queries) checkQuery(query, metrics);
const rules = queries.map(({ target }, i) => ({ record: `dashboard:${i}`.replace(/\d/g, (d) => 'abcdefghij'[d]), expr: target.expr.replaceAll('$__rate_interval', '1m') }));
writeFileSync(rulesFile, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
