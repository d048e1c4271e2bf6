#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Draws build/bench.json's microseconds per verification against batch size.
//
//   scripts/plot-verify.mjs > docs/verify.svg        after: scripts/bench.sh ec
import { readFileSync } from 'node:fs';

const figures = JSON.parse(readFileSync(new URL('../build/bench.json', import.meta.url)));
const cpu = readFileSync('/proc/cpuinfo', 'utf8');
const cpuField = (name) => new RegExp(`^${name}\\s*:\\s*(.*)`, 'm').exec(cpu)?.[1] ?? '?';
const machine = `${cpuField('model name')} (family ${cpuField('cpu family')}, model ${cpuField('model')})`;

const width = 720, height = 440;
const left = 64, right = 24, top = 64, bottom = 56;
const batches = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const ticks = [1, 2, 5, 10, 20, 50, 100];

const at = (name) => batches.map((batch) => [batch, figures[`${name}_us_b${batch}`]]).filter(([, us]) => us > 0);
const series = [
  { name: 'libsecp256k1 recover', colour: '#6b7280', points: batches.map((batch) => [batch, figures.ec_recover_us]) },
  { name: 'tollbar, unknown signers', colour: '#b45309', points: at('ec_cold') },
  { name: 'tollbar, 256 known signers', colour: '#1d4ed8', points: at('ec_hot') },
];
for (const { name, points } of series)
  if (points.length < 2 || points.some(([, us]) => !(us > 0))) throw new Error(`build/bench.json lacks "${name}": run scripts/bench.sh ec`);

const all = series.flatMap(({ points }) => points.map(([, us]) => us));
const floor = ticks.findLast((tick) => tick <= Math.min(...all)) ?? ticks[0];
const ceiling = ticks.find((tick) => tick >= Math.max(...all)) ?? ticks.at(-1);
const x = (batch) => left + (Math.log2(batch) / Math.log2(batches.at(-1))) * (width - left - right);
const y = (us) => height - bottom - (Math.log(us / floor) / Math.log(ceiling / floor)) * (height - top - bottom);
const round = (value) => value.toFixed(1);
const text = (atX, atY, anchor, size, colour, words) =>
  `<text x="${round(atX)}" y="${round(atY)}" text-anchor="${anchor}" font-size="${size}" fill="${colour}">${words}</text>`;

const lines = [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" role="img" aria-label="Microseconds per signature verification against batch size">`,
  `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
  text(left, 26, 'start', 16, '#111827', 'One signature verified: microseconds against batch size'),
  text(left, 46, 'start', 12, '#4b5563', `${machine}, one core, both axes logarithmic`),
];
for (const tick of ticks.filter((tick) => tick >= floor && tick <= ceiling)) {
  lines.push(`<line x1="${left}" x2="${width - right}" y1="${round(y(tick))}" y2="${round(y(tick))}" stroke="#e5e7eb"/>`);
  lines.push(text(left - 8, y(tick) + 4, 'end', 12, '#4b5563', `${tick} µs`));
}
for (const batch of batches) lines.push(text(x(batch), height - bottom + 20, 'middle', 12, '#4b5563', batch));
lines.push(text((left + width - right) / 2, height - 14, 'middle', 12, '#4b5563', 'signatures verified together'));
for (const { name, colour, points } of series) {
  const path = points.map(([batch, us]) => `${round(x(batch))},${round(y(us))}`).join(' ');
  lines.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2.5"/>`);
  for (const [batch, us] of points) lines.push(`<circle cx="${round(x(batch))}" cy="${round(y(us))}" r="3.5" fill="${colour}"/>`);
  const [batch, us] = points.at(-1);
  lines.push(text(x(batch), y(us) - 9, 'end', 13, colour, `${name}: ${us.toFixed(us < 10 ? 2 : 0)} µs`));
}
lines.push('</svg>');
console.log(lines.join('\n'));
