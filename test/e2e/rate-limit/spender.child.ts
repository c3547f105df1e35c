import { readSync, writeSync } from 'node:fs';
import { FastLiteLLM } from '../../../lib/fast-litellm.js';
import { storeOf, type SpendingTask } from './spender.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const MILLICENT = 0.000_01;

/** Of 0.1 to 3 cents. */
function cost(): number {
  return Math.round(100 + Math.random() * 2_900) * MILLICENT;
}

/**
 * Calls of 0.1 to 3 cents, of which one in ten costs more than was held for it. Writes a line
 * before it goes on, so that its parent knows of each: `. ASK` held, `= ASK COST` about to settle,
 * `-` denied.
 */
async function run({ limits, key, calls, inFlight, callMs, ...task }: SpendingTask): Promise<void> {
  const { rateLimiter } = new FastLiteLLM({ logger: quiet, rateLimit: { ...limits, store: storeOf(task) } });
  await rateLimiter.peekAsync(key);
  writeSync(1, '!\n');
  readSync(0, new Uint8Array(1));
  let left = calls;
  const call = async (): Promise<void> => {
    while (left-- > 0) {
      const [asked, actual] = [cost(), cost()];
      const reservation = await rateLimiter.reserveAsync(key, { usd: asked });
      if (!reservation.allowed) {
        writeSync(1, '-\n');
        continue;
      }
      writeSync(1, `. ${asked}\n`);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * callMs));
      const usd = Math.random() < 0.1 ? actual : Math.min(asked, actual);
      writeSync(1, `= ${asked} ${usd}\n`);
      await rateLimiter.settleAsync(reservation, { usd });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, call));
  process.stdin.destroy();
  await rateLimiter.close();
}

void run(JSON.parse(process.argv[2]) as SpendingTask);
