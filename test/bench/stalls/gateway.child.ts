// The sample gateway in its own process; reports the longest stall of its event loop on request.
import 'reflect-metadata';
import type { ApiKeyService as Keys } from '../../../lib/index.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { start as begin } from '../../../sample-app/start.js';
import { keyAt, OVER_LIMIT_KEY } from './bench-keys.js';
import { bodyNamed } from './bodies.js';

const TICK_MS = 1;
const ROOT = join(__dirname, '..', '..', '..');

/** What the process answers. */
export interface Gap {
  readonly gapMs: number;
  readonly rssMiB: number;
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

let last = performance.now();
let lastCpu = cpuMs();
let longest = 0;
setInterval(() => {
  const [now, cpu] = [performance.now(), cpuMs()];
  // What other processes took of a busy machine is no wait for this one.
  longest = Math.max(longest, Math.min(now - last - TICK_MS, cpu - lastCpu));
  [last, lastCpu] = [now, cpu];
}, TICK_MS);

/** The same figure for `JSON.parse` of the same bytes, as a body parser does it. */
function parseMs(name: string, bytes: number): number {
  const body = Buffer.from(bodyNamed(name).make(bytes));
  const [startedMs, startedCpuMs] = [performance.now(), cpuMs()];
  try {
    JSON.parse(body.toString());
  } catch {
    // Nested deeper than the stack.
  }
  return Math.min(performance.now() - startedMs, cpuMs() - startedCpuMs);
}

process.on('disconnect', () => process.exit());
process.on('message', (asked: 'gap' | { readonly name: string; readonly bytes: number }) => {
  if (typeof asked === 'object') process.send?.({ parseMs: parseMs(asked.name, asked.bytes) });
  else {
    process.send?.({ gapMs: longest, rssMiB: process.memoryUsage.rss() / 2 ** 20 } satisfies Gap);
    longest = 0;
    [last, lastCpu] = [performance.now(), cpuMs()];
  }
});

async function main(): Promise<void> {
  if (process.argv[2] === 'parse') {
    process.send?.({ url: '' });
    return;
  }
  const { Logger } = require('@nestjs/common');
  Logger.overrideLogger(['error']);
  const { start } = require(join(ROOT, 'dist', 'sample-app', 'start.js')) as { start: typeof begin };
  const { ApiKeyService } = require(join(ROOT, 'dist', 'lib', 'index.js')) as { ApiKeyService: typeof Keys };
  const folder = mkdtempSync(join(tmpdir(), 'stalls-'));
  process.once('exit', () => rmSync(folder, { recursive: true }));
  process.env.API_KEYS_FILE = join(folder, 'keys.json');
  const { app, url } = await start(process.env);
  const keys = app.get(ApiKeyService, { strict: false });
  await keys.create({ limits: { requestsPerSecond: 1 } }, OVER_LIMIT_KEY);
  for (let index = 0; index < Number(process.argv[3]); index++) await keys.create({}, keyAt(index));
  process.send?.({ url });
}

void main();
