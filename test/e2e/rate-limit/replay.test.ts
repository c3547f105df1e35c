import fc from 'fast-check';
import { DecisionCode, DecisionField } from '../../../lib/rate-limit/engine/engine.js';
import { TypeScriptRateLimitEngine } from '../../../lib/rate-limit/engine/typescript.js';
import { randomHistories } from '../../support/rate-limit-history.js';
import { judge } from '../../support/rate-limit-replay.js';

/** More than enough for the rarest of the mistakes below; always the same ones. */
const HISTORIES = 3_000;
const SEED = 20_251_125;

type Reference = TypeScriptRateLimitEngine;
type Check = Parameters<Reference['check']>;
type CheckAll = Parameters<Reference['checkAll']>;

class AdmitsOneMore extends TypeScriptRateLimitEngine {
  override policy(spec: Parameters<Reference['policy']>[0]): number {
    const { requestsPerMinute } = spec;
    return super.policy(requestsPerMinute === undefined ? spec : { ...spec, requestsPerMinute: requestsPerMinute + 1 });
  }
}

class ForgetsAMillisecondEarly extends TypeScriptRateLimitEngine {
  override policy(spec: Parameters<Reference['policy']>[0]): number {
    return super.policy(spec.windowMs === undefined ? spec : { ...spec, windowMs: spec.windowMs - 1 });
  }
}

class CountsATwentiethLonger extends TypeScriptRateLimitEngine {
  override policy(spec: Parameters<Reference['policy']>[0]): number {
    return super.policy(spec.windowMs === undefined ? spec : { ...spec, windowMs: spec.windowMs * 1.05 });
  }
}

class FillsItsBucketFaster extends TypeScriptRateLimitEngine {
  override policy(spec: Parameters<Reference['policy']>[0]): number {
    const { requestsPerSecond } = spec;
    return super.policy(requestsPerSecond === undefined ? spec : { ...spec, requestsPerSecond: requestsPerSecond * 1.001 });
  }
}

class SpendsWhatItRefuses extends TypeScriptRateLimitEngine {
  override check(...[space, scope, ask]: Check): number {
    const code = super.check(space, scope, ask);
    if (code === DecisionCode.allowed || ask.cost < 2) return code;
    const told = [...this.lastDecision];
    super.check(space, scope, { cost: 1, tokens: 0, nowMs: ask.nowMs });
    this.lastDecision.set(told);
    return code;
  }
}

class TakesAPartOfAll extends TypeScriptRateLimitEngine {
  override checkAll(...[space, scopes, ask]: CheckAll): number {
    const code = super.checkAll(space, scopes, ask);
    if (code === DecisionCode.allowed || this.lastDecision[DecisionField.index] === 0) return code;
    const told = [...this.lastDecision];
    super.check(space, scopes[0], ask);
    this.lastDecision.set(told);
    return code;
  }
}

class TakesAtAPeek extends TypeScriptRateLimitEngine {
  override peek(...args: Check): number {
    return super.check(...args);
  }
}

class NeverRefunds extends TypeScriptRateLimitEngine {
  override settle(...[space, scope, settlement]: Parameters<Reference['settle']>): void {
    super.settle(space, scope, { ...settlement, actualTokens: settlement.reservedTokens });
  }
}

class RefundsTwice extends TypeScriptRateLimitEngine {
  override settle(...args: Parameters<Reference['settle']>): void {
    super.settle(...args);
    super.settle(...args);
  }
}

class ReleasesTwice extends TypeScriptRateLimitEngine {
  override release(...args: Parameters<Reference['release']>): void {
    super.release(...args);
    super.release(...args);
  }
}

class NeverReleases extends TypeScriptRateLimitEngine {
  override release(): void {}
}

class ReleasesWhatWasReset extends TypeScriptRateLimitEngine {
  override release(...[space, scope]: Parameters<Reference['release']>): void {
    super.release(space, scope, Infinity);
  }
}

class NeverResets extends TypeScriptRateLimitEngine {
  override reset(): void {}
}

class FollowsTheClockBack extends TypeScriptRateLimitEngine {
  override check(...[space, scope, ask]: Check): number {
    const code = super.check(space, scope, ask);
    this.lastDecision[DecisionField.atMs] = ask.nowMs;
    return code;
  }
}

class SaysToWaitLonger extends TypeScriptRateLimitEngine {
  override check(...args: Check): number {
    const code = super.check(...args);
    this.lastDecision[DecisionField.retryAfterMs] += 1;
    return code;
  }
}

class BlamesAnother extends TypeScriptRateLimitEngine {
  override check(...args: Check): number {
    const code = super.check(...args);
    if (code !== DecisionCode.minute) return code;
    return (this.lastDecision[DecisionField.code] = DecisionCode.hour);
  }
}

class SaysThatMoreIsLeft extends TypeScriptRateLimitEngine {
  override checkAll(...args: CheckAll): number {
    const code = super.checkAll(...args);
    this.lastDecision[DecisionField.remainingTokens] += 1;
    return code;
  }
}

/** `undefined` where every history passes. */
function mistakeOf(engine: Reference, numRuns = HISTORIES): string | undefined {
  const judged = fc.property(randomHistories({ clockRunsBack: true }), (history) => void judge(engine, history));
  const { errorInstance } = fc.check(judged, { numRuns, seed: SEED, endOnFailure: true });
  return (errorInstance as Error | null)?.message;
}

describe('the judge of histories', () => {
  it('finds nothing wrong with the reference engine', () => {
    expect(mistakeOf(new TypeScriptRateLimitEngine(), 300)).toBeUndefined();
  });

  it.each([
    [AdmitsOneMore, /admitted over requestsPerMinute|are said to be left/],
    [ForgetsAMillisecondEarly, /admitted over requestsPerWindow|are said to be left/],
    [CountsATwentiethLonger, /denied by requestsPerWindow|are said to be left/],
    [FillsItsBucketFaster, /admitted over requestsPerSecond|are said to be left/],
    [SpendsWhatItRefuses, /denied by|are said to be left/],
    [TakesAPartOfAll, /denied by|are said to be left/],
    [TakesAtAPeek, /denied by|are said to be left/],
    [NeverRefunds, /tokens are said to be left/],
    [RefundsTwice, /denied by tokensPerMinute|tokens are said to be left/],
    [ReleasesTwice, /admitted over maxConcurrent|requests are said to be left/],
    [NeverReleases, /denied by maxConcurrent|requests are said to be left/],
    [ReleasesWhatWasReset, /admitted over maxConcurrent|requests are said to be left/],
    [NeverResets, /denied by|are said to be left/],
    [FollowsTheClockBack, /decided at/],
    [SaysToWaitLonger, /passed before retryAfterMs/],
    [BlamesAnother, /denied by requestsPerHour where/],
    [SaysThatMoreIsLeft, /tokens are said to be left/],
  ] as const)('finds an engine that %p', (Mistaken, mistake) => {
    expect(mistakeOf(new Mistaken())).toMatch(mistake);
  });
});
