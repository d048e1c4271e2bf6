// SPDX-License-Identifier: Apache-2.0
// The daemon's table of refusals, read from the header it is made of.
import { readFileSync } from 'node:fs';

function readTable() {
	const text = readFileSync(new URL('../../../include/reasons.h', import.meta.url), 'utf8').replaceAll('\\\n', ' ');
	const defines = Object.fromEntries(
		[...text.matchAll(/#define (\w+_TEXT) "(.*)"/g)].map(([, name, value]) => [name, value]),
	);
	const value = (field) =>
		defines[field.trim()] ?? (field.trim().startsWith('"') ? field.trim().slice(1, -1) : undefined);
	const row = /R\((\d+), \w+, "(\w+)",\s*(\d+),\s*([^,]+),\s*([^,]+),\s*([^,)]+)\)/g;
	return new Map(
		[...text.matchAll(row)].map(([, number, word, status, eip3009, permit2, upto]) => [
			word,
			{ number: Number(number), status: Number(status), eip3009: value(eip3009), permit2: value(permit2), upto: value(upto) },
		]),
	);
}

/* word → { number, status, eip3009, permit2, upto }: HTTP status, and the x402 code in the words of each method. */
export const REASONS = readTable();
