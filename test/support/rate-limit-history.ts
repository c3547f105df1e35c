import fc from 'fast-check';
import type { PolicySpec } from '../../lib/rate-limit/engine/engine.js';

/** A requested decision. */
export type Ask =
  | { readonly call: 'check' | 'peek'; readonly policy: number; readonly key: string; readonly cost: number; readonly tokens: number }
  | {
      readonly call: 'checkAll';
      readonly scopes: readonly (readonly [policy: number, key: string])[];
      readonly cost: number;
      readonly tokens: number;
    };

/** One call of a history; `taking` is an index into the earlier takings, modulo their number. */
export type Step =
  | Ask
  | { readonly call: 'settle'; readonly taking: number; readonly actual: number }
  | { readonly call: 'finish'; readonly taking: number }
  | { readonly call: 'release'; readonly policy: number; readonly key: string }
  | { readonly call: 'reset'; readonly policy: number; readonly key: string };

export interface History {
  readonly policies: readonly PolicySpec[];
  /** Each step, and the milliseconds that pass before it; negative: the clock goes back. */
  readonly steps: readonly (readonly [advanceMs: number, step: Step])[];
}

/** Few, so that a short history uses each of them repeatedly. */
const POLICIES = 2;
const KEYS = ['a', ''] as const;
const MOST_STEPS = 80;
const MOST_SCOPES = 4;
const COSTS = [1, 1, 1, 1, 0, 2, 5, 30] as const;
const TOKENS = [0, 1, 10, 50, 400] as const;
const SHORT_MS = [0, 0, 0, 1, 10, 100, 500, 999, 1000, 1001] as const;
const LONG_MS = [59_999, 60_000, 60_001, 61_000, 3_600_000, 86_400_000, 2 ** 31, 2 ** 32, 2 ** 32 + 30_000] as const;
const BACK_MS = [-1, -1000, -3_600_000] as const;
/** Relative frequency of each call. */
const WEIGHTS = [
  ['check', 30],
  ['peek', 1],
  ['checkAll', 5],
  ['settle', 6],
  ['finish', 5],
  ['release', 3],
  ['reset', 1],
] as const satisfies readonly (readonly [Step['call'], number])[];
const WEIGHT = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);

const limit = fc.constantFrom(0, 1, 2, 3, 5, 8, 20, 100);

/** Policies with any limits, small enough that a short history reaches them. */
const policySpecs: fc.Arbitrary<PolicySpec> = fc
  .record(
    {
      requestsPerSecond: fc.constantFrom(0, 1, 2, 7, 100),
      burst: fc.constantFrom(1, 3, 10),
      requestsPerMinute: limit,
      requestsPerHour: limit,
      requestsPerDay: limit,
      requestsPerWindow: limit,
      tokensPerMinute: fc.constantFrom(0, 10, 100, 1000),
      maxConcurrent: fc.constantFrom(0, 1, 2, 5),
    },
    { requiredKeys: [] },
  )
  .filter((spec) => Object.keys(spec).some((name) => name !== 'burst'))
  .map((spec) => ({ ...spec, windowMs: spec.requestsPerWindow === undefined ? undefined : 10_000 }));

/**
 * Histories, drawn as numbers: a step is one number for the time and one for the call, each read
 * digit by digit. fast-check draws and shrinks numbers many times faster than records.
 */
export function randomHistories({ clockRunsBack }: { clockRunsBack: boolean }): fc.Arbitrary<History> {
  const words = fc.array(fc.tuple(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1)), { minLength: 1, maxLength: MOST_STEPS, size: 'max' });
  const policies = fc.array(policySpecs, { minLength: POLICIES, maxLength: POLICIES });
  return fc.record({ policies, words: fc.noBias(words) }).map((drawn) => ({
    // A scope per policy, because the oracle does not support limits that change.
    policies: drawn.policies.map((spec) => ({ ...spec, scope: JSON.stringify(spec) })),
    steps: drawn.words.map(([time, call]) => [advanceOf(new Digits(time), clockRunsBack), stepOf(new Digits(call))] as const),
  }));
}

/** The digits of a number, each with its own base. */
class Digits {
  constructor(private rest: number) {}

  below(base: number): number {
    const digit = this.rest % base;
    this.rest = Math.floor(this.rest / base);
    return digit;
  }

  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)];
  }
}

function advanceOf(digits: Digits, clockRunsBack: boolean): number {
  const kind = digits.below(9);
  if (kind < 6) return digits.of(SHORT_MS);
  if (kind < 8) return digits.below(20_001);
  return digits.of(clockRunsBack ? [...LONG_MS, ...BACK_MS] : LONG_MS);
}

function stepOf(digits: Digits): Step {
  let drawn = digits.below(WEIGHT);
  const call = WEIGHTS.find(([, weight]) => (drawn -= weight) < 0)?.[0] ?? 'check';
  const policy = (): number => digits.below(POLICIES);
  const key = (): string => digits.of(KEYS);
  switch (call) {
    case 'check':
    case 'peek':
      return { call, policy: policy(), key: key(), cost: digits.of(COSTS), tokens: digits.of(TOKENS) };
    case 'checkAll': {
      const scopes = Array.from({ length: 1 + digits.below(MOST_SCOPES) }, () => [policy(), key()] as const);
      return { call, scopes, cost: digits.of(COSTS), tokens: digits.of(TOKENS) };
    }
    case 'settle':
      return { call, actual: digits.of(TOKENS), taking: digits.below(MOST_STEPS) };
    case 'finish':
      return { call, taking: digits.below(MOST_STEPS) };
    case 'release':
    case 'reset':
      return { call, policy: policy(), key: key() };
  }
}
