/** Headers as undici, `fetch` and the provider SDKs give them. */
export type AnyHeaders =
  { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>> | null | undefined;

/** A longer wait is taken for a mistake of the provider. */
const LONGEST_MS = 24 * 60 * 60_000;

/** Reads one header. `name` is in lower case. */
export function headerOf(headers: AnyHeaders, name: string): string | undefined {
  if (headers === null || headers === undefined) return undefined;
  if (typeof headers.get === 'function') return (headers as { get(name: string): string | null }).get(name) ?? undefined;
  const value = (headers as Readonly<Record<string, string | readonly string[] | undefined>>)[name];
  return typeof value === 'string' ? value : value?.[0];
}

/**
 * Reads how long to wait, in milliseconds: `retry-after-ms` and Azure's `x-ms-retry-after-ms`
 * before `retry-after`, in seconds or as a date. `undefined`: not stated, or not plausible.
 */
export function retryAfterOf(headers: AnyHeaders, nowMs: number): number | undefined {
  for (const name of ['retry-after-ms', 'x-ms-retry-after-ms']) {
    const wait = sensible(Number(headerOf(headers, name) ?? NaN));
    if (wait !== undefined) return wait;
  }
  const value = headerOf(headers, 'retry-after');
  if (value === undefined || value.trim() === '') return undefined;
  const seconds = Number(value);
  if (!Number.isNaN(seconds)) return sensible(seconds * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : sensible(Math.max(0, date - nowMs));
}

function sensible(ms: number): number | undefined {
  return ms >= 0 && ms <= LONGEST_MS ? ms : undefined;
}
