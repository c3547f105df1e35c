import { getMaxListeners, setMaxListeners } from 'node:events';
import { CallCancellation } from './call-cancellation.js';

describe('a signal for many calls', () => {
  it.each([
    ['as it comes', () => {}, Infinity],
    ['with a limit of its owner', (signal: AbortSignal) => setMaxListeners(20, signal), 20],
  ])('%s, ends all of them, and is let go of', (_, prepare, limit) => {
    const control = new AbortController();
    prepare(control.signal);
    const calls = Array.from({ length: 15 }, () => new CallCancellation(control.signal));
    expect(getMaxListeners(control.signal)).toBe(limit);
    const [over, ...others] = calls;
    over.dispose();
    control.abort(new Error('enough'));
    expect(over.error).toBeUndefined();
    for (const { error } of others) expect(error).toMatchObject({ code: 'REQUEST_CANCELLED', cause: new Error('enough') });
  });

  it('may have no limit by its owner', () => {
    const control = new AbortController();
    setMaxListeners(0, control.signal);
    const calls = [1, 2].map(() => new CallCancellation(control.signal));
    control.abort();
    expect(calls.map(({ error }) => error?.code)).toEqual(['REQUEST_CANCELLED', 'REQUEST_CANCELLED']);
  });
});
