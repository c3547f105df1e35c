/** Headers of an answer. `name` is in lower case. */
export interface AnswerHeaders {
  /** The value of a header. */
  get(name: string): string | null | undefined;
}

/** The units that a provider counts. `tokens` are those of prompt and answer together. */
export type Counted = 'requests' | 'tokens' | 'inputTokens' | 'outputTokens';

/** A limit reported by a provider. */
export interface ReportedLimit {
  readonly counted: Counted;
  readonly limit: number;
  readonly remaining: number;
  /** Time until the limit is full again; `undefined`: not reported. */
  readonly resetMs: number | undefined;
}

/** Headers of OpenAI, most compatible providers and Anthropic; `{}`: limit, remaining or reset. */
const HEADERS: readonly (readonly [counted: Counted, name: string])[] = [
  ['requests', 'x-ratelimit-{}-requests'],
  ['tokens', 'x-ratelimit-{}-tokens'],
  ['requests', 'anthropic-ratelimit-requests-{}'],
  ['inputTokens', 'anthropic-ratelimit-input-tokens-{}'],
  ['outputTokens', 'anthropic-ratelimit-output-tokens-{}'],
];
const NAMES = HEADERS.map(([counted, name]) => {
  const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map((part) => name.replace('{}', part));
  return { counted, limit, remaining, reset };
});
/** Anything longer is a mistake: no provider has such a window. */
const LONGEST_RESET_MS = 32 * 24 * 60 * 60_000;
const LARGEST = 1e12;

/**
 * Reads the limits in the headers of an answer. Values that are not counts are ignored.
 * @param wallMs Milliseconds since 1970, for Anthropic's dates
 */
export function readReportedLimits(headers: AnswerHeaders, wallMs: number): readonly ReportedLimit[] {
  return NAMES.flatMap((names): ReportedLimit[] => {
    const remaining = countIn(headers.get(names.remaining));
    const limit = countIn(headers.get(names.limit));
    if (remaining === undefined || limit === undefined || limit === 0) return [];
    return [{ counted: names.counted, limit, remaining: Math.min(remaining, limit), resetMs: resetIn(headers.get(names.reset), wallMs) }];
  });
}

function countIn(text: string | null | undefined): number | undefined {
  if (typeof text !== 'string' || !/^\d{1,15}$/.test(text)) return undefined;
  const count = Number(text);
  return count <= LARGEST ? count : undefined;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+$/;
const DURATION_PART = /(\d{1,9}(?:\.\d{1,9})?)(ms|[smhd])/g;
const SECONDS = /^\d{1,9}(?:\.\d{1,9})?$/;

/** `6m0s`, `20ms`, `12.5` (seconds), or Anthropic's date. */
function resetIn(text: string | null | undefined, wallMs: number): number | undefined {
  if (typeof text !== 'string' || text.length > 40) return undefined;
  const ms = SECONDS.test(text) ? Number(text) * 1_000 : DURATION.test(text) ? durationIn(text) : Date.parse(text) - wallMs;
  return ms <= LONGEST_RESET_MS ? Math.max(0, ms) : undefined;
}

function durationIn(text: string): number {
  let ms = 0;
  for (const [, figure, unit] of text.matchAll(DURATION_PART)) ms += Number(figure) * UNITS[unit];
  return ms;
}
