// Loads one tokenizer in an app that runs already, and prints the cost. Run with --expose-gc.
// Arguments: engine, file, cache folder.
import { existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { FastLiteLLM } from '../../../lib/fast-litellm.js';
import type { FastLiteLLMOptions } from '../../../lib/fast-litellm.options.js';
import { ROOT } from './contenders.js';
import type { FamilyLoad } from './family-load.js';

const [engine, file, cache] = process.argv.slice(2) as ['native' | 'typescript', string, string];
const collect = globalThis.gc as () => void;
const MODEL = 'house/model';
const SCHEDSTAT = `/proc/self/task/${process.pid}/schedstat`;
/** Open, and with one buffer: to collect the garbage of a turn's reading was the longest turn. */
const schedstat = existsSync(SCHEDSTAT) ? openSync(SCHEDSTAT, 'r') : undefined;
const figures = Buffer.alloc(64);
const SILENT = { log() {}, warn() {}, error() {} };

async function main(): Promise<void> {
  const { FastLiteLLM: Roof } = require(join(ROOT, 'dist', 'lib', 'fast-litellm.js')) as { FastLiteLLM: typeof FastLiteLLM };
  const open = (tokenCounter: FastLiteLLMOptions['tokenCounter']): FastLiteLLM =>
    new Roof({ engine, logger: SILENT, tokenCounter }, { env: {} });
  open({}).tokenCounter.countTokens('ready?', 'gpt-4o');
  collect();
  const before = process.memoryUsage.rss();
  const start = performance.now();
  const { tokenCounter } = open({ tokenizers: { [MODEL]: { file } }, tokenizerCache: cache });
  let isLoading = true;
  let longestGapMs = 0;
  let [last, lastCpu] = [performance.now(), threadCpuMs()];
  const turn = (): void => {
    const [now, cpu] = [performance.now(), threadCpuMs()];
    // The rest is the scheduler's: the threads that load take all processors.
    longestGapMs = Math.max(longestGapMs, Math.min(now - last, cpu - lastCpu));
    [last, lastCpu] = [now, cpu];
    if (isLoading) setImmediate(turn);
  };
  setImmediate(turn);
  await tokenCounter.ready();
  isLoading = false;
  tokenCounter.countTokens('ready?', MODEL);
  const ms = performance.now() - start;
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const cost: FamilyLoad = { ms, rssMb: (process.memoryUsage.rss() - before) / 1e6, longestGapMs };
  console.log(JSON.stringify(cost));
  process.exit(0);
}

/** CPU time of this thread; where that is not told, wall time. */
function threadCpuMs(): number {
  if (schedstat === undefined) return performance.now();
  // The kernel brings the figure up to date with each tick, 4 ms, and when it is asked for this.
  process.cpuUsage();
  readSync(schedstat, figures, 0, figures.length, 0);
  return Number(figures.toString('latin1', 0, figures.indexOf(' '))) / 1e6;
}

void main();
