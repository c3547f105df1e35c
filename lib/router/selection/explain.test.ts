import { inspect } from 'node:util';
import { deployment, routerEngines, routerOn } from '../../../test/support/router-engines.js';
import type { RouterOptions } from '../router.options.js';
import type { RouterContext } from '../router-dependencies.js';
import type { RouterService } from '../router.service.js';

describe.each(routerEngines().map((engine) => [engine.engine, engine] as const))('explanations, %s', (_, engine) => {
  const router = (options: RouterOptions, context?: RouterContext): RouterService => routerOn(engine, options, context).router;

  it('names the reason for every deployment', () => {
    const service = router({
      strategy: 'usage_based',
      enableTagFiltering: true,
      modelList: [
        deployment('blocked', { tags: ['t'] }),
        deployment('cold', { tags: ['t'] }),
        deployment('off', { tags: ['t'], rpm: 0 }),
        deployment('full', { tags: ['t'], max_parallel_requests: 1 }),
        deployment('used', { tags: ['t'], rpm: 1 }),
        deployment('spent', { tags: ['t'], tpm: 10 }),
        deployment('other', { tags: ['u'] }),
        deployment('small', { tags: ['t'] }, 'gpt-4', { max_input_tokens: 5 }),
        deployment('failed', { tags: ['t'] }),
        deployment('good', { tags: ['t'], order: 1 }),
        deployment('later', { tags: ['t'], order: 2 }),
      ],
    });
    service.failed(service.acquire('cold', { tags: ['t'] }), { status: 429 });
    service.acquire('full', { tags: ['t'] });
    service.cancelled(service.acquire('used', { tags: ['t'] }));
    service.succeeded(service.acquire('spent', { tags: ['t'] }), { latencyMs: 1, promptTokens: 10 });
    const explained = service.explain('gpt-4', { tags: ['t'], blockedModels: ['blocked'], excludeIds: ['failed'], inputTokens: 6 });
    expect(explained).toMatchObject({ route: 'name', group: 'gpt-4', strategy: 'usage_based', chosen: 'good' });
    expect(Object.fromEntries(explained.deployments.map(({ id, reason }) => [id, reason]))).toEqual({
      blocked: 'blocked',
      cold: 'cooling',
      off: 'limit_is_0',
      full: 'concurrency',
      used: 'requests',
      spent: 'tokens',
      other: 'tags',
      small: 'context_window',
      failed: 'excluded',
      good: undefined,
      later: 'order',
    });
    expect(service.explain('gpt-9')).toEqual({ model: 'gpt-9', chosen: null, deployments: [] });
  });

  it('adds the explanation to a pick on request', () => {
    const service = router({ modelList: [deployment('a'), deployment('b'), deployment('off', { rpm: 0 })] });
    const pick = service.acquire('gpt-4', { explain: true, excludeIds: ['a'] });
    expect(pick.explanation).toMatchObject({ chosen: 'b', strategy: 'simple_shuffle' });
    expect(pick.explanation?.deployments.map(({ id, reason, inFlight }) => [id, reason, inFlight])).toEqual([
      ['a', 'excluded', 0],
      ['b', undefined, 0],
      ['off', 'limit_is_0', 0],
    ]);
    expect(JSON.parse(JSON.stringify(pick))).toMatchObject({ explanation: { chosen: 'b' } });
    service.cancelled(pick);
    const next = service.acquire('gpt-4', { explain: true });
    expect(next.explanation?.chosen).toBe(next.deployment.id);
    expect('explanation' in service.acquire('gpt-4')).toBe(false);
    expect(() => service.acquire('gpt-9', { explain: true })).toThrow(expect.objectContaining({ code: 'NO_DEPLOYMENT' }));
  });

  it.each([
    ['cost_based', {}],
    ['least_busy', {}],
    ['cost_based', { explain: true }],
    ['least_busy', { explain: true }],
  ])('does not change the turns under %s: %j', (strategy, context) => {
    const service = router({ strategy, modelList: [deployment('a'), deployment('b')] });
    const taken = Array.from({ length: 6 }, () => {
      const { chosen } = service.explain('gpt-4');
      const pick = service.acquire('gpt-4', context);
      service.cancelled(pick);
      expect(pick.deployment.id).toBe(chosen);
      return pick.deployment.id;
    });
    expect(taken.filter((id) => id === 'a')).toHaveLength(3);
  });

  it('shows no secret', () => {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const service = router(
      {
        modelList: [
          deployment('a', {
            api_base: 'https://user:hunter2@host.example:8443/v1?key=hunter2',
            extra_headers: { authorization: 'hunter2' },
            aws_secret_access_key: 'hunter2',
            unheard_of: 'hunter2',
          }),
          deployment('b', { api_key: 'hunter2' }),
        ],
      },
      { logger: { log: say, warn: say, error: say } },
    );
    const pick = service.acquire('a');
    service.failed(pick, { status: 401, error: new Error('wrong key hunter2') });
    const shown = [pick, pick.deployment, pick.deployment.params, service.explain('gpt-4'), service.status(), service.metrics(), lines];
    for (const thing of [...shown, service.health(), service.warnings]) {
      expect(JSON.stringify(thing)).not.toMatch(/hunter2|sk-secret/);
      expect(inspect(thing, { depth: 9 })).not.toMatch(/hunter2|sk-secret/);
    }
    expect(lines).toHaveLength(2);
    expect(JSON.stringify(pick.deployment)).toContain('https://host.example:8443');
    expect(pick.deployment.params.extra_headers).toEqual({ authorization: 'hunter2' });
  });

  it('says that a prompt is too long for some, and no limit of others', () => {
    const modelList = [
      deployment('small', {}, 'gpt-4', { max_input_tokens: 5 }),
      deployment('large', {}, 'gpt-4', { max_input_tokens: 9 }),
    ];
    const reasons = (inputTokens: number): readonly unknown[] =>
      router({ modelList, enablePreCallChecks: true })
        .explain('gpt-4', { inputTokens })
        .deployments.map(({ reason }) => reason ?? 'none');
    const [fits, small, none] = [5, 6, 10].map(reasons);
    expect(new Set(fits).size).toBe(1);
    expect([small[0] === fits[0], small[1] === fits[1]]).toEqual([false, true]);
    expect([none[0] === small[0], none[1] === small[0]]).toEqual([true, true]);
  });
});
