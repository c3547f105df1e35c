import { failedOn, nextOf, viewOf } from '../../../test/support/layer-calls.js';
import type { CallRouter } from '../call-router.js';
import { Failure, type FailureReason } from '../failure.js';
import { tiers } from './tiers.js';

const deployments = [1, 2, 2, 5].map((order, index) => ({ id: `d${index}`, modelName: 'm', model: 'openai/m', order }));

function failedAt(index: number, reason: Partial<FailureReason> = {}): Failure {
  return failedOn(deployments[index], reason);
}

/** Runs the layer with a `next` that gives these outcomes in turn. */
async function run(outcomes: readonly unknown[], { chain = [] as string[], isSpent = false, options = {} } = {}) {
  const router = { deployments: () => deployments, fallbacksOf: () => chain } as unknown as CallRouter;
  const { views, next } = nextOf(...outcomes);
  const outcome = await tiers(router)(next)(viewOf({ options, isSpent }));
  return { outcome, done: views.map(({ after }) => after?.tried.doneOrder) };
}

describe('tiers', () => {
  it('tries the next priority tier, the next higher order, when one fails', async () => {
    expect(await run([failedAt(0), failedAt(1), 'answer'])).toEqual({ outcome: 'answer', done: [undefined, 1, 2] });
  });

  it('ends with the last failure after the last tier', async () => {
    const last = failedAt(3);
    expect(await run([failedAt(0), failedAt(1), last])).toEqual({ outcome: last, done: [undefined, 1, 2] });
  });

  it('ends with the failure of the attempt if the next tier has no deployment to select', async () => {
    const failed = failedAt(0);
    const none = new Failure(new Error('none'), 'provider', { kind: 'rate_limit' });
    expect(await run([failed, none])).toEqual({ outcome: failed, done: [undefined, 1] });
    expect(await run([none])).toEqual({ outcome: none, done: [undefined] });
  });

  it('continues after the tier whose retries ended, although they ended in a later one', async () => {
    const failed = failedAt(3);
    failed.tierOrder = 1;
    expect(await run([failed, 'answer'])).toEqual({ outcome: 'answer', done: [undefined, 1] });
  });

  it.each([
    ['a prompt that a content filter rejected', failedAt(0, { kind: 'content_policy' }), {}],
    ['a prompt that exceeds the context window, with fallbacks for that', failedAt(0, { kind: 'context_window' }), { chain: ['big'] }],
    ['any failure without fallbacks', failedAt(0), { options: { disableFallbacks: true } }],
    ['any failure of a call that may make no more attempts', failedAt(0), { isSpent: true }],
  ])('tries no other tier for %s', async (_, failure, more) => {
    expect(await run([failure], more)).toEqual({ outcome: failure, done: [undefined] });
  });

  it('knows the tiers of its own model group only, by the name of the group or of the model', async () => {
    const failure = failedAt(3);
    const other = { ...deployments[3], id: 'other', modelName: 'other', model: 'openai/other', order: 9 };
    deployments.push(other);
    expect((await run([failure, 'answer'])).outcome).toBe(failure);
    deployments[4] = { ...other, model: 'm' };
    expect((await run([failure, 'answer'])).outcome).toBe('answer');
    deployments.pop();
  });

  it('tries the next tier for a prompt that exceeds the context window, without fallbacks for that', async () => {
    expect((await run([failedAt(0, { kind: 'context_window' }), 'answer'])).outcome).toBe('answer');
  });
});
