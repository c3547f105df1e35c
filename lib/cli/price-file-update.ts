import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { openPrices } from '../token-counter/pricing/pricing-book.js';
import type { ListedPrices, ModelPricing } from '../token-counter/pricing/pricing.js';
import { parseConfigJson } from '../common/config-text.js';
import { CommandError } from './command.js';

/** Fewer are a page of errors or a part of a file. */
const LEAST_MODELS = 100;
/** More models that disappear at once are a mistake of the source. */
const MOST_LOST = 0.2;

/** What a new price file changes. */
export interface PriceChanges {
  readonly models: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Prices or limits of these differ. */
  readonly changed: readonly string[];
}

/**
 * Checks the text of a new price file against the file that it replaces.
 * @throws InvalidConfigurationError naming model and field of a wrong value; CommandError
 * for a file with too few models, or which loses more than a fifth of them
 */
export function checkPriceFile(text: string, name: string, current: string): PriceChanges {
  const next = pricesIn(openPrices(parseConfigJson(name, text), name));
  if (next.size < LEAST_MODELS) throw new CommandError(`${name}: must have at least ${LEAST_MODELS} models, got ${next.size}`);
  const before = existsSync(current) ? pricesIn(openPrices(current, current)) : new Map<string, string>();
  const removed = [...before.keys()].filter((model) => !next.has(model));
  if (removed.length > before.size * MOST_LOST)
    throw new CommandError(`${name}: must not lose more than a fifth of the models of ${current}, got ${removed.length} of ${before.size}`);
  return {
    models: next.size,
    added: before.size === 0 ? [] : [...next.keys()].filter((model) => !before.has(model)),
    removed,
    changed: [...before.keys()].filter((model) => next.has(model) && next.get(model) !== before.get(model)),
  };
}

/** Whether the file has this text already. */
export function isUnchanged(text: string, file: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8') === text;
}

/** Replaces the file in one step: readers see the old one or the new one, also after a crash. */
export function replaceFile(file: string, text: string): void {
  const written = join(dirname(file), `.${basename(file)}.${randomUUID()}`);
  try {
    const descriptor = openSync(written, 'wx');
    try {
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(written, file);
  } catch (error) {
    rmSync(written, { force: true });
    throw error;
  }
}

function pricesIn(prices: ListedPrices): Map<string, string> {
  const known = ([model, pricing]: readonly [string, ModelPricing]): [string, string][] =>
    Object.keys(pricing).length === 0 ? [] : [[model, JSON.stringify(pricing)]];
  return new Map([...prices.entries()].flatMap(known));
}
