import { failedOn, nextOf, viewOf } from '../../../test/support/layer-calls.js';
import { records } from './records.js';

async function run(outcome: unknown) {
  const reported: unknown[][] = [];
  const reporter = {
    callStarted: (call: unknown) => reported.push(['started', call]),
    callFailed: (call: unknown, error: unknown) => reported.push(['failed', call, error]),
  };
  const call = {};
  const { next } = nextOf(outcome);
  const given = records(reporter as never)((view) => {
    reported.push(['next', view.call]);
    return next(view);
  })(viewOf(call));
  const [ended] = await Promise.allSettled([given]);
  return { ended, call, reported };
}

describe('records', () => {
  it('reports the start of a call before anything else, and leaves the end of an answer to its attempt', async () => {
    const { ended, call, reported } = await run('answer');
    expect(ended).toEqual({ status: 'fulfilled', value: 'answer' });
    expect(reported).toEqual([
      ['started', call],
      ['next', call],
    ]);
  });

  it.each([
    ['a failure, which it throws as its error', failedOn({ id: 'a' }), new Error('a')],
    ['an error', new Error('final'), new Error('final')],
  ])('reports the end of a call that ends with %s', async (_, outcome, reason) => {
    const { ended, call, reported } = await run(outcome);
    expect(ended).toEqual({ status: 'rejected', reason });
    expect(reported.at(-1)).toEqual(['failed', call, reason]);
    expect(reported).toHaveLength(3);
  });
});
