import { TERMINUS_DEGRADED } from '../../test/e2e/observability/expected-health.js';
import type { Capability, CapabilityHealth } from '../common/capability.js';
import { checkHealth, checkHealthAsync } from './health-report.js';
import { FastLiteLLMHealthIndicator } from './health.indicator.js';

const capability = (name: string, health: () => CapabilityHealth | Promise<CapabilityHealth>): Capability => ({
  capability: name,
  metrics: () => [],
  health,
});
const ok = capability('a', () => ({ status: 'ok', engine: 'native' }));
const degraded = capability('b', () => ({ status: 'degraded', engine: 'typescript', reason: 'tripped' }));
const down = capability('c', () => ({ status: 'down', engine: 'typescript' }));
const throws = capability('d', () => {
  throw new Error('no answer');
});
const rejects = capability('e', () => Promise.reject(new Error('store away')));
const later = capability('f', () => Promise.resolve({ status: 'ok', engine: 'native' }));

describe('the health report', () => {
  it.each<[string, Capability[]]>([
    ['ok', [ok]],
    ['ok', []],
    ['ok', [ok, later]],
    ['degraded', [ok, degraded]],
    ['down', [ok, down, degraded]],
    ['down', [ok, throws]],
    ['down', [rejects, ok]],
  ])('is %s when its worst component is', async (status, capabilities) => {
    await expect(checkHealthAsync(capabilities)).resolves.toMatchObject({ status });
  });

  it('reports each component, and why one did not answer', async () => {
    expect((await checkHealthAsync([ok, degraded, throws, rejects])).components).toEqual({
      a: { status: 'ok', engine: 'native' },
      b: { status: 'degraded', engine: 'typescript', reason: 'tripped' },
      d: { status: 'down', engine: 'typescript', reason: 'no answer' },
      e: { status: 'down', engine: 'typescript', reason: 'store away' },
    });
  });

  it('returns the latest result without waiting', async () => {
    const slow = capability('slow', () => Promise.resolve({ status: 'ok', engine: 'native' }));
    expect(checkHealth([ok, slow])).toMatchObject({
      status: 'degraded',
      components: { slow: { reason: 'its first check has not finished' } },
    });
    await new Promise(setImmediate);
    expect(checkHealth([ok, slow])).toEqual({
      status: 'ok',
      components: { a: { status: 'ok', engine: 'native' }, slow: { status: 'ok', engine: 'native' } },
    });
    expect(checkHealth([throws]).status).toBe('down');
    const failing = capability('failing', () => Promise.reject(new Error('store away')));
    checkHealth([failing]);
    await new Promise(setImmediate);
    expect(checkHealth([failing]).components.failing).toMatchObject({ status: 'down', reason: 'store away' });
  });

  it('checks a capability once, also when another one depends on it', async () => {
    const health = jest.fn((): CapabilityHealth => ({ status: 'degraded', engine: 'native', reason: 'alone' }));
    const router = { ...capability('router', health), health };
    const client: Capability = { ...ok, capability: 'client', health: (of) => (of === undefined ? health() : of(router)) };
    const all = { router: health(), client: health() };
    health.mockClear();
    expect(checkHealth([client, router]).components).toEqual(all);
    expect(health).toHaveBeenCalledTimes(1);
    expect((await checkHealthAsync([router, client])).components).toEqual(all);
    expect(health).toHaveBeenCalledTimes(2);
  });
});

describe('FastLiteLLMHealthIndicator', () => {
  const indicator = (...capabilities: Capability[]) =>
    new FastLiteLLMHealthIndicator({ healthCheckAsync: () => checkHealthAsync(capabilities) });

  it.each<[string, Capability[]]>([
    ['up', [ok]],
    [TERMINUS_DEGRADED, [ok, degraded]],
    ['down', [ok, down]],
  ])('is %s under its key', async (status, capabilities) => {
    await expect(indicator(...capabilities).isHealthy('llm')).resolves.toMatchObject({
      llm: { status, components: expect.objectContaining({ a: { status: 'ok', engine: 'native' } }) as unknown },
    });
  });

  it('is alive whatever its capabilities report', () => {
    expect(indicator(down).isAlive('process')).toEqual({ process: { status: 'up', uptimeSeconds: expect.any(Number) as number } });
  });
});

describe('where Terminus differs', () => {
  afterEach(() => {
    jest.resetModules();
    jest.dontMock('@nestjs/terminus');
  });

  async function indicatorWith(terminus: () => unknown) {
    jest.resetModules();
    jest.doMock('@nestjs/terminus', terminus);
    const { FastLiteLLMHealthIndicator } = await import('./health.indicator.js');
    return new FastLiteLLMHealthIndicator({ healthCheckAsync: () => checkHealthAsync([ok, degraded]) });
  }

  it('reports up with degraded: true on Terminus 11, which has no degraded', async () => {
    const up = (data: object) => ({ llm: { status: 'up', ...data } });
    const indicator = await indicatorWith(() => ({
      HealthIndicatorService: class {
        check = () => ({ up });
      },
    }));
    await expect(indicator.isHealthy('llm')).resolves.toMatchObject({ llm: { status: 'up', degraded: true } });
  });

  it('names the package when it is missing', async () => {
    const indicator = await indicatorWith(() => {
      throw Object.assign(new Error("Cannot find module '@nestjs/terminus'"), { code: 'MODULE_NOT_FOUND' });
    });
    await expect(indicator.isHealthy('llm')).rejects.toMatchObject({ code: 'MISSING_PACKAGE', packageName: '@nestjs/terminus' });
  });

  it('passes on any other error of the package', async () => {
    const indicator = await indicatorWith(() => {
      throw Object.assign(new Error("Cannot find module 'something-it-needs'"), { code: 'MODULE_NOT_FOUND' });
    });
    await expect(indicator.isHealthy('llm')).rejects.toThrow('something-it-needs');
  });
});
