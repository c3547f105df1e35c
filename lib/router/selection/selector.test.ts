import { deployment, routerEngines, routerOn } from '../../../test/support/router-engines.js';
import type { RetryContext, TriedDeployments } from './tried-deployments.js';

const NOTHING: TriedDeployments = { doneOrder: undefined, order: undefined, failedIds: [], mayRepeat: true };
const again = (tried: Partial<TriedDeployments>): RetryContext => ({ tried: { ...NOTHING, ...tried } });

describe.each(routerEngines().map((engine) => [engine.engine, engine] as const))('the selection for a retry, %s', (_, engine) => {
  const [a, b, later] = [deployment('a', { order: 1 }), deployment('b', { order: 1 }), deployment('later', { order: 2 })];
  const opened = (...modelList: (typeof a)[]) => routerOn(engine, { modelList }).router;
  const selected = (router: ReturnType<typeof opened>, tried: Partial<TriedDeployments>): readonly string[] => {
    const ids = Array.from({ length: 20 }, () => {
      const selection = router.acquire('gpt-4', again(tried));
      router.cancelled(selection);
      return selection.deployment.id;
    });
    return [...new Set(ids)].sort();
  };

  it.each<[string, Partial<TriedDeployments>, readonly string[]]>([
    ['the first tier', {}, ['a', 'b']],
    ['those of the tier that have not failed', { order: 1, failedIds: ['a'] }, ['b']],
    ['those of the tier that have not failed, if none may repeat', { order: 1, failedIds: ['b'], mayRepeat: false }, ['a']],
    ['any of the tier once all have failed', { order: 1, failedIds: ['a', 'b'] }, ['a', 'b']],
    ['the next tier', { doneOrder: 1 }, ['later']],
  ])('takes %s', (_name, tried, expected) => {
    expect(selected(opened(a, b, later), tried)).toEqual(expected);
  });

  it('takes a later tier if all of the tier are in cooldown', () => {
    const router = opened(a, later);
    router.failed(router.acquire('gpt-4'), { status: 401 });
    expect(selected(router, { order: 1, failedIds: ['a'] })).toEqual(['later']);
  });

  it.each<[string, Partial<TriedDeployments>, number]>([
    ['if none may repeat', { order: 1, failedIds: ['a'], mayRepeat: false }, 0],
    ['after the last tier', { doneOrder: 1 }, 0],
    ['of the first selection', {}, 1],
  ])('counts a refusal or not: %s', (_name, tried, counted) => {
    const router = opened(deployment('a', { order: 1, max_parallel_requests: 1 }));
    router.acquire('gpt-4');
    expect(() => router.acquire('gpt-4', again(tried))).toThrow();
    const refusals = router.metrics().filter(({ name }) => name.endsWith('refusals_total'));
    expect(refusals.reduce((sum, { value }) => sum + value, 0)).toBe(counted);
  });
});
