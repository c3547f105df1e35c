/** A seeded generator of numbers in [0, 1): the same seed gives the same texts on every machine. */
export type Random = () => number;

/** Mulberry-style mixing of a counter: good enough for texts, and two lines long. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An integer from `low` to `high`, both included. */
export function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** Any of the items, each as likely. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)];
}

/** Item of rank r about r times rarer than the first one, as words are in natural text. */
export function pickByRank<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(items.length ** random()) - 1];
}

/** Returns a copy of the items in an order that depends on the seed. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}
