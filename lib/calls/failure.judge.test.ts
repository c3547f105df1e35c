import { InvalidArgumentError, InvalidConfigurationError, RequestCancelledError } from '../common/errors.js';
import { DeploymentMisconfiguredError, RouterRateLimitError } from '../common/http-errors.js';
import { ProviderError, type ProviderFailureKind } from '../common/provider-error.js';
import type { Selection } from './call-router.js';
import { CallbackError, judge, judgeSelection, routerReport, type JudgedAttempt } from './failure.js';

const attemptAt = (model = 'openai/gpt-4o', changes: Partial<JudgedAttempt> = {}): JudgedAttempt => {
  const selection = { deployment: { id: 'a', model }, group: 'm', model } as Selection;
  return { selection, cancelled: undefined, isOverCallersTime: false, isNotThere: false, ...changes };
};
const provider = (kind: ProviderFailureKind, status?: number): ProviderError =>
  new ProviderError({ kind, message: 'no', status, provider: 'openai', deploymentId: 'a' });
const poolIsFull = new InvalidArgumentError('pool', 1, 'is full', 'POOL_TIMEOUT');

describe('judge', () => {
  it.each<[string, unknown, JudgedAttempt, string, ProviderFailureKind | undefined]>([
    ['an error status', provider('server', 500), attemptAt(), 'provider', 'server'],
    ['a time limit of the operator', provider('timeout'), attemptAt(), 'provider', 'timeout'],
    ['an unknown model', provider('not_found', 404), attemptAt(), 'provider', 'not_found'],
    ['an unknown model behind a *', provider('not_found', 404), attemptAt('openai/*'), 'caller', 'not_found'],
    ['a file that is not there', provider('not_found', 404), attemptAt('openai/gpt-4o', { isNotThere: true }), 'caller', 'not_found'],
    ['a time limit of the caller', provider('timeout'), attemptAt('openai/gpt-4o', { isOverCallersTime: true }), 'caller', 'timeout'],
    ['a full pool', poolIsFull, attemptAt(), 'pool', 'timeout'],
    ['a wrong configuration', new DeploymentMisconfiguredError('m', ['a']), attemptAt(), 'operator', 'authentication'],
    ['a mistake of the program', new TypeError('x is not a function'), attemptAt(), 'caller', undefined],
    ['a callback that throws', new CallbackError(new Error('mine')), attemptAt(), 'caller', undefined],
  ])('says whose fault it is and whether the call goes on: %s', (_, thrown, attempt, fault, kind) => {
    const failure = judge(thrown, attempt);
    expect([failure.fault, failure.reason?.kind]).toEqual([fault, kind]);
    expect(failure.countsAgainstDeployment).toBe(fault === 'provider' || fault === 'operator');
  });

  it('puts a cancelled call before anything else that went wrong', () => {
    const cancelled = new RequestCancelledError(new Error('enough'));
    for (const thrown of [provider('server', 500), new CallbackError(new Error('mine')), cancelled]) {
      expect(judge(thrown, attemptAt('openai/gpt-4o', { cancelled }))).toEqual({ error: cancelled, fault: 'cancelled' });
    }
  });

  it('hides a wrong configuration from the client', () => {
    const { error, fault } = judge(new InvalidConfigurationError('deployment a', 'has a secret problem'), attemptAt());
    expect(fault).toBe('operator');
    expect(error).toBeInstanceOf(DeploymentMisconfiguredError);
    expect((error as Error).message).not.toContain('secret');
  });

  it('throws a callback’s own error, not its wrapper', () => {
    const own = new Error('mine');
    expect(judge(new CallbackError(own), attemptAt()).error).toBe(own);
  });
});

describe('judgeSelection', () => {
  it('keeps the wait of deployments in cooldown, and throws what no fallback would help', () => {
    const error = new RouterRateLimitError('m', 2000, ['a']);
    expect(judgeSelection(error)).toMatchObject({ error, reason: { kind: 'rate_limit', status: 429, retryAfterMs: 2000 } });
    const mistake = new TypeError('no');
    expect(() => judgeSelection(mistake)).toThrow(mistake);
  });
});

it('routerReport counts an unreadable answer as a 502, and names the cause of a broken connection', () => {
  expect(routerReport(judge(provider('malformed', 200), attemptAt()))).toMatchObject({ status: 502, timeout: false });
  const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  const broken = new ProviderError({ kind: 'connection', message: 'no', provider: 'openai', deploymentId: 'a' }, { cause });
  expect(routerReport(judge(broken, attemptAt()))).toMatchObject({ status: undefined, error: cause });
});
