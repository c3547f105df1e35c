import { setTimeout as sleep } from 'node:timers/promises';
import { steadyNow } from './steady-now.js';

describe('the steady clock', () => {
  afterEach(() => jest.restoreAllMocks());

  it.each([-3_600_000, 3_600_000])('goes on as before when the wall clock steps by %d ms', async (stepMs) => {
    const wall = Date.now;
    // The other clock around it: whatever comes between two readings is in its time.
    const [firstMs, first] = [performance.now(), steadyNow()];
    jest.spyOn(Date, 'now').mockImplementation(() => wall() + stepMs);
    await sleep(20);
    const [passed, passedMs] = [steadyNow() - first, performance.now() - firstMs];
    expect(passed).toBeGreaterThanOrEqual(18);
    expect(passed).toBeLessThanOrEqual(passedMs + 1);
  });

  it('begins with the wall clock, in whole milliseconds', () => {
    expect(Math.abs(steadyNow() - Date.now())).toBeLessThan(1_000);
    expect(Number.isInteger(steadyNow())).toBe(true);
  });
});
