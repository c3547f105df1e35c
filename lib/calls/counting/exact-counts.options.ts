import { checkInteger, checkKnownKeys, checkObject, joinPath, optional } from '../../common/options.js';

/** How `LlmClient.countTokensExact` asks the counting endpoints of providers. */
export interface ExactCountOptions {
  /** Longest time until a count, over all deployments that are asked, in ms. Default 5,000. */
  readonly timeoutMs?: number;
  /**
   * Requests per minute to the counting endpoint of one account (address and key). Default 100, the
   * least that Anthropic allows.
   */
  readonly requestsPerMinute?: number;
  /** Requests of one account in flight; others wait. Default 16. */
  readonly maxConcurrent?: number;
  /** How long a provider's count is kept, in milliseconds. 0: not at all. Default 3,600,000. */
  readonly cacheTtlMs?: number;
  /** Counts that are kept; those used last. About 200 bytes each. Default 10,000. */
  readonly maxCached?: number;
}

export type ResolvedExactCountOptions = Required<ExactCountOptions>;

const RANGES = {
  timeoutMs: { fallback: 5_000, min: 1, max: 600_000 },
  requestsPerMinute: { fallback: 100, min: 1, max: 100_000 },
  maxConcurrent: { fallback: 16, min: 1, max: 1_000 },
  cacheTtlMs: { fallback: 3_600_000, min: 0, max: 86_400_000 },
  maxCached: { fallback: 10_000, min: 1, max: 1_000_000 },
} as const satisfies Readonly<Record<keyof ExactCountOptions, { fallback: number; min: number; max: number }>>;

/** @throws InvalidConfigurationError naming the option. */
export function resolveExactCountOptions(path: string, value: unknown = {}): ResolvedExactCountOptions {
  const given = checkObject(path, value);
  checkKnownKeys(path, given, Object.keys(RANGES));
  const integer = (key: keyof ExactCountOptions): number => {
    const { fallback, ...range } = RANGES[key];
    return optional(given[key], fallback, (number) => checkInteger(joinPath(path, key), number, range));
  };
  return {
    timeoutMs: integer('timeoutMs'),
    requestsPerMinute: integer('requestsPerMinute'),
    maxConcurrent: integer('maxConcurrent'),
    cacheTtlMs: integer('cacheTtlMs'),
    maxCached: integer('maxCached'),
  };
}
