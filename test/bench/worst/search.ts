import { pick, seeded, shuffled } from '../harness/random.js';
import { knownRecipes, mutated, textOf } from './recipe.js';
import type { Recipe } from './recipe.js';

/** Counts a text. */
export type Count = (text: string) => number;

export interface Found {
  readonly recipe: Recipe;
  /** Nanoseconds per byte. */
  readonly rate: number;
}

const SEARCH_BYTES = 8 << 10;
const KEPT = 40;
/** Number of timings of a text, each with a new random order if it has one; the fastest counts. */
const TIMES = 3;

/** CPU nanoseconds per byte, of the fastest of `times`. */
export function rateOf(count: Count, recipe: Recipe, bytes: number, times = TIMES): number {
  let best = Infinity;
  for (let time = 0; time < times; time++) {
    const text = textOf(recipe, bytes, time + 1);
    const size = Buffer.byteLength(text);
    const start = process.cpuUsage();
    count(text);
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, ((user + system) * 1000) / size);
  }
  return best;
}

/** What is searched: the tokens of the vocabulary, and texts that once were slow. */
export interface Field {
  readonly tokens: readonly string[];
  readonly found: readonly Recipe[];
}

/**
 * The slowest texts that are found within `ms`: all that once were slow, then a fifth of the time
 * for what is known, two fifths for the tokens of the vocabulary, each repeated, and the rest for
 * mutations of the slowest so far.
 */
export function search(count: Count, { tokens, found }: Field, ms: number): Found[] {
  const random = seeded(7);
  const known = shuffled(random, knownRecipes());
  const repeated = shuffled(random, tokens);
  const start = performance.now();
  let slowest: Found[] = [];
  const seen = new Set<string>();
  const attempt = (recipe: Recipe): void => {
    const key = JSON.stringify([recipe.order, recipe.parts.slice(0, 60)]);
    if (seen.has(key)) return;
    seen.add(key);
    const isSlow = (rate: number): boolean => slowest.length < KEPT || rate > slowest[slowest.length - 1].rate;
    // Most are told by one look.
    if (!isSlow(rateOf(count, recipe, SEARCH_BYTES, 1))) return;
    const rate = rateOf(count, recipe, SEARCH_BYTES);
    if (isSlow(rate)) slowest = [...slowest, { recipe, rate }].sort((a, b) => b.rate - a.rate).slice(0, KEPT);
  };
  const until = (share: number): boolean => performance.now() - start < ms * share;
  for (const recipe of found) attempt(recipe);
  for (const recipe of known) if (until(0.2)) attempt(recipe());
  for (const token of repeated) if (until(0.6)) attempt({ parts: [token], order: 'cycle' });
  while (until(1))
    attempt(
      mutated(
        slowest.map(({ recipe }) => recipe),
        tokens,
        random,
      ),
    );
  return slowest.map(({ recipe }) => ({ recipe, rate: rateOf(count, recipe, SEARCH_BYTES, TIMES * 2) })).sort((a, b) => b.rate - a.rate);
}

/** Tokens that are text by themselves. */
export function textTokens(tokens: Iterable<readonly [id: number, bytes: Uint8Array]>): string[] {
  const texts: string[] = [];
  for (const [, bytes] of tokens) {
    const text = Buffer.from(bytes).toString();
    if (!text.includes('\ufffd')) texts.push(text);
  }
  return texts;
}

/** Any of the texts, for a first call that loads what is loaded once. */
export function warmUp(count: Count, tokens: readonly string[]): void {
  const random = seeded(3);
  for (let i = 0; i < 2_000; i++) count(pick(random, tokens).repeat(20));
}
