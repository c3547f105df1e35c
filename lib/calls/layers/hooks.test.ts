import { failedOn, nextOf, viewOf } from '../../../test/support/layer-calls.js';
import { CallCancellation } from '../cancellation.js';
import { hooks } from './hooks.js';

async function run(guards: object, outcome: unknown, more: object = {}) {
  const cancellation = new CallCancellation();
  const call = {
    cancellation,
    asked: { model: 'm' },
    context: {},
    guards: { prepare: () => Promise.resolve(undefined), ...guards },
    callersError: undefined as unknown,
    ...more,
  };
  const answered: unknown[] = [];
  const { views, next } = nextOf(outcome);
  const view = viewOf(call, { target: { model: 'before' } });
  const running = hooks({ answeredByHook: (of: unknown) => answered.push(of) } as never)(next)(view);
  const [ended] = await Promise.allSettled([running]);
  return { ended, call, views, answered };
}

const guarded = new Error('guarded');

describe('hooks', () => {
  it('prepares the call before the rest of it, which gets what the hooks have changed', async () => {
    const prepare = (call: { asked: object }): Promise<void> => Promise.resolve(void (call.asked = { model: 'changed' }));
    const { ended, views } = await run({ prepare }, 'answer');
    expect(ended).toEqual({ status: 'fulfilled', value: 'answer' });
    expect(views.map(({ target }) => target)).toEqual([{ model: 'changed' }]);
    expect((await run({}, 'answer')).ended).toEqual({ status: 'fulfilled', value: 'answer' });
  });

  it('returns the answer of a hook, reports it, and sends nothing', async () => {
    const { ended, call, views, answered } = await run({ prepare: () => Promise.resolve('own') }, 'answer');
    expect(ended).toEqual({ status: 'fulfilled', value: 'own' });
    expect([views, answered]).toEqual([[], [call]]);
  });

  it.each([
    ['a failure', failedOn({ id: 'a' }), new Error('a')],
    ['an error', new Error('final'), new Error('final')],
  ])('has the error of %s guarded before the client gets it', async (_, outcome, seen) => {
    const guardFailure = jest.fn(() => Promise.resolve(guarded));
    expect((await run({ guardFailure }, outcome)).ended).toEqual({ status: 'rejected', reason: guarded });
    expect(guardFailure.mock.calls).toEqual([[seen]]);
    expect((await run({}, outcome)).ended).toEqual({ status: 'rejected', reason: seen });
  });

  it("guards a hook's own denial as well", async () => {
    const guards = { prepare: () => Promise.reject(new Error('denied')), guardFailure: () => Promise.resolve(guarded) };
    const { ended, views } = await run(guards, 'answer');
    expect([ended, views]).toEqual([{ status: 'rejected', reason: guarded }, []]);
  });

  it("replaces the caller's error by the guarded one, and no other", async () => {
    const callersError = new Error('mine');
    const guards = { guardFailure: () => Promise.resolve(guarded) };
    expect((await run(guards, callersError, { callersError })).call.callersError).toBe(guarded);
    expect((await run(guards, new Error('other'), { callersError })).call.callersError).toBe(callersError);
  });

  it('ends when the client leaves while a hook works', async () => {
    const cancellation = new CallCancellation();
    const guards = { prepare: () => new Promise(() => setImmediate(() => cancellation.cancel(new Error('left')))) };
    const { ended, views } = await run(guards, 'answer', { cancellation });
    expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'REQUEST_CANCELLED' } });
    expect(views).toEqual([]);
  });
});
