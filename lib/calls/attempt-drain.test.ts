import type { AnswerUsage } from '../http/answer-usage.js';
import { abandon, type AbandonedExchange, type DrainedAttempt } from './attempt-drain.js';

const USAGE: AnswerUsage = { promptTokens: 1, completionTokens: 2, totalTokens: 3 };
const left = new Error('left');

describe('abandon', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  function opened(given: Partial<AbandonedExchange> = {}, drainMs: number | undefined = 1000) {
    const abort = jest.fn();
    const detach = jest.fn((_error: Error, _done: (usage: AnswerUsage | undefined) => void) => true);
    const exchange = { wasSent: true, isRefused: false, abort, detach, ...given };
    const drained = jest.fn();
    const attempt: DrainedAttempt = { call: { drainMs, draining: 0 }, drain: undefined, drained };
    abandon(attempt, exchange, left);
    return { attempt, abort, detach, drained };
  }

  it.each<[string, Partial<AbandonedExchange>]>([
    ['if the prompt was not sent', { wasSent: false }],
    ['if the provider refused it', { isRefused: true }],
    ['if nothing is left to read', { detach: () => false }],
    ['if it cannot be read further', { detach: undefined }],
  ])('aborts the exchange %s', (_, given) => {
    const { attempt, abort } = opened(given);
    expect(abort.mock.calls).toEqual([[left]]);
    expect([attempt.drain, attempt.call.draining, jest.getTimerCount()]).toEqual([undefined, 0, 0]);
  });

  it('aborts the exchange if abandoned answers are not read', () => {
    const attempt: DrainedAttempt = { call: { drainMs: undefined, draining: 0 }, drain: undefined, drained: () => {} };
    const exchange = { wasSent: true, isRefused: false, abort: jest.fn(), detach: jest.fn() };
    abandon(attempt, exchange, left);
    expect([exchange.abort.mock.calls, exchange.detach.mock.calls, attempt.call.draining]).toEqual([[[left]], [], 0]);
  });

  it('reads the answer to its end, and settles it then', () => {
    const { attempt, abort, detach, drained } = opened();
    expect([attempt.call.draining, attempt.drain === undefined, drained.mock.calls.length]).toEqual([1, false, 0]);
    expect(detach.mock.calls[0][0]).toBe(left);
    detach.mock.calls[0][1](USAGE);
    expect(drained.mock.calls).toEqual([[left, USAGE]]);
    expect([attempt.drain, jest.getTimerCount(), abort.mock.calls.length]).toEqual([undefined, 0, 0]);
  });

  it('reads no longer than it may', () => {
    const { abort } = opened({}, 1000);
    jest.advanceTimersByTime(999);
    expect(abort).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(abort.mock.calls).toEqual([[left]]);
  });

  it('ends at once when the drains are ended', () => {
    const { attempt, abort } = opened();
    attempt.drain?.end();
    expect(abort.mock.calls).toEqual([[left]]);
  });

  it('can be read to its end at once', () => {
    const { attempt, abort, drained } = opened({
      detach: (_, done) => {
        done(undefined);
        return true;
      },
    });
    expect([attempt.drain, jest.getTimerCount(), abort.mock.calls.length]).toEqual([undefined, 0, 0]);
    expect(drained.mock.calls).toEqual([[left, undefined]]);
  });
});
