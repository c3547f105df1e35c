import { randomFillSync } from 'node:crypto';

/** Rounds until the seed has spread over all of the state. */
const WARM_UP = 15;

/**
 * Numbers from 0 to 1, without 1, of 32 random bits each: sfc32, seeded by the system. Twice as fast as `Math.random`, which is half of a draw's time. Not for
 * secrets.
 */
export function fastRandom(seed: Int32Array = randomFillSync(new Int32Array(3))): () => number {
  let [a, b, c] = seed;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let round = 0; round < WARM_UP; round++) next();
  return next;
}
