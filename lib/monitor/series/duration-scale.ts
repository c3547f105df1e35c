/**
 * Buckets of durations: octaves (powers of two of a millisecond), each divided into
 * `BUCKETS_PER_OCTAVE`, nearly equal on a logarithmic scale. A quadratic replaces the logarithm, as
 * in DDSketch's interpolated mappings: 8 % more buckets, and no call of `Math.log`.
 */

/** Enough that the middle of a bucket is within 1 % of every duration in it. */
export const BUCKETS_PER_OCTAVE = 38;

/** From 2^-15 ms (31 ns) to 2^20 ms (17 minutes). Other durations count in the outermost bucket. */
export const OCTAVES = 35;
const LOWEST_EXPONENT = -15;

/** Of the exponent of a double. */
const BIAS = 1023;
const MANTISSA_BITS = 20;
const STEEPNESS = BUCKETS_PER_OCTAVE / 3;

/** A table from fractions of an octave to buckets, which is faster than the quadratic. */
const FRACTION_BITS = 12;
const FRACTIONS = 2 ** FRACTION_BITS;
const PLACES = Uint8Array.from({ length: FRACTIONS }, (_, at) => (4 - at / FRACTIONS) * (at / FRACTIONS) * STEEPNESS);
/** The lower edge of each place, as a multiple of that of its octave. */
const EDGES = Float64Array.from({ length: BUCKETS_PER_OCTAVE }, (_, place) => 1 + PLACES.indexOf(place) / FRACTIONS);

/** The value of each bucket with the same relative distance to both edges. */
const MIDDLES = Float64Array.from({ length: OCTAVES * BUCKETS_PER_OCTAVE }, (_, bucket) => {
  const [low, high] = [edge(bucket), edge(bucket + 1)];
  return (2 * low * high) / (low + high);
});

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);
double[0] = 1;
const HIGH_WORD = words[1] !== 0 ? 1 : 0;

/** `bitsOf` every finite duration that is not negative is smaller, as an unsigned number. */
export const END_OF_BITS = 0x7ff00000;

/** The bits that hold the octave of a duration and its place there. */
export function bitsOf(durationMs: number): number {
  // Turns -0 into 0.
  double[0] = durationMs + 0;
  return words[HIGH_WORD];
}

/** The octave; outside of the scale it is negative, or `OCTAVES` and more. */
export function octaveOf(bits: number): number {
  return (bits >>> MANTISSA_BITS) - (BIAS + LOWEST_EXPONENT);
}

/** The place in the octave, from 0. */
export function placeOf(bits: number): number {
  return PLACES[(bits >>> (MANTISSA_BITS - FRACTION_BITS)) & (FRACTIONS - 1)];
}

/** The bucket of a finite duration that is not negative. */
export function bucketOf(durationMs: number): number {
  const bits = bitsOf(durationMs);
  const octave = octaveOf(bits);
  if (octave < 0) return 0;
  if (octave >= OCTAVES) return OCTAVES * BUCKETS_PER_OCTAVE - 1;
  return octave * BUCKETS_PER_OCTAVE + placeOf(bits);
}

/** The duration that represents a bucket, in milliseconds. */
export function durationOf(bucket: number): number {
  return MIDDLES[bucket];
}

function edge(bucket: number): number {
  const octave = Math.floor(bucket / BUCKETS_PER_OCTAVE);
  return 2 ** (octave + LOWEST_EXPONENT) * EDGES[bucket % BUCKETS_PER_OCTAVE];
}
