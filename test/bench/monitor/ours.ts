import { join } from 'node:path';
import type * as Package from '../../../lib/index.js';

export const ROOT = join(__dirname, '..', '..', '..');

/** The compiled package: that is what users run. */
export function compiled(): typeof Package {
  return require(join(ROOT, 'dist', 'lib', 'index.js')) as typeof Package;
}

const say = (): void => {};

/** An instance that measures nothing by itself. */
export function openInstance(): Package.FastLiteLLM {
  const { FastLiteLLM } = compiled();
  return new FastLiteLLM({ engine: 'typescript', logger: { log: say, warn: say, error: say } }, { env: {} });
}
