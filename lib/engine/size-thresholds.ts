/**
 * A size below which the native engine does not answer, because the bench shows that the
 * alternative is faster.
 */
interface SizeThreshold {
  readonly operation: string;
  readonly unit: string;
  /** The smallest size that the native engine answers. */
  readonly nativeFrom: number;
  /** The row of the bench that gave the threshold. */
  readonly bench: string;
}

/**
 * The only table of size thresholds. An operation that is not listed is native at every size.
 * `engine: 'native'` overrides the thresholds between the two engines, so that a test or a bench
 * can measure the native one.
 */
export const SIZE_THRESHOLDS = {
  rust_routing: {
    operation: 'scan of a priority tier',
    unit: 'deployments',
    nativeFrom: 256,
    bench: 'router: served, at 20, 200 and 2,000 deployments',
  },
  tiktoken_decode: { operation: 'patched decode of tiktoken', unit: 'token ids', nativeFrom: 64, bench: 'acceleration: tiktoken, decode' },
  js_tiktoken_decode: {
    operation: 'patched decode of js-tiktoken',
    unit: 'token ids',
    nativeFrom: 50,
    bench: 'acceleration: js-tiktoken, decode',
  },
} as const satisfies Readonly<Record<string, SizeThreshold>>;

/** The smallest size that the native engine of a feature answers. */
export function nativeFrom(feature: string): number {
  return (SIZE_THRESHOLDS as Readonly<Record<string, SizeThreshold>>)[feature]?.nativeFrom ?? 0;
}
