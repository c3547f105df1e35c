import { failedOn, nextOf, viewOf } from '../../../test/support/layer-calls.js';
import { CallCancellation } from '../cancellation.js';
import { Hooks } from './hooks.js';

async function run(sender: object, outcome: unknown, more: object = {}) {
  const cancellation = new CallCancellation();
  const call = { cancellation, firstTarget: { model: 'm' }, callersError: undefined as unknown, ...more };
  const answered: unknown[] = [];
  const { views, next } = nextOf(outcome);
  const view = viewOf(call, { sender, target: { model: 'before' } });
  const running = new Hooks({ answeredByHook: (of: unknown) => answered.push(of) } as never).run(view, next);
  const [ended] = await Promise.allSettled([running]);
  return { ended, call, views, answered };
}

const guarded = new Error('guarded');

describe('Hooks', () => {
  it('prepares the call before the rest of it, which gets what the hooks have changed', async () => {
    const prepare = (call: { firstTarget: object }): Promise<void> => Promise.resolve(void (call.firstTarget = { model: 'changed' }));
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
    const sender = { prepare: () => Promise.reject(new Error('denied')), guardFailure: () => Promise.resolve(guarded) };
    const { ended, views } = await run(sender, 'answer');
    expect([ended, views]).toEqual([{ status: 'rejected', reason: guarded }, []]);
  });

  it("replaces the caller's error by the guarded one, and no other", async () => {
    const callersError = new Error('mine');
    const sender = { guardFailure: () => Promise.resolve(guarded) };
    expect((await run(sender, callersError, { callersError })).call.callersError).toBe(guarded);
    expect((await run(sender, new Error('other'), { callersError })).call.callersError).toBe(callersError);
  });

  it('ends when the client leaves while a hook works', async () => {
    const cancellation = new CallCancellation();
    const sender = { prepare: () => new Promise(() => setImmediate(() => cancellation.cancel(new Error('left')))) };
    const { ended, views } = await run(sender, 'answer', { cancellation });
    expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'REQUEST_CANCELLED' } });
    expect(views).toEqual([]);
  });
});
