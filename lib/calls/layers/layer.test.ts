import { CallView } from '../attempt.js';
import { composeLayers, errorOf, type CallLayer } from './layer.js';
import { CallCancellation } from '../cancellation.js';
import { Failure } from '../failure.js';
import { ProviderError } from '../../common/provider-error.js';

const view = { call: {} } as CallView;

describe('composeLayers', () => {
  it('runs the layers that are configured, outermost first, around the attempt', async () => {
    const ran: string[] = [];
    const layer =
      (name: string): CallLayer =>
      (next) =>
      (given) => (ran.push(name), next(given));
    const call = composeLayers([layer('records'), undefined, layer('retries')], () => Promise.resolve(ran.push('attempt')));
    expect(await call(view)).toBe(3);
    expect(ran).toEqual(['records', 'retries', 'attempt']);
  });
});

describe('errorOf', () => {
  const failure = (details?: Readonly<Record<string, unknown>>) =>
    new Failure(
      new ProviderError({ kind: 'bad_request', message: 'no', provider: 'openai', deploymentId: 'd', ...(details && { details }) }),
      'provider',
    );
  const recovery = new Error('send it in another form');
  const recoverable = { call: { recovery } } as CallView;

  it("is the first group's error as it came, or one from which the client can recover", () => {
    const first = failure();
    const own = failure({ retry: true });
    expect(errorOf(view, first)).toBe(first.error);
    expect(errorOf(recoverable, first)).toBe(recovery);
    expect(errorOf(recoverable, own)).toBe(own.error);
  });
});

describe('CallView', () => {
  it('gives each attempt a view of its own, which the call can cancel', () => {
    const call = { asked: { model: 'm' }, context: { inputTokens: 7 }, cancellation: new CallCancellation() };
    const first = new CallView(call as never, {} as never);
    expect(first).toMatchObject({ target: { model: 'm', inputTokens: 7 }, cancellation: call.cancellation, after: undefined });
    const after = { last: {}, tried: {} } as never;
    const other = first.with({ target: { model: 'n' } as never, after });
    expect(other).toMatchObject({ call, target: { model: 'n' }, after });
    const next = other.with({});
    expect([next.target, next.after]).toEqual([{ model: 'n' }, undefined]);
    next.cancellation.cancel(new Error('this one'));
    expect(other.cancellation.error).toBeUndefined();
    call.cancellation.cancel(new Error('all'));
    expect(other.cancellation.error).toMatchObject({ code: 'REQUEST_CANCELLED' });
  });
});
