import { turnClock } from './turn-clock.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the clock of a turn', () => {
  let timeMs: number;
  let reads: number;
  const clock = (): (() => number) =>
    turnClock(() => {
      reads++;
      return timeMs;
    });
  beforeEach(() => {
    timeMs = 1_700_000_000_000;
    reads = 0;
  });

  it('reads every time where it is asked now and then', () => {
    const now = clock();
    for (let call = 0; call < 100; call++) {
      timeMs += call % 3;
      expect(now()).toBe(timeMs);
    }
    expect(reads).toBe(100);
  });

  it('shares readings in a burst, and is late by a few calls at most', () => {
    const now = clock();
    for (let call = 0; call < 10_000; call++) now();
    expect(reads).toBeLessThan(500);
    timeMs += 7;
    const late = Array.from({ length: 100 }, now).filter((time) => time !== timeMs);
    expect(late.length).toBeLessThanOrEqual(32);
  });

  it('is never late in the next turn, however often it was asked in the last', async () => {
    const now = clock();
    for (let turn = 0; turn < 5; turn++) {
      for (let call = 0; call < 1_000 + turn; call++) now();
      await nextTurn();
      timeMs += 5;
      expect(now()).toBe(timeMs);
    }
  });

  it('keeps to the turn where timers are a test’s own', async () => {
    jest.useFakeTimers();
    const now = clock();
    for (let call = 0; call < 1_000; call++) now();
    jest.useRealTimers();
    await nextTurn();
    timeMs += 5;
    expect(now()).toBe(timeMs);
  });
});
