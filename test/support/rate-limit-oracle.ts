import type { PolicySpec } from '../../lib/rate-limit/engine/engine.js';

/** A limited quantity, by the name of its option. */
export type LimitName =
  | 'requestsPerSecond'
  | 'requestsPerMinute'
  | 'requestsPerHour'
  | 'requestsPerDay'
  | 'requestsPerWindow'
  | 'tokensPerMinute'
  | 'maxConcurrent';

/** One key under one policy. */
export interface Counter {
  readonly spec: PolicySpec;
  readonly windows: readonly WindowLimit[];
  readonly takings: Taking[];
  inFlight: number;
}

interface WindowLimit {
  readonly name: LimitName;
  readonly lengthMs: number;
  readonly limit: number;
}

/** What one allowed decision took from one key. */
export interface Taking {
  readonly atMs: number;
  readonly cost: number;
  tokens: number;
}

/** What remains of a key: requests (without a request limit, concurrency slots) and tokens. */
export interface Left {
  readonly requests: number;
  readonly tokens: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const PARTS = 1000;

/**
 * An exact log of everything that was allowed, never pruned and read from the start each time:
 * slow, and unlike the engines. It checks answers instead of giving its own, because an engine may
 * deny for up to a 60th of the window longer than needed; `widened` below means that longer window.
 */
export class Oracle {
  private readonly counters = new Map<string, Counter>();

  /** Keys of equal policies share a counter. */
  counter(id: string, spec: PolicySpec): Counter {
    let counter = this.counters.get(id);
    if (counter === undefined) this.counters.set(id, (counter = { spec, windows: windowsOf(spec), takings: [], inFlight: 0 }));
    return counter;
  }

  reset(id: string): void {
    this.counters.delete(id);
  }
}

/** The exceeded limits; with `widened`, those that an engine may report as exceeded. */
export function limitsOver(counter: Counter, atMs: number, cost: number, tokens: number, places: number, widened: boolean): LimitName[] {
  const { spec, inFlight, windows } = counter;
  const over: LimitName[] = [];
  for (const { name, lengthMs, limit } of windows) if (taken(counter, 'cost', lengthMs, atMs, widened) + cost > limit) over.push(name);
  const { tokensPerMinute, maxConcurrent, requestsPerSecond } = spec;
  if (tokensPerMinute !== undefined && taken(counter, 'tokens', MINUTE_MS, atMs, widened) + tokens > tokensPerMinute) {
    over.push('tokensPerMinute');
  }
  if (maxConcurrent !== undefined && inFlight + places > maxConcurrent) over.push('maxConcurrent');
  if (requestsPerSecond !== undefined && levelOf(counter, atMs) < cost * PARTS) over.push('requestsPerSecond');
  return over;
}

/** What remains; with `widened`, the least that an engine may report. */
export function leftOf(counter: Counter, atMs: number, widened: boolean): Left {
  const { spec, inFlight, windows } = counter;
  const { requestsPerSecond, maxConcurrent, tokensPerMinute } = spec;
  let requests = Infinity;
  for (const { lengthMs, limit } of windows) requests = Math.min(requests, limit - taken(counter, 'cost', lengthMs, atMs, widened));
  if (requestsPerSecond !== undefined) requests = Math.min(requests, Math.floor(levelOf(counter, atMs) / PARTS));
  if (requests === Infinity && maxConcurrent !== undefined) requests = maxConcurrent - inFlight;
  const tokens = tokensPerMinute === undefined ? Infinity : tokensPerMinute - taken(counter, 'tokens', MINUTE_MS, atMs, widened);
  return { requests: Math.max(requests, 0), tokens: Math.max(tokens, 0) };
}

function windowsOf(spec: PolicySpec): readonly WindowLimit[] {
  const { requestsPerMinute, requestsPerHour, requestsPerDay, requestsPerWindow, windowMs } = spec;
  const all = [
    ['requestsPerMinute', MINUTE_MS, requestsPerMinute],
    ['requestsPerHour', 60 * MINUTE_MS, requestsPerHour],
    ['requestsPerDay', DAY_MS, requestsPerDay],
    ['requestsPerWindow', windowMs ?? 0, requestsPerWindow],
  ] as const;
  return all.flatMap(([name, lengthMs, limit]) => (limit === undefined ? [] : [{ name, lengthMs, limit }]));
}

function taken({ takings }: Counter, what: 'cost' | 'tokens', lengthMs: number, atMs: number, widened: boolean): number {
  let sum = 0;
  for (const taking of takings) if ((atMs - taking.atMs) * 60 < lengthMs * (widened ? 61 : 60)) sum += taking[what];
  return sum;
}

/** Level of the bucket in thousandths of a request, computed from the start in integers. */
function levelOf({ spec, takings }: Counter, atMs: number): number {
  const { requestsPerSecond: rate = 0, burst = Math.max(1, rate) } = spec;
  const full = rate === 0 ? 0 : burst * PARTS;
  let level = full;
  let lastMs = 0;
  for (const { atMs: takenMs, cost } of takings) {
    level = Math.min(level + rate * (takenMs - lastMs), full) - cost * PARTS;
    lastMs = takenMs;
  }
  level = Math.min(level + rate * (atMs - lastMs), full);
  if (!Number.isSafeInteger(level)) throw new Error(`${level} is no exact number: choose other limits`);
  return level;
}
