import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AccelerationService } from '../../../lib/acceleration/acceleration.service.js';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import type { FeatureFlagsOptions } from '../../../lib/feature-flags/feature-flags.options.js';
import { FeatureFlagsService } from '../../../lib/feature-flags/feature-flags.service.js';
import { TOKEN_COUNTER_ENGINES } from '../../../lib/token-counter/engine/engine-provider.js';
import { usuallyOrLong } from '../../support/long.js';
import { randomText, seededRandom } from '../../support/random-text.js';
import { root } from '../../project/sources.js';
import { provideEngine } from '../../../lib/engine/engine-choice.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

/** Whether there is a native engine to patch with. */
export const isNative = openNativeBinding().binding !== null;

/** Texts per library; few without the native engine, because then nothing is patched. */
export const COUNT = isNative ? usuallyOrLong(400, 20_000) : 500;

/** A service of its own, and what decides for it. */
export function openAcceleration(
  options: FeatureFlagsOptions = {},
  provider = TOKEN_COUNTER_ENGINES,
  now?: () => number,
): { readonly service: AccelerationService; readonly flags: FeatureFlagsService } {
  const flags = new FeatureFlagsService(options, { env: {}, logger: silent, now });
  const choice = provideEngine(provider, { flags, logger: silent });
  return { service: new AccelerationService(choice), flags };
}

/**
 * Mostly short texts with many special tokens; a third of them without characters that libraries
 * read differently.
 */
export function randomTexts(count: number, seed: number, specials: readonly string[]): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, index) => {
    const text = randomText(random, index % 50 === 0 ? 120 : 8, index % 4 === 0 ? specials : []).slice(0, 2000);
    return index % 3 === 0 ? text.replace(/[^\n -~äßéЖ漢字語😀]/gu, ' ') : text;
  });
}

/** What a call comes to: its result, or the message of what it throws. */
export function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return `threw ${String((error as Error | undefined)?.message ?? error)}`;
  }
}

/**
 * Compares the result of `ask` for each text without and with the patch. Returns texts that differ.
 */
export function differences(
  texts: readonly string[],
  service: AccelerationService,
  ask: (text: string, index: number) => unknown,
): string[] {
  const all = (): unknown[] => texts.map((text, index) => outcome(() => ask(text, index)));
  service.remove();
  const before = all();
  service.apply();
  const after = all();
  return texts.filter((_, index) => !isSame(before[index], after[index]));
}

/** The same value of the same class. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return Object.is(a, b);
  const [left, right] = [a, b] as ArrayLike<unknown>[];
  if (a.constructor.name !== b.constructor.name || left.length !== right.length) return false;
  return Array.prototype.every.call(left, (entry: unknown, index) => isSame(entry, right[index]));
}

/** A file of an installed library. */
export function installed(path: string): string {
  const file = join(root, 'node_modules', path);
  if (!existsSync(file)) throw new Error(`${file} is not installed`);
  return file;
}
