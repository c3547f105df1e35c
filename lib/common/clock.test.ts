import { setTimeout as sleep } from 'node:timers/promises';
import { burstClock, steadyNow } from './clock.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('burstClock', () => {
  let timeMs: number;
  let reads: number;
  const clock = (): (() => number) =>
    burstClock(() => {
      reads++;
      return timeMs;
    });
  beforeEach(() => {
    timeMs = 1_700_000_000_000;
    reads = 0;
  });

  it('reads on every call outside of a burst', () => {
    const now = clock();
    for (let call = 0; call < 100; call++) {
      timeMs += call % 3;
      expect(now()).toBe(timeMs);
    }
    expect(reads).toBe(100);
  });

  it('shares readings in a burst, for 32 calls at most', () => {
    const now = clock();
    for (let call = 0; call < 10_000; call++) now();
    expect(reads).toBeLessThan(500);
    timeMs += 7;
    const late = Array.from({ length: 100 }, now).filter((time) => time !== timeMs);
    expect(late.length).toBeLessThanOrEqual(32);
  });

  it('reads again in the next turn of the event loop', async () => {
    const now = clock();
    for (let turn = 0; turn < 5; turn++) {
      for (let call = 0; call < 1_000 + turn; call++) now();
      await nextTurn();
      timeMs += 5;
      expect(now()).toBe(timeMs);
    }
  });

  it('reads again in the next turn although the test has replaced the timers', async () => {
    jest.useFakeTimers();
    const now = clock();
    for (let call = 0; call < 1_000; call++) now();
    jest.useRealTimers();
    await nextTurn();
    timeMs += 5;
    expect(now()).toBe(timeMs);
  });
});

describe('steadyNow', () => {
  afterEach(() => jest.restoreAllMocks());

  it.each([-3_600_000, 3_600_000])('counts on when the wall clock steps by %d ms', async (stepMs) => {
    const wall = Date.now;
    // performance.now() is read around it: what comes between two readings is in its time.
    const [firstMs, first] = [performance.now(), steadyNow()];
    jest.spyOn(Date, 'now').mockImplementation(() => wall() + stepMs);
    await sleep(20);
    const [passed, passedMs] = [steadyNow() - first, performance.now() - firstMs];
    expect(passed).toBeGreaterThanOrEqual(18);
    expect(passed).toBeLessThanOrEqual(passedMs + 1);
  });

  it('starts at the wall clock, in whole milliseconds', () => {
    expect(Math.abs(steadyNow() - Date.now())).toBeLessThan(1_000);
    expect(Number.isInteger(steadyNow())).toBe(true);
  });
});
