import { deployment, routerEngines, routerOn } from '../../test/support/router-engines.js';

const STEP_MS = 3_600_000;

/** Without a clock of its own: the router's default. */
const CONTEXT = { now: undefined };

describe.each(routerEngines())('a router of the engine $engine, when the wall clock steps', (engine) => {
  const wall = Date.now;
  let steppedMs = 0;
  const step = (ms: number): void => void (steppedMs = ms);

  // In place before a router takes it.
  beforeEach(() => {
    step(0);
    jest.spyOn(Date, 'now').mockImplementation(() => wall() + steppedMs);
  });
  afterEach(() => jest.restoreAllMocks());

  it.each([-STEP_MS, STEP_MS])('keeps the length of cooldowns: by %d ms', (stepMs) => {
    const modelList = [deployment('a', { tpm: 1_000_000 }), deployment('b')];
    const { router } = routerOn(engine, { strategy: 'usage_based', cooldownMs: 50_000, modelList }, CONTEXT);
    const picks = [router.acquire('gpt-4', { inputTokens: 10, excludeIds: ['b'] }), router.acquire('gpt-4', { excludeIds: ['a'] })];
    router.failed(picks[1], { status: 401 });
    const before = router.status();
    expect(before[1]).toMatchObject({ state: 'cooling' });
    step(stepMs);
    const after = router.status();
    expect(after[1].state).toBe('cooling');
    expect(after[1].coolingForMs).toBeLessThanOrEqual(before[1].coolingForMs);
    expect(after[1].coolingForMs).toBeGreaterThan(before[1].coolingForMs - 40_000);
    expect(router.healthyCount('gpt-4')).toBe(1);
    router.failed(picks[0], { status: 401 });
    expect(router.status()[0].coolingForMs).toBeGreaterThan(10_000);
    expect(router.status()[0].coolingForMs).toBeLessThanOrEqual(50_000);
    step(-stepMs);
    expect(router.status()[0].coolingForMs).toBeLessThanOrEqual(50_000);
    expect(() => router.acquire('gpt-4')).toThrow(expect.objectContaining({ retryAfterMs: expect.any(Number) as number }));
  });
});
