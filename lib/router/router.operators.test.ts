import type { CallRecorder } from '../common/recorder.js';
import { deployment, routerEngines, routerOn } from '../../test/support/router-engines.js';

/** What a person sees of the router who runs it. */
describe.each(routerEngines().map((engine) => [engine.engine, engine] as const))('the router for its operator, %s', (_, engine) => {
  const lines: string[] = [];
  const logger = { log: () => {}, warn: (line: string) => void lines.push(line), error: () => {} };
  const recorded: boolean[] = [];
  const recorder: CallRecorder = {
    series: () => ({ sampled: () => true, record: (_durationMs: number, ok: boolean) => void recorded.push(ok) }),
  };
  const two = () => routerOn(engine, { modelList: [deployment('a'), deployment('b')], cooldownMs: 15_000 }, { logger, recorder });
  beforeEach(() => ([lines.length, recorded.length] = [0, 0]));

  const valueOf = (router: ReturnType<typeof two>['router'], name: string, labels: object = {}): number | undefined =>
    router
      .metrics()
      .find(
        (sample) => sample.name === `router_${name}` && Object.entries(labels).every(([label, value]) => sample.labels?.[label] === value),
      )?.value;

  it('logs and counts one cooldown when several calls in flight get 429, and a new one after its end', () => {
    const { router, clock } = two();
    const picks = [1, 2, 3].map(() => router.acquire('a'));
    for (const pick of picks) router.failed(pick, { status: 429, retryAfterMs: 20_000 });
    expect(lines).toEqual(['Router: deployment a (gpt-4) is in cooldown for 20 s (status 429)']);
    expect(valueOf(router, 'cooldowns_total')).toBe(1);
    clock.pass(20_001);
    router.failed(router.acquire('a'), { status: 429 });
    expect(lines).toHaveLength(2);
    expect(valueOf(router, 'cooldowns_total')).toBe(2);
  });

  it('names a time-out as such, because no provider has answered 408', () => {
    const { router } = two();
    for (let turn = 0; turn < 5; turn++) router.failed(router.acquire('a'), { status: 408, timeout: true });
    expect(lines).toEqual(['Router: deployment a (gpt-4) is in cooldown for 15 s (no answer in time)']);
  });

  it('shows the last failure of a deployment, also after its cooldown', () => {
    const { router, clock } = two();
    router.failed(router.acquire('a'), { status: 429, retryAfterMs: 5_000 });
    clock.pass(30_000);
    expect(router.status()).toMatchObject([
      { id: 'a', state: 'available', lastFailure: { cause: 'status 429', agoMs: 30_000 } },
      { id: 'b' },
    ]);
    expect(router.status()[1]).not.toHaveProperty('lastFailure');
  });

  it('sums how long the successful calls of each deployment took', () => {
    const { router } = two();
    router.succeeded(router.acquire('a'), { latencyMs: 1_500, completionTokens: 50 });
    router.succeeded(router.acquire('a'), { latencyMs: 500 });
    router.succeeded(router.acquire('a'));
    expect(valueOf(router, 'deployment_calls_total', { deployment: 'a', outcome: 'success' })).toBe(3);
    expect(valueOf(router, 'deployment_seconds_total', { deployment: 'a' })).toBe(2);
  });

  it('counts a refused request once, not as a failure of the engine, and no search for another deployment', () => {
    const { router } = two();
    router.failed(router.acquire('a'), { status: 429 });
    expect(() => router.acquire('gpt-4', { excludeIds: ['b'] })).toThrow();
    expect(valueOf(router, 'refusals_total', { reason: 'rate_limit' })).toBe(0);
    router.failed(router.acquire('b'), { status: 429 });
    expect(() => router.acquire('gpt-4')).toThrow();
    expect(valueOf(router, 'refusals_total', { reason: 'rate_limit' })).toBe(1);
    expect(recorded).toEqual([true, true, true, true]);
  });
});
