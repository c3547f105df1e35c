/**
 * How durations are sorted into buckets: octaves (powers of two of a millisecond), each cut into `BUCKETS_PER_OCTAVE` that are nearly equal on a logarithmic
 * scale. A quadratic stands in for the logarithm, as in DDSketch's interpolated mappings: it needs 8 % more buckets than a true one and no call of `Math.log`.
 */

/** So many that the middle of a bucket is within 1 % of everything in it. */
export const BUCKETS_PER_OCTAVE = 38;

/** From 2^-15 ms, which is 31 ns, to 2^20 ms, which is 17 minutes. What lies outside counts in the outermost bucket. */
export const OCTAVES = 35;
const LOWEST_EXPONENT = -15;

/** Of a double's exponent field. */
const BIAS = 1023;
const MANTISSA_BITS = 20;
const STEEPNESS = BUCKETS_PER_OCTAVE / 3;

/** An octave has so many fractions, each in one bucket, by a table that is read sooner than the quadratic is computed. */
const FRACTION_BITS = 12;
const FRACTIONS = 2 ** FRACTION_BITS;
const PLACES = Uint8Array.from({ length: FRACTIONS }, (_, at) => (4 - at / FRACTIONS) * (at / FRACTIONS) * STEEPNESS);
/** Where each place begins, as a multiple of its octave's beginning. */
const EDGES = Float64Array.from({ length: BUCKETS_PER_OCTAVE }, (_, place) => 1 + PLACES.indexOf(place) / FRACTIONS);

/** The one value of each bucket whose relative distance to both edges is the same. */
const MIDDLES = Float64Array.from({ length: OCTAVES * BUCKETS_PER_OCTAVE }, (_, bucket) => {
  const [low, high] = [edge(bucket), edge(bucket + 1)];
  return (2 * low * high) / (low + high);
});

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);
double[0] = 1;
const HIGH_WORD = words[1] !== 0 ? 1 : 0;

/** What the bits of a duration are below, as an unsigned number, if it is not negative and finite. */
export const END_OF_BITS = 0x7ff00000;

/** The bits that tell a duration's octave and its place there. */
export function bitsOf(durationMs: number): number {
  // Of zero, too, whatever its sign.
  double[0] = durationMs + 0;
  return words[HIGH_WORD];
}

/** The octave; below 0 and from `OCTAVES` on it is none of ours. */
export function octaveOf(bits: number): number {
  return (bits >>> MANTISSA_BITS) - (BIAS + LOWEST_EXPONENT);
}

/** The place in the octave, from 0. */
export function placeOf(bits: number): number {
  return PLACES[(bits >>> (MANTISSA_BITS - FRACTION_BITS)) & (FRACTIONS - 1)];
}

/** The bucket of a duration that is not negative and finite: the octave times `BUCKETS_PER_OCTAVE`, and the place in it. */
export function bucketOf(durationMs: number): number {
  const bits = bitsOf(durationMs);
  const octave = octaveOf(bits);
  if (octave < 0) return 0;
  if (octave >= OCTAVES) return OCTAVES * BUCKETS_PER_OCTAVE - 1;
  return octave * BUCKETS_PER_OCTAVE + placeOf(bits);
}

/** What stands for everything in the bucket, in milliseconds. */
export function durationOf(bucket: number): number {
  return MIDDLES[bucket];
}

function edge(bucket: number): number {
  const octave = Math.floor(bucket / BUCKETS_PER_OCTAVE);
  return 2 ** (octave + LOWEST_EXPONENT) * EDGES[bucket % BUCKETS_PER_OCTAVE];
}
