import { useOf, type BucketRules } from '../../test/support/hidden-bucket.js';
import { deployment, routerEngines, routerOn, type StandingClock } from '../../test/support/router-engines.js';
import { isSampled, usuallyOrLong } from '../../test/support/long.js';
import type { RoutedSelection } from './routing-context.js';
import type { RouterService } from './router.service.js';
import type { RouterSettings } from './settings.js';

/** `a` and `b` have one key and one model; `c` has another model, `d` another key. */
const modelList = [
  deployment('a', { model: 'openai/gpt-4o', api_key: 'sk-one' }, 'm'),
  deployment('b', { model: 'openai/gpt-4o', api_key: 'sk-one' }, 'n'),
  deployment('c', { model: 'openai/gpt-4o-mini', api_key: 'sk-one' }, 'o'),
  deployment('d', { model: 'openai/gpt-4o', api_key: 'sk-two' }, 'p'),
];
const limitHeaders = (remaining: number, reset: string, limit = 60): Headers =>
  new Headers({
    'x-ratelimit-limit-requests': String(limit),
    'x-ratelimit-remaining-requests': String(remaining),
    'x-ratelimit-reset-requests': reset,
  });

describe.each(routerEngines().map((engine, row) => [engine.engine, engine, row] as const))('learned limits, %s', (_, engine, row) => {
  const open = (settings: RouterSettings = {}): { router: RouterService; clock: StandingClock } =>
    routerOn(engine, { modelList, learnLimits: true, ...settings });
  const answered = (router: RouterService, pick: RoutedSelection, headers: Headers): void => {
    router.learnLimits(pick, headers);
    router.succeeded(pick, { latencyMs: 1 });
  };
  const available = (router: RouterService): string[] =>
    ['m', 'n', 'o', 'p'].filter((group) => router.getAvailableDeployment(group) !== null);

  it('holds back requests that exceed the reported limit, at all deployments of the quota', () => {
    const { router, clock } = open();
    answered(router, router.acquire('m'), limitHeaders(2, '58s'));
    expect(available(router)).toEqual(['m', 'n', 'o', 'p']);
    router.acquire('n');
    router.acquire('m');
    expect(available(router)).toEqual(['o', 'p']);
    expect(() => router.acquire('n')).toThrow(
      expect.objectContaining({ code: 'ROUTER_RATE_LIMITED', retryAfterMs: 1_000, reached: ['quota'] }),
    );
    // One comes back each second.
    clock.pass(1_000);
    expect(available(router)).toEqual(['m', 'n', 'o', 'p']);
    router.acquire('n');
    expect(available(router)).toEqual(['o', 'p']);
  });

  it('counts prompt and longest answer against tokens', () => {
    const { router } = open();
    const headers = new Headers({
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '300',
      'x-ratelimit-reset-tokens': '42s',
    });
    answered(router, router.acquire('m', { inputTokens: 700 }), headers);
    expect(router.getAvailableDeployment('m', { inputTokens: 200, maxTokens: 101 })).toBeNull();
    expect(router.getAvailableDeployment('m', { inputTokens: 200, maxTokens: 100 })?.id).toBe('a');
  });

  it('leaves configured limits as upper bounds', () => {
    const limited = { ...modelList[0], litellm_params: { ...modelList[0].litellm_params, rpm: 1 } };
    const { router } = open({ enablePreCallChecks: true });
    router.setModelList([limited]);
    answered(router, router.acquire('m'), limitHeaders(50, '10s'));
    expect(() => router.acquire('m')).toThrow(expect.objectContaining({ reached: ['requests'] }));
  });

  it('closes the quota after a 429 until Retry-After, then lets one probe go', () => {
    const { router, clock } = open();
    const early = router.acquire('n');
    router.failed(router.acquire('m'), { status: 429, retryAfterMs: 8_000 });
    expect(available(router)).toEqual(['o', 'p']);
    expect(router.explain('m').deployments[0]).toMatchObject({
      eligible: false,
      reason: 'quota',
      quota: { closedForMs: 8_000, refusedMsAgo: 0 },
    });
    // Sent before: it says nothing new, but a longer time.
    clock.pass(1_000);
    router.failed(early, { status: 429, retryAfterMs: 9_000 });
    clock.pass(8_999);
    expect(available(router)).toEqual(['o', 'p']);
    clock.pass(1);
    const probe = router.acquire('n');
    expect(available(router)).toEqual(['o', 'p']);
    expect(() => router.acquire('m')).toThrow(expect.objectContaining({ retryAfterMs: undefined, reached: ['quota'] }));
    // A probe that says nothing is followed by another.
    router.cancelled(probe);
    const second = router.acquire('m');
    router.failed(second, { status: 429 });
    expect(available(router)).toEqual(['o', 'p']);
    clock.pass(1_000 * 2);
    answered(router, router.acquire('m'), new Headers());
    clock.pass(60_000);
    expect(available(router)).toEqual(['m', 'n', 'o', 'p']);
  });

  it('goes on at the old rate, however long the probe took', () => {
    const { router, clock } = open();
    for (let sent = 0; sent < 100; sent++) {
      answered(router, router.acquire('m'), new Headers());
      clock.pass(100);
    }
    router.failed(router.acquire('m'), { status: 429, retryAfterMs: 1_000 });
    clock.pass(1_000);
    const probe = router.acquire('m');
    clock.pass(30_000);
    answered(router, probe, new Headers());
    let burst = 0;
    while (burst < 100 && router.getAvailableDeployment('m') !== null) {
      router.acquire('m');
      burst++;
    }
    // One second of 78 % of 600 a minute.
    expect(burst).toBe(7);
  });

  it('changes nothing without learnLimits: as in LiteLLM, a lone deployment goes on after a 429', () => {
    const { router } = open({ learnLimits: false });
    const pick = router.acquire('m');
    router.learnLimits(pick, limitHeaders(0, '60s'));
    router.failed(pick, { status: 429, retryAfterMs: 60_000 });
    expect(available(router)).toEqual(['m', 'n', 'o', 'p']);
    expect(router.status()[0]).not.toHaveProperty('quota');
  });

  it('shows in explain and status the reported limits, their age, and no key', () => {
    const { router, clock } = open();
    answered(router, router.acquire('m'), limitHeaders(30, '30s'));
    clock.pass(5_000);
    const quota = { reported: [{ counted: 'requests', limit: 60, remaining: 35, ageMs: 5_000 }], closedForMs: 0 };
    expect(router.explain('n').deployments[0]).toMatchObject({ id: 'b', eligible: true, quota });
    expect(router.status().map((state) => state.quota?.reported.length)).toEqual([1, 1, undefined, undefined]);
    expect(JSON.stringify([router.status(), router.explain('m')])).not.toContain('sk-');
  });

  it('keeps a bounded number of quotas where requests name the models', () => {
    const { router } = open();
    router.setModelList([deployment('any', { model: 'openai/*' }, 'openai/*')]);
    for (let at = 0; at < 5_000; at++) router.succeeded(router.acquire(`openai/model-${at}`), { latencyMs: 1 });
    const quotas = router.metrics().find(({ name }) => name === 'router_quotas')?.value;
    expect(quotas).toBeLessThanOrEqual(4_096);
    // Room is made for a sixteenth at once.
    expect(quotas).toBeGreaterThan(3_800);
  });

  describe('of a provider whose limit changes', () => {
    const same = ['a', 'b'].map((id) => deployment(id, { model: 'openai/gpt-4o', api_key: 'sk-one' }, 'm'));
    /** Halved and doubled every three minutes. */
    const perMinuteAt = (atMs: number): number => (Math.floor(atMs / 180_000) % 2 === 0 ? 600 : 300);
    const minutes = usuallyOrLong(7, 30);
    const cases: readonly (readonly [name: string, rules: Omit<BucketRules, 'perMinuteAt'>, least: number])[] = [
      ['tells it, and saves a minute', { tells: true, savesSeconds: 60 }, 0.99],
      ['tells it, and saves a second', { tells: true, savesSeconds: 1 }, 0.95],
      ['tells it, in windows', { tells: true, savesSeconds: 60, isStepped: true }, 0.95],
      ['tells nothing, and saves a minute', { tells: false, savesSeconds: 60 }, 0.9],
      ['tells nothing, and saves ten seconds', { tells: false, savesSeconds: 10 }, 0.9],
      ['tells nothing, in windows', { tells: false, savesSeconds: 60, isStepped: true }, 0.9],
      ['tells nothing, and saves a second', { tells: false, savesSeconds: 1 }, 0.9],
    ];

    const sampled = cases.filter((__, column) => isSampled(row, column, 2));

    it.each(sampled)('uses the limit and gets few 429: the provider %s', (__, rules, least) => {
      const { router, clock } = routerOn(engine, { modelList: same, learnLimits: true });
      const { refused, used } = useOf(router, clock, { ...rules, perMinuteAt }, minutes);
      expect(refused).toBeLessThan(0.02);
      expect(used).toBeGreaterThan(least);
    });

    it('would get 429 for most of its requests by cooldowns alone', () => {
      const { router, clock } = routerOn(engine, { modelList: same });
      expect(useOf(router, clock, { tells: true, savesSeconds: 60, perMinuteAt }, 3).refused).toBeGreaterThan(0.5);
    });
  });
});
