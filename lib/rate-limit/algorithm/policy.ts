import { InvalidArgumentError } from '../../common/errors.js';
import { DecisionCode } from '../engine/engine.js';
import type { PolicySpec } from '../engine/engine.js';
import { LARGEST_COUNT } from './key-table.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Families at a time: of a process in the native engine, of itself in the other. */
export const MOST_FAMILIES = 8192;
export const TOO_MANY_POLICIES = 'TOO_MANY_POLICIES';

/** One sliding window of a policy. */
export interface WindowLimit {
  readonly code: DecisionCode;
  readonly lengthMs: number;
  /** `Infinity` where only tokens are limited. */
  readonly requests: number;
}

/** A policy as the engine works with it. */
export interface Policy {
  /** The engine's number of it. */
  readonly handle: number;
  /** All that it says, and what of that policies of its family have in common. */
  readonly identity: string;
  readonly common: string;
  /** Policies of one family have their keys' states in common. */
  readonly family: number;
  /** Requests per second that flow into the bucket; `null` without one. */
  readonly rate: number | null;
  readonly burst: number;
  /** With a limit of tokens the first one is the minute's. */
  readonly windows: readonly WindowLimit[];
  /** `Infinity` without a limit, like the next. */
  readonly tokensPerMinute: number;
  readonly maxConcurrent: number;
  /** The only window, where requests in it are all that is limited beside tokens and places: such a policy is decided in a straight line. */
  readonly only: WindowLimit | null;
  /** Its requests, 0 without it. */
  readonly requests: number;
  /** What may be taken of requests and tokens with nothing else to look at than places: no more than one instant holds, no requests (-1) without it. */
  readonly mostRequests: number;
  readonly mostTokens: number;
  /** The same, -1 where places are limited. */
  readonly plainRequests: number;
  readonly limitsPlaces: boolean;
  /** 1 if tokens are counted in the first window, otherwise 0. */
  readonly tokenWeight: number;
}

/**
 * Makes a checked spec what the engine works with; `familyOf` numbers the families by what they have in common, `handleOf` the policies by all that
 * they say.
 */
export function policyOf(spec: PolicySpec, familyOf: (common: string) => number, handleOf: (identity: string) => number): Policy {
  const { requestsPerSecond: rate = null, requestsPerMinute, tokensPerMinute = Infinity, windowMs = 0 } = spec;
  const windows: WindowLimit[] = [];
  const add = (code: DecisionCode, lengthMs: number, requests?: number): void => {
    if (requests !== undefined) windows.push({ code, lengthMs, requests: Math.floor(requests) });
  };
  // Requests and tokens of a minute are taken at the same instants: one log holds both.
  add(DecisionCode.minute, MINUTE_MS, requestsPerMinute ?? (tokensPerMinute === Infinity ? undefined : Infinity));
  add(DecisionCode.hour, HOUR_MS, spec.requestsPerHour);
  add(DecisionCode.day, DAY_MS, spec.requestsPerDay);
  add(DecisionCode.window, windowMs, spec.requestsPerWindow);
  const shape = windows.map(({ code, lengthMs }) => [code, lengthMs]);
  const only = rate === null && windows.length === 1 && windows[0].requests !== Infinity ? windows[0] : null;
  const mostRequests = only === null ? -1 : Math.min(only.requests, LARGEST_COUNT);
  const limitsPlaces = spec.maxConcurrent !== undefined;
  const common = JSON.stringify([spec.scope ?? '', rate !== null, shape, limitsPlaces]);
  const policy = {
    common,
    family: familyOf(common),
    rate,
    burst: rate === 0 ? 0 : (spec.burst ?? Math.max(rate ?? 0, 1)),
    windows,
    tokensPerMinute: Math.floor(tokensPerMinute),
    maxConcurrent: Math.floor(spec.maxConcurrent ?? Infinity),
    only,
    requests: only?.requests ?? 0,
    mostRequests,
    mostTokens: Math.min(Math.floor(tokensPerMinute), LARGEST_COUNT),
    plainRequests: limitsPlaces ? -1 : mostRequests,
    limitsPlaces,
    tokenWeight: windows[0]?.code === DecisionCode.minute ? 1 : 0,
  };
  // `Infinity` would be `null` in JSON, as a missing rate is.
  const identity = JSON.stringify(policy, (_, value: unknown) => (value === Infinity ? 'unlimited' : value));
  return { ...policy, identity, handle: handleOf(identity) };
}

/** Names of limits that come from outside have no end: the caller's mistake, not the engine's. */
export function tooManyPolicies({ scope }: PolicySpec): InvalidArgumentError {
  return new InvalidArgumentError('limit', scope, `must be one of ${MOST_FAMILIES} names and kinds of limits at most`, TOO_MANY_POLICIES);
}
