// SPDX-License-Identifier: Apache-2.0
// The stand-in model server (tests/tools/upstream.c) as a child process.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { built, scratch, start } from './process.mjs';
import { until } from './wait.mjs';

export const UPSTREAM_USAGE = { prompt: 1000, completion: 500 };

/* startUpstream: → { url, port, stats(), stop(), start(), signal(name) }; stop and start again keep the port. */
export async function startUpstream({ args = [], within = [] } = {}) {
	const folder = scratch('upstream');
	const portFile = join(folder.path, 'port');
	const { prompt, completion } = UPSTREAM_USAGE;
	let process_,
		port = 0;
	const self = {
		start: async () => {
			rmSync(portFile, { force: true }); // the last one's would say that this one listens
			process_ = start(
				built('tests/tools/upstream'),
				['--port', String(port), '--port-file', portFile, '--usage', `${prompt},${completion}`, ...args],
				{ within },
			);
			port = await until('the stand-in upstream to listen', 5000, () => {
				if (!process_.running()) throw new Error(`upstream stopped: ${process_.output}`);
				return existsSync(portFile) && Number(readFileSync(portFile, 'utf8'));
			});
		},
		stop: () => process_.stop('SIGKILL'),
		signal: (name) => process_.child.kill(name),
		stats: async () => (await fetch(`${self.url}/stats`)).json(),
	};
	await self.start();
	return Object.assign(self, { url: `http://127.0.0.1:${port}`, port });
}
