/**
 * The smallest sizes that the native engine answers, because the bench shows that the alternative
 * is faster below. Unlisted operations are native at every size. `engine: 'native'` overrides the
 * sizes between the two engines, so that a test or a bench can measure the native one.
 */
export const NATIVE_FROM = {
  /** Deployments in a scan of a priority tier. Bench: router, served, 20 to 2,000 deployments. */
  rust_routing: 256,
  /** Token ids in a patched decode of tiktoken. Bench: acceleration, tiktoken, decode. */
  tiktoken_decode: 64,
  /** The same for js-tiktoken. */
  js_tiktoken_decode: 50,
};

/** The smallest size that the native engine of a feature answers. */
export function nativeFrom(feature: string): number {
  return (NATIVE_FROM as Readonly<Record<string, number | undefined>>)[feature] ?? 0;
}
