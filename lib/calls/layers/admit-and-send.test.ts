import { viewOf } from '../../../test/support/layer-calls.js';
import { BudgetExceededError, RouterRateLimitError, UnsupportedRequestError } from '../../common/http-errors.js';
import { ProviderError } from '../../common/provider-error.js';
import { BodyFacts } from '../../http/token-estimate/body-facts.js';
import { CallCancellation } from '../cancellation.js';
import { Failure } from '../failure.js';
import { admitAndSend, selectNow, type Admit } from './admit-and-send.js';

const selection = {
  deployment: { id: 'd', modelName: 'm', provider: 'openai', params: {}, info: {}, pricesOf: () => [], model: 'openai/m' },
  group: 'm',
  model: 'openai/m',
};
const acquired: unknown[][] = [];
const router = {
  acquire: (...asked: unknown[]): unknown => {
    acquired.push(asked);
    return selection;
  },
};

/** Runs the step with `send`; returns its outcome and what was reported in order. */
async function run(send: () => unknown, { call = {}, parts = {}, admit }: { call?: object; parts?: object; admit?: Admit } = {}) {
  const reported: string[] = [];
  const settlement = Object.fromEntries(
    ['attemptStarted', 'succeeded', 'attemptFailed'].map((name) => [name, () => void reported.push(name)]),
  );
  const cancellation = new CallCancellation();
  const view = viewOf(
    {
      asked: { model: 'm', operation: 'chat', facts: new BodyFacts({}), startedAtMs: 0 },
      context: { inputTokens: 3 },
      stream: false,
      attempts: 0,
      upstreamMs: 0,
      timesOn: () => ({ byCaller: {} }),
      recovery: undefined,
      observed: {},
      ...call,
    },
    { cancellation, send: async () => send(), ...parts },
  );
  const client = { router, settlement, maxOutputOf: () => 1, longestAnswerOf: () => undefined };
  const [ended] = await Promise.allSettled([admitAndSend(client as never, admit)(view)]);
  return { ended, reported, view, call: view.call };
}
const thrower = (error: unknown) => () => {
  throw error;
};
const gone = new ProviderError({ kind: 'server', message: 'gone', provider: 'openai', deploymentId: 'd' });

describe('admitAndSend', () => {
  it.each([
    [false, ['attemptStarted', 'succeeded']],
    [true, ['attemptStarted']],
  ])('ends an attempt with its answer, unless that is a stream: %s', async (stream, expected) => {
    const { ended, reported } = await run(() => 'answer', { call: { stream } });
    expect(ended).toEqual({ status: 'fulfilled', value: 'answer' });
    expect(reported).toEqual(expected);
  });

  it('reports the start of observed calls only', async () => {
    expect((await run(() => 'answer', { call: { observed: undefined } })).reported).toEqual(['succeeded']);
  });

  it('returns a failure that another deployment may avoid, with its selection', async () => {
    const { ended, reported } = await run(thrower(gone));
    expect(ended).toMatchObject({ status: 'fulfilled', value: { error: gone, fault: 'provider', selection } });
    expect(reported).toEqual(['attemptStarted', 'attemptFailed']);
  });

  it('throws an error that none would avoid', async () => {
    const mistake = new TypeError('mistake');
    const { ended, reported } = await run(thrower(mistake));
    expect(ended).toEqual({ status: 'rejected', reason: mistake });
    expect(reported).toEqual(['attemptStarted', 'attemptFailed']);
  });

  it.each([
    [{ thread: 'not_found' }, true],
    [undefined, false],
  ])('remembers an error from which the client can recover: details %j', async (details, isKept) => {
    const error = new UnsupportedRequestError({ provider: 'p', reason: 'no', remedy: 'change it', details });
    const { ended, call } = await run(thrower(error));
    expect(ended).toMatchObject({ value: { error, selection } });
    expect(call.recovery).toBe(isKept ? error : undefined);
    expect((await run(thrower(gone))).call.recovery).toBeUndefined();
  });

  it('makes no attempt without a selection, now or later', async () => {
    const failure = new Failure(new Error('none'), 'provider', { kind: 'rate_limit' });
    for (const admit of [() => failure, () => Promise.resolve(failure)]) {
      const { ended, reported, call } = await run(() => 'answer', { admit });
      expect(ended).toEqual({ status: 'fulfilled', value: failure });
      expect([reported, call.attempts]).toEqual([[], 0]);
    }
    expect((await run(() => 'answer', { admit: () => Promise.resolve(selection as never) })).call.attempts).toBe(1);
  });

  it('holds the cost of the attempt before it is sent, once', async () => {
    const held: unknown[] = [];
    const hold = {
      holdsMoney: true,
      unpricedNanoUsd: 5,
      hold: () => Promise.resolve(held.push('hold') && { nanoUsd: 5 }),
      expectedOutput: () => undefined,
      medianOutput: () => undefined,
    };
    const order = await run(() => held.push('sent'), { call: { request: { hold } } });
    expect(order.ended.status).toBe('fulfilled');
    expect(held).toEqual(['hold', 'sent']);
    await run(() => held.push('sent'), { call: { request: { hold } }, parts: { heldAhead: { nanoUsd: 5 } } });
    expect(held).toEqual(['hold', 'sent', 'sent']);
    await run(() => held.push('sent'), { call: { request: { hold: { ...hold, holdsMoney: false } } } });
    expect(held).toEqual(['hold', 'sent', 'sent', 'sent']);
  });

  it('fails unsent if a budget denies the cost', async () => {
    const denied = new BudgetExceededError({ limitName: 'l', reason: 'budget_exhausted' } as never);
    const hold = {
      holdsMoney: true,
      unpricedNanoUsd: 5,
      hold: () => Promise.resolve({ error: denied }),
      expectedOutput: () => undefined,
      medianOutput: () => undefined,
    };
    const send = jest.fn();
    const { ended } = await run(send, { call: { request: { hold } } });
    expect(ended).toMatchObject({ value: { error: denied, fault: 'caller', isUnsent: true } });
    expect(send).not.toHaveBeenCalled();
  });
});

describe('selectNow', () => {
  const select = (parts: object, from: object = router): unknown =>
    selectNow(from as never, viewOf({ context: { inputTokens: 3, tags: ['a'] } }, parts));

  it.each<[string, object, unknown[]]>([
    ['of the call', {}, ['m', { inputTokens: 3, tags: ['a'] }]],
    ['of a fallback', { target: { model: 'n', inputTokens: 9 } }, ['n', { inputTokens: 3, tags: ['a'] }]],
    ['of a changed request', { target: { model: 'n', overrides: {}, inputTokens: 9 } }, ['n', { inputTokens: 9, tags: ['a'] }]],
    [
      'after a failure',
      { after: { last: gone, tried: { failedIds: ['d'] } } },
      ['m', { inputTokens: 3, tags: ['a'], tried: { failedIds: ['d'] } }],
    ],
  ])('asks the router with the context %s', (_, parts, expected) => {
    acquired.length = 0;
    expect(select(parts)).toBe(selection);
    expect(acquired).toEqual([expected]);
  });

  it('returns what a fallback may avoid, and throws the rest', () => {
    const failing = (error: unknown) => ({ acquire: thrower(error) });
    const limited = new RouterRateLimitError('m', 7, [], undefined, []);
    expect(select({}, failing(limited))).toMatchObject({
      error: limited,
      fault: 'provider',
      reason: { kind: 'rate_limit', retryAfterMs: 7 },
    });
    expect(() => select({}, failing(new TypeError('mistake')))).toThrow('mistake');
  });
});
