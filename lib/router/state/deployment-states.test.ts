import { deployment, routerEngines, routerOn } from '../../../test/support/router-engines.js';
import type { RoutingCandidate } from '../selection/strategies/custom.js';

describe.each(routerEngines().map((engine) => [engine.engine, engine] as const))('latencies, %s', (_, engine) => {
  it('are 0 in status, explain and a custom strategy once they have expired, and start anew', () => {
    const seen: number[] = [];
    const strategy = (candidates: readonly RoutingCandidate[]) => {
      seen.push(...candidates.flatMap(({ latencyMs, timeToFirstTokenMs }) => [latencyMs, timeToFirstTokenMs]));
      return candidates[0].deployment;
    };
    const modelList = [deployment('a')];
    const { router: service, clock } = routerOn(engine, { strategy, strategyOptions: { sampleTtlMs: 10_000 }, modelList });
    const shown = () =>
      [...service.status(), ...service.explain('gpt-4').deployments].flatMap(({ latencyMs, timeToFirstTokenMs }) => [
        latencyMs,
        timeToFirstTokenMs,
      ]);
    const sample = (latencyMs: number): void =>
      service.succeeded(service.acquire('gpt-4'), { latencyMs, timeToFirstTokenMs: latencyMs / 10 });
    sample(1_000);
    clock.pass(9_999);
    expect(shown()).toEqual([1_000, 100, 1_000, 100]);
    clock.pass(1);
    seen.length = 0;
    expect(shown()).toEqual([0, 0, 0, 0]);
    sample(20);
    expect(new Set(seen)).toEqual(new Set([0]));
    expect(shown()).toEqual([20, 2, 20, 2]);
  });

  it.each([
    ['only chunks were late', 10],
    ['both were late', 1],
  ])('are forgotten in a cooldown if they have a timeout: %s', (_, successes) => {
    const { router: service } = routerOn(engine, { modelList: [deployment('a')] });
    service.failed(service.acquire('gpt-4'), { timeout: true });
    for (let at = 0; at < successes; at++) service.succeeded(service.acquire('gpt-4'), { latencyMs: 20 });
    service.failed(service.acquire('gpt-4'), { status: 401 });
    expect(service.status()[0]).toMatchObject({ latencyMs: 0, timeToFirstTokenMs: 0, state: 'cooling' });
  });

  it('stay in a cooldown without a timeout', () => {
    const { router: service } = routerOn(engine, { modelList: [deployment('a')] });
    service.succeeded(service.acquire('gpt-4'), { latencyMs: 20, timeToFirstTokenMs: 5 });
    service.failed(service.acquire('gpt-4'), { status: 401 });
    expect(service.status()[0]).toMatchObject({ latencyMs: 20, timeToFirstTokenMs: 5 });
  });
});
