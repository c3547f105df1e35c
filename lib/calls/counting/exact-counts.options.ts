import { integer, type OptionsOf, type Resolved } from '../../common/option.js';

export const EXACT_COUNTS = {
  /** Time limit of a count, over all deployments that are tried, in ms. Default 5,000. */
  timeoutMs: integer({ min: 1, max: 600_000, default: 5_000 }),
  /**
   * Requests per minute to the counting endpoint of one account (address and key). Default 100,
   * Anthropic's lowest limit.
   */
  requestsPerMinute: integer({ min: 1, max: 100_000, default: 100 }),
  /** Concurrent requests of one account; others wait. Default 16. */
  maxConcurrent: integer({ min: 1, max: 1_000, default: 16 }),
  /** How long a provider's count is cached, in milliseconds. 0: not at all. Default 3,600,000. */
  cacheTtlMs: integer({ min: 0, max: 86_400_000, default: 3_600_000 }),
  /**
   * Maximum number of cached counts; the least recently used are evicted. About 200 bytes each.
   * Default 10,000.
   */
  maxCached: integer({ min: 1, max: 1_000_000, default: 10_000 }),
};

/** Options for `LlmClient.countTokensExact`, which calls the counting endpoints of providers. */
export interface ExactCountOptions extends OptionsOf<typeof EXACT_COUNTS> {}
export type ResolvedExactCountOptions = Resolved<typeof EXACT_COUNTS>;
