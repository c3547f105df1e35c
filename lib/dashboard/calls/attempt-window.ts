/** The figures that decide whether a group is failing or slow. */
export const WINDOW_MS = 300_000;

/** The last attempts at a set of deployments. */
export interface AttemptWindow {
  /** Without those that clients cancelled or sent wrongly. */
  readonly attempts: number;
  readonly failures: number;
  /** Percentiles of attempts that succeeded, in ms; absent without any. */
  readonly p50Ms?: number;
  readonly p95Ms?: number;
  readonly firstTokenP95Ms?: number;
  /** Of the failures, the most frequent kind: `timeout`, `rate_limit`, … */
  readonly cause?: string;
  /** Default: the last 5 minutes. */
  readonly period?: string;
}

/** An attempt, or a whole call. */
export interface Judged {
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly timeToFirstTokenMs?: number;
  readonly status: string;
  readonly errorKind?: string;
  readonly errorCode?: string;
}

/** Failures that are the client's, not the deployment's. */
const OF_CLIENTS: readonly (string | undefined)[] = ['bad_request', 'context_window', 'content_policy', 'budget', 'denied'];

/** Sums the attempts of the last five minutes up; `undefined` if there were none. */
export function windowOf(all: readonly Judged[], nowMs: number): AttemptWindow | undefined {
  const recent = all.filter(({ startedAtMs, durationMs }) => startedAtMs + durationMs > nowMs - WINDOW_MS);
  const judged = recent.filter(
    ({ status, errorKind }) => status === 'success' || (status === 'failure' && !OF_CLIENTS.includes(errorKind)),
  );
  if (judged.length === 0) return undefined;
  const failed = judged.filter(({ status }) => status === 'failure');
  // Timeouts count, because clients waited for them.
  const durations = sorted(
    judged.flatMap(({ status, errorKind, durationMs }) => (status === 'success' || errorKind === 'timeout' ? [durationMs] : [])),
  );
  const firstTokens = sorted(judged.flatMap(({ timeToFirstTokenMs }) => (timeToFirstTokenMs === undefined ? [] : [timeToFirstTokenMs])));
  return {
    attempts: judged.length,
    failures: failed.length,
    p50Ms: percentile(durations, 0.5),
    p95Ms: percentile(durations, 0.95),
    firstTokenP95Ms: percentile(firstTokens, 0.95),
    cause: mostFrequent(failed.map(({ errorKind, errorCode }) => errorKind ?? errorCode ?? 'unknown')),
  };
}

function sorted(values: readonly number[]): readonly number[] {
  return values.toSorted((a, b) => a - b);
}

/** The smallest value that this share of all values does not exceed. */
function percentile(ascending: readonly number[], share: number): number | undefined {
  return ascending.at(Math.max(0, Math.ceil(ascending.length * share) - 1));
}

function mostFrequent(names: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
