import { seeded } from '../harness/random.js';

/** Keys that a row rotates through. */
export const KEY_COUNTS = [1, 1_000, 100_000, 1_000_000] as const;
export type Freshness = 'fresh' | 'reused';

/** Key numbers drawn in advance: enough that the order does not repeat soon. */
const DRAWN = 1 << 20;
/** For this number of keys the distribution is skewed; for all others it is uniform. */
const RANKED = 100_000;
const FIRST = 1_000_000_000;

/** 25 characters, made anew each time: as a service makes one of a request's parts. */
export function freshKey(index: number): string {
  return `tenant-42:user:${FIRST + index}`;
}

/** A source of keys: `next()` gives the next one. */
export interface KeyStream {
  next(): string;
}

/** With `reused` the strings are created once, and V8 caches the hash of each. */
export function keyStream(count: number, freshness: Freshness): KeyStream {
  const random = seeded(count);
  // Popular keys are not neighbours in the order of their making.
  const byRank = (): number => ((Math.floor(count ** random()) - 1) * 7919) % count;
  const evenly = (): number => Math.floor(random() * count);
  const drawn = Uint32Array.from({ length: DRAWN }, count === RANKED ? byRank : evenly);
  let at = 0;
  if (freshness === 'fresh') return { next: () => freshKey(drawn[at++ & (DRAWN - 1)]) };
  const made = new Map<number, string>();
  const strings = Array.from(drawn, (index) => {
    let key = made.get(index);
    if (key === undefined) made.set(index, (key = flat(freshKey(index))));
    return key;
  });
  return { next: () => strings[at++ & (DRAWN - 1)] };
}

/** A string in one piece: a concatenation is put together at its first use only. */
export function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
