import { InvalidArgumentError } from '../../common/errors.js';
import { DecisionCode } from '../engine/engine.js';
import type { PolicySpec } from '../engine/engine.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Families at a time: of the process in the native engine, of the engine in the TypeScript one. */
export const MOST_FAMILIES = 8192;
export const TOO_MANY_POLICIES = 'TOO_MANY_POLICIES';

/** One sliding window of a policy. */
export interface WindowLimit {
  readonly code: DecisionCode;
  readonly lengthMs: number;
  /** `Infinity` if only tokens are limited. */
  readonly requests: number;
}

/** A spec in the engine's form. `Infinity` means no limit. */
export interface CompiledPolicy {
  /** All that it says. */
  readonly identity: string;
  /** Properties that the policies of a family share: scope and kinds of limits. */
  readonly common: string;
  /** Requests per second that flow into the bucket; `null` without one. */
  readonly rate: number | null;
  readonly burst: number;
  /** With `tokensPerMinute` the first one is the minute's. */
  readonly windows: readonly WindowLimit[];
  readonly tokensPerMinute: number;
  readonly maxConcurrent: number;
}

export interface Policy extends CompiledPolicy {
  /** Policies of one family share the state of a key. */
  readonly family: number;
}

/** Compiles a spec that was checked. */
export function compilePolicy(spec: PolicySpec): CompiledPolicy {
  const { requestsPerSecond: rate = null, requestsPerMinute, tokensPerMinute = Infinity, windowMs = 0 } = spec;
  const windows: WindowLimit[] = [];
  const add = (code: DecisionCode, lengthMs: number, requests?: number): void => {
    if (requests !== undefined) windows.push({ code, lengthMs, requests: Math.floor(requests) });
  };
  // Requests and tokens of a minute are charged at the same instants, so one log stores both.
  add(DecisionCode.minute, MINUTE_MS, requestsPerMinute ?? (tokensPerMinute === Infinity ? undefined : Infinity));
  add(DecisionCode.hour, HOUR_MS, spec.requestsPerHour);
  add(DecisionCode.day, DAY_MS, spec.requestsPerDay);
  add(DecisionCode.window, windowMs, spec.requestsPerWindow);
  const kinds = windows.map(({ code, lengthMs }) => [code, lengthMs]);
  const limits = {
    common: JSON.stringify([spec.scope ?? '', rate !== null, kinds, spec.maxConcurrent !== undefined]),
    rate,
    burst: rate === 0 ? 0 : (spec.burst ?? Math.max(rate ?? 0, 1)),
    windows,
    tokensPerMinute: Math.floor(tokensPerMinute),
    maxConcurrent: Math.floor(spec.maxConcurrent ?? Infinity),
  };
  // In JSON, `Infinity` would be `null`, as a missing rate is.
  const identity = JSON.stringify(limits, (_, value: unknown) => (value === Infinity ? 'unlimited' : value));
  return { ...limits, identity };
}

/** A taking of nothing is remembered where its tokens may be corrected later. */
export function isLogged({ tokensPerMinute }: Policy, { code }: WindowLimit, cost: number, tokens: number): boolean {
  return cost > 0 || (code === DecisionCode.minute && (tokens > 0 || tokensPerMinute !== Infinity));
}

/** Names of limits that are made of input have no end: the caller's mistake, not the engine's. */
export function tooManyPolicies({ scope }: PolicySpec): InvalidArgumentError {
  return new InvalidArgumentError(
    'limit',
    scope,
    `must be one of the existing limits, because at most ${MOST_FAMILIES} names and kinds of limits are supported`,
    TOO_MANY_POLICIES,
  );
}
