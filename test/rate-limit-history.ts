import fc from 'fast-check';
import { DecisionCode, DecisionField } from '../lib/rate-limit/rate-limit.engine.js';
import type { PolicySpec, RateLimitEngine } from '../lib/rate-limit/rate-limit.engine.js';

/** A decision that is asked for. */
export type Ask =
  | { readonly call: 'check' | 'peek'; readonly policy: number; readonly key: string; readonly cost: number; readonly tokens: number }
  | {
      readonly call: 'checkAll';
      readonly scopes: readonly (readonly [policy: number, key: string])[];
      readonly cost: number;
      readonly tokens: number;
    };

/** One call of a history. */
export type Step =
  | Ask
  | { readonly call: 'settle'; readonly taking: number; readonly actual: number }
  | { readonly call: 'release'; readonly policy: number; readonly key: string }
  | { readonly call: 'reset'; readonly policy: number; readonly key: string };

export interface History {
  readonly policies: readonly PolicySpec[];
  /** Each step, and how far the clock goes on before it; below 0 it goes back. */
  readonly steps: readonly (readonly [advanceMs: number, step: Step])[];
}

const limit = fc.constantFrom(0, 1, 2, 3, 5, 8, 20, 100);

/** Policies of any limits, small enough to be met by a short history. */
export const policySpecs: fc.Arbitrary<PolicySpec> = fc
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
  .map((spec) => ({ ...spec, windowMs: spec.requestsPerWindow === undefined ? undefined : 10_000 }));

interface Taking {
  readonly atMs: number;
  readonly cost: number;
  tokens: number;
  readonly order: number;
}

const WINDOWS = [
  ['requestsPerMinute', 60_000],
  ['requestsPerHour', 3_600_000],
  ['requestsPerDay', 86_400_000],
] as const;

/**
 * An exact log of everything that was admitted, never pruned and read from the start each time: slow, and nothing like the engines.
 * It judges answers instead of giving its own, for a refusal may be due a 60th of the window longer than needed.
 */
class Oracle {
  /** By scope and key. */
  readonly takings = new Map<string, Taking[]>();
  private latestMs = 0;
  private readonly inFlight = new Map<string, number>();

  at(nowMs: number): number {
    this.latestMs = Math.max(this.latestMs, nowMs);
    return this.latestMs;
  }

  /** Which limits are over when `widened` is false, and which may be said to be over when it is true. */
  over(id: string, spec: PolicySpec, atMs: number, cost: number, tokens: number, places: number, widened: boolean): string[] {
    const log = this.takings.get(id) ?? [];
    const over: string[] = [];
    const sum = (lengthMs: number, what: 'cost' | 'tokens'): number =>
      log.filter((taking) => atMs - taking.atMs < lengthMs * (widened ? 61 / 60 : 1)).reduce((total, taking) => total + taking[what], 0);
    for (const [name, lengthMs] of [...WINDOWS, ['requestsPerWindow', spec.windowMs ?? 0] as const]) {
      const limit = spec[name];
      if (limit !== undefined && sum(lengthMs, 'cost') + cost > limit) over.push(name);
    }
    if (spec.tokensPerMinute !== undefined && sum(60_000, 'tokens') + tokens > spec.tokensPerMinute) over.push('tokensPerMinute');
    if (spec.maxConcurrent !== undefined && (this.inFlight.get(id) ?? 0) + places > spec.maxConcurrent) over.push('maxConcurrent');
    if (spec.requestsPerSecond !== undefined && this.level(log, spec, atMs) < BigInt(cost) * 1000n) over.push('requestsPerSecond');
    return over;
  }

  /** What the bucket holds, in thousandths, from the beginning and in whole numbers. */
  private level(log: readonly Taking[], spec: PolicySpec, atMs: number): bigint {
    const rate = BigInt(spec.requestsPerSecond ?? 0);
    const full = rate === 0n ? 0n : BigInt(spec.burst ?? Math.max(1, Number(rate))) * 1000n;
    let level = full;
    let last = 0;
    for (const { atMs: at, cost } of [...log, { atMs, cost: 0 }]) {
      level += rate * BigInt(at - last);
      if (level > full) level = full;
      level -= BigInt(cost) * 1000n;
      last = at;
    }
    return level;
  }

  take(id: string, atMs: number, cost: number, tokens: number, order: number): void {
    const log = this.takings.get(id) ?? [];
    log.push({ atMs, cost, tokens, order });
    this.takings.set(id, log);
    this.inFlight.set(id, (this.inFlight.get(id) ?? 0) + 1);
  }

  release(id: string): void {
    this.inFlight.set(id, Math.max((this.inFlight.get(id) ?? 0) - 1, 0));
  }

  reset(id: string): void {
    this.takings.delete(id);
    this.inFlight.delete(id);
  }
}

/** What an engine said at each step: the code and the fields of `lastDecision`. */
export type Answers = readonly (readonly number[])[];

/**
 * Runs a history and judges every answer: nothing over any limit, nothing refused that the log of a 60th of the window earlier would have admitted, and `retryAfterMs`
 * to the millisecond. Returns the answers, for its twin's to be compared with; throws what is wrong.
 */
export function replay(engine: RateLimitEngine, history: History): Answers {
  const oracle = new Oracle();
  const space = engine.open(null, 1_000_000);
  const handles = history.policies.map((spec) => engine.policy(spec));
  const answers: number[][] = [];
  const taken: {
    readonly scopes: readonly (readonly [number, string])[];
    readonly tokens: number;
    readonly atMs: number;
    settled: boolean;
  }[] = [];
  let nowMs = 1_700_000_000_000;
  const id = (policy: number, key: string): string => JSON.stringify([history.policies[policy], key]);

  const decide = (step: Ask): number => {
    const scopes = step.call === 'checkAll' ? step.scopes : [[step.policy, step.key] as const];
    const { cost, tokens } = step;
    const code =
      step.call === 'checkAll'
        ? engine.checkAll(
            space,
            Uint32Array.from(scopes, ([policy]) => handles[policy]),
            scopes.map(([, key]) => key),
            cost,
            tokens,
            nowMs,
          )
        : engine[step.call](space, handles[scopes[0][0]], scopes[0][1], cost, tokens, nowMs);
    answers.push([code, ...engine.lastDecision]);
    const atMs = oracle.at(nowMs);
    const judge = (widened: boolean): string[] =>
      scopes.flatMap(([policy, key], index) => {
        const named = scopes.slice(0, index + 1).filter(([otherPolicy, otherKey]) => id(otherPolicy, otherKey) === id(policy, key)).length;
        return oracle.over(id(policy, key), history.policies[policy], atMs, cost * named, tokens * named, named, widened);
      });
    const over = judge(code !== 0);
    if (code === 0 && over.length > 0) throw new Error(`admitted over ${over.join()}`);
    if (code !== 0 && over.length === 0) throw new Error(`refused by ${code} for nothing`);
    if (code === 0 && step.call !== 'peek') {
      for (const [policy, key] of scopes) oracle.take(id(policy, key), atMs, cost, tokens, taken.length);
      taken.push({ scopes, tokens, atMs: engine.lastDecision[DecisionField.atMs], settled: false });
    }
    return code;
  };

  for (const [advanceMs, step] of history.steps) {
    nowMs += advanceMs;
    if (step.call === 'release') {
      engine.release(space, handles[step.policy], step.key);
      oracle.release(id(step.policy, step.key));
    } else if (step.call === 'reset') {
      engine.reset(space, handles[step.policy], step.key);
      oracle.reset(id(step.policy, step.key));
      for (const taking of taken) taking.settled ||= taking.scopes.some(([policy, key]) => id(policy, key) === id(step.policy, step.key));
    } else if (step.call === 'settle') {
      const taking = taken[step.taking % Math.max(taken.length, 1)];
      if (taking === undefined || taking.settled) continue;
      taking.settled = true;
      for (const [policy, key] of taking.scopes) {
        engine.settle(space, handles[policy], key, taking.tokens, step.actual, taking.atMs, nowMs);
        const known = oracle.takings.get(id(policy, key))?.filter(({ order }) => order === taken.indexOf(taking)) ?? [];
        if (known.length > 0 && oracle.at(nowMs) - taking.atMs < 60_000) for (const entry of known) entry.tokens = step.actual;
      }
    } else if (decide(step) !== 0) {
      const wait = engine.lastDecision[DecisionField.retryAfterMs];
      // Nobody else comes in between, so the time told must be the time it takes.
      if (step.call !== 'check' || wait === Infinity || answers.length % 3 !== 0) continue;
      nowMs = engine.lastDecision[DecisionField.atMs] + wait - 1;
      if (wait > 1 && decide(step) === 0) throw new Error('passed before retryAfterMs');
      nowMs += 1;
      // Only a release helps then.
      const after = decide(step);
      if (after !== DecisionCode.allowed && after !== DecisionCode.concurrency) throw new Error(`refused by ${after} after retryAfterMs`);
    }
  }
  engine.close(space);
  return answers;
}
