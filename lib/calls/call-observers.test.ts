import type { ObservedAttempt } from '../common/call-observer.js';
import type { Call } from './call.js';
import { CallObservers } from './call-observers.js';
import type { WatchedAttempt } from './attempt-observer.js';

const START = {} as never;
const CALL = {} as Call;
const ATTEMPT = {} as WatchedAttempt;

function observersOf(...observers: Partial<ObservedAttempt>[]) {
  const lines: string[] = [];
  const all = new CallObservers({ log: () => {}, warn: () => {}, error: (line: string) => void lines.push(line) });
  for (const attempt of observers) {
    const whole = { run: <T>(send: () => T) => send(), firstChunk: () => {}, ended: () => {}, ...attempt };
    all.add({ started: () => ({ attempt: () => whole, ended: () => {} }) });
  }
  return { all, lines };
}
const thrower = (error: Error) => () => {
  throw error;
};

describe('CallObservers', () => {
  it('has no observed call without observers', () => {
    const { all } = observersOf();
    const own = { attempt: () => ({}) as never, ended: () => {} };
    expect([all.started(START, CALL), all.started(START, { observed: own } as unknown as Call)]).toEqual([undefined, own]);
    all.add({ started: () => undefined });
    expect(all.started(START, CALL)).toBeUndefined();
  });

  it('runs an attempt in the contexts of all observers, the first outermost, until they are removed', () => {
    const order: string[] = [];
    const named = (name: string): Partial<ObservedAttempt> => ({
      run: (send) => {
        order.push(name);
        return send();
      },
      firstChunk: () => void order.push(`${name} chunk`),
      ended: () => void order.push(`${name} ended`),
    });
    const { all } = observersOf(named('first'), named('second'));
    const remove = all.add({ started: () => ({ attempt: () => named('third') as ObservedAttempt, ended: () => {} }) });
    remove();
    const attempt = all.started(START, CALL)?.attempt(START, ATTEMPT);
    expect(attempt?.run(() => order.push('sent'))).toBe(3);
    attempt?.firstChunk();
    attempt?.ended(START);
    expect(order).toEqual(['first', 'second', 'sent', 'first chunk', 'second chunk', 'first ended', 'second ended']);
  });

  it.each<[string, Partial<ObservedAttempt>, readonly string[]]>([
    ['throws before it sends', { run: thrower(new RangeError('quotes a prompt')) }, ['RangeError']],
    [
      'throws after it has sent',
      {
        run: (send) => {
          send();
          throw new RangeError();
        },
      },
      ['RangeError'],
    ],
    ['does not send', { run: () => undefined as never }, []],
    [
      'sends twice',
      {
        run: (send) => {
          send();
          return send();
        },
      },
      [],
    ],
  ])('sends, although an observer %s', (name, attempt, names) => {
    const { all, lines } = observersOf(attempt);
    let sent = 0;
    const observed = all.started(START, CALL)?.attempt(START, ATTEMPT);
    expect(observed?.run(() => ++sent)).toBe(name === 'sends twice' ? 2 : 1);
    expect(lines).toEqual(
      names.map((each) => `Call observer: an observer threw (${each}); calls continue without the observer; further errors are not logged`),
    );
  });

  it.each<[string, ObservedAttempt['run'], number]>([
    ['passes it on', (send) => send(), 0],
    [
      'throws another one',
      (send) => {
        try {
          return send();
        } catch {
          throw new TypeError();
        }
      },
      1,
    ],
    [
      'hides it',
      (send) => {
        try {
          return send();
        } catch {
          return undefined as never;
        }
      },
      0,
    ],
  ])('throws the error of a call, although an observer %s', (_, run, reported) => {
    const { all, lines } = observersOf({ run });
    const error = new Error('gone');
    expect(() => all.started(START, CALL)?.attempt(START, ATTEMPT).run(thrower(error))).toThrow(error);
    expect(lines).toHaveLength(reported);
  });

  it('gives observers within the package the call and its attempts', () => {
    const { all } = observersOf({});
    const seen: unknown[] = [];
    const whole = { run: <T>(send: () => T) => send(), firstChunk: () => {}, ended: () => {} };
    const remove = all.addOwn((call) => {
      seen.push(call);
      return { attempt: (_start, attempt) => (seen.push(attempt), whole), ended: () => {} };
    });
    all.started(START, CALL)?.attempt(START, ATTEMPT);
    remove();
    all.started(START, CALL);
    expect(seen).toEqual([CALL, ATTEMPT]);
  });

  it('logs the errors of an observer once', () => {
    const { all, lines } = observersOf({ firstChunk: thrower(new Error()), ended: thrower(new Error()) });
    const attempt = all.started(START, CALL)?.attempt(START, ATTEMPT);
    attempt?.firstChunk();
    attempt?.ended(START);
    expect(lines).toHaveLength(1);
    all.add({
      started: () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error
        throw 'text';
      },
    });
    all.started(START, CALL);
    expect(lines[1]).toContain('threw (string)');
  });
});
