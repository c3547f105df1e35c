import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import { ProviderError, type ProviderFailureKind } from '../../common/provider-error.js';
import { setFailedCall } from './answer-headers.js';
import { describeFailedCall, failedCallOf, isFinal, type FailedCall } from './failed-call.js';

const providerError = (kind: ProviderFailureKind) => new ProviderError({ kind, message: 'm', provider: 'openai', deploymentId: 'd' });
const described = (facts: Partial<FailedCall>) => {
  const error = new Error();
  describeFailedCall(error, facts);
  return error;
};

it('adds to the facts of an error', () => {
  const error = described({ id: 'a', retries: 1 });
  describeFailedCall(error, { retries: 2, group: 'g' });
  expect(failedCallOf(error)).toEqual({ id: 'a', retries: 2, group: 'g' });
});

it.each([undefined, null, 'text', 7, new Error()])('has no facts of %p', (error) => {
  if (!(error instanceof Error)) describeFailedCall(error, { id: 'a' });
  expect(failedCallOf(error)).toEqual({});
  expect(isFinal(error)).toBe(false);
});

describe('setFailedCall', () => {
  const headersOf = (facts: Partial<FailedCall>) => {
    const headers: Record<string, string> = {};
    setFailedCall(described(facts), (name, value) => void (headers[name] = value));
    return headers;
  };
  const counts = { 'x-litellm-attempted-retries': '1', 'x-litellm-attempted-fallbacks': '0' };

  it.each<[Partial<FailedCall>, object]>([
    [{ retries: 1, fallbacks: 0, deploymentId: 'd', group: 'g' }, {}],
    [
      { id: 'a', retries: 1, fallbacks: 0 },
      { 'x-litellm-call-id': 'a', ...counts },
    ],
    [
      { id: 'a', retries: 1, fallbacks: 0, group: 'g' },
      { 'x-litellm-call-id': 'a', 'x-litellm-model-group': 'g', ...counts },
    ],
    [
      { id: 'a', retries: 1, fallbacks: 0, deploymentId: 'd' },
      { 'x-litellm-call-id': 'a', 'x-litellm-model-id': 'd', ...counts },
    ],
  ])('of %j sets %j', (facts, headers) => {
    expect(headersOf(facts)).toEqual(headers);
  });
});

describe('isFinal', () => {
  it.each<[string, unknown, boolean]>([
    ['an error of no call', providerError('server'), false],
    ["an operator's key", providerError('authentication'), true],
    ['a deployment that cannot be called', Object.create(DeploymentMisconfiguredError.prototype), true],
    ['no retry and no fallback', described({ retries: 0, fallbacks: 0, isRetryDenied: false }), false],
    ['a retry', described({ retries: 1, fallbacks: 0 }), true],
    ['a fallback', described({ retries: 0, fallbacks: 1 }), true],
    ['a retry that was denied', described({ retries: 0, fallbacks: 0, isRetryDenied: true }), true],
    ['a retry that was denied, and no figures', described({ isRetryDenied: true }), true],
  ])('of %s', (_, error, expected) => {
    expect(isFinal(error)).toBe(expected);
  });
});
