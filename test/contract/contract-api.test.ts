import { Logger } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as root from 'nestjs-fast-litellm';
import { isNative } from '../e2e/acceleration/acceleration-libraries.js';
import { EXPECTED_HEALTH } from '../e2e/observability/expected-health.js';
import { codeIn, tableAfter } from '../project/readme-document.js';
import { root as folder } from '../project/sources.js';

const contract = readFileSync(join(folder, 'test/fixtures/contract-api.md'), 'utf8');
const table = tableAfter(contract, '## The API of the reference, here');

/** `get_patch_status` -> `getPatchStatus`. */
const camel = (name: string): string => name.replace(/(?<=[a-z])_([a-z])/g, (_, letter: string) => letter.toUpperCase());
/** What the table calls a function, a class or a constant: without what it is given. */
const nameOf = (code: string): string => /^\w+/.exec(code.replace('_rust.', ''))?.[0] ?? '';
/** Rows about what is no name: the import, errors, variables and advice. */
const isName = (code: string): boolean => !/^import |^=|^FAST_LITELLM_/.test(code);

/** Class or none, and the names that belong to it, as the rows have them. */
const rows = table.flatMap(([reference]) => {
  const names = codeIn(reference).filter(isName);
  const owner = names[0]?.startsWith('_rust.') ? nameOf(names[0]) : '';
  const members = (owner === '' ? names : names.slice(1)).map((name) => camel(nameOf(name)));
  return members.map((member) => (owner === '' ? member : `${owner}.${member}`));
});

const list = [{ model_name: 'gpt-4', litellm_params: { model: 'openai/gpt-4', api_key: 'secret' }, model_info: { id: 'one' } }];
let server: Server;
let origin: string;
const pool = new root.SimpleConnectionPool('contract');
const leased: number[] = [];
const lease = (id: number | null): number => {
  leased.push(id as number);
  return id as number;
};

beforeAll(() => Logger.overrideLogger(false));

/** A call of every name, and what has to come of it. */
const calls: Readonly<Record<string, () => void>> = {
  applyAcceleration: () => expect(root.applyAcceleration({ targets: ['js-tiktoken'] })).toBe(isNative),
  removeAcceleration: () => expect(root.removeAcceleration()).toBe(isNative),
  getPatchStatus: () => expect(root.getPatchStatus().targets['js-tiktoken'].state).toBe('not_applied'),
  healthCheck: () =>
    expect(root.healthCheck()).toMatchObject({
      status: EXPECTED_HEALTH,
      rustAvailable: isNative,
    }),
  isEnabled: () => expect(root.isEnabled('rust_routing', 'request_123')).toBe(true),
  getFeatureStatus: () => expect(root.getFeatureStatus().rust_routing.state).toBe('enabled'),
  resetErrors: () => expect(root.resetErrors('rust_routing')).toBeUndefined(),
  recordPerformance: () =>
    expect(
      root.recordPerformance({ component: 'contract', operation: 'call', durationMs: 2, success: true, inputSize: 1, outputSize: 1 }),
    ).toBe(undefined),
  getPerformanceStats: () => expect(Object.keys(root.getPerformanceStats('contract'))).toEqual(['contract']),
  compareImplementations: () => expect(root.compareImplementations('rust_routing', 'typescript_routing')).toHaveProperty('recommendation'),
  getRecommendations: () => expect(Array.isArray(root.getRecommendations())).toBe(true),
  exportPerformanceData: () => {
    expect(JSON.parse(root.exportPerformanceData('contract', 'json'))).toHaveProperty('contract');
    expect(root.exportPerformanceData('contract', 'csv')).toContain('contract,call');
  },
  'SimpleTokenCounter.countTokens': () => expect(new root.SimpleTokenCounter(10).countTokens('hello world', 'gpt-4')).toBe(2),
  'SimpleTokenCounter.countTokensBatch': () =>
    expect(new root.SimpleTokenCounter(10).countTokensBatch(['hello world', ''])).toEqual([2, 0]),
  'SimpleTokenCounter.estimateCost': () =>
    expect(new root.SimpleTokenCounter(10).estimateCost(1000, 100, 'gpt-4o')).toBeCloseTo(0.0035, 10),
  'SimpleTokenCounter.getModelLimits': () =>
    expect(new root.SimpleTokenCounter(10).getModelLimits('gpt-4o').contextWindow).toBeGreaterThan(1e5),
  'SimpleTokenCounter.validateInput': () => expect(new root.SimpleTokenCounter(1).validateInput('hello world')).toBe(false),
  'SimpleTokenCounter.modelMaxTokens': () => expect(new root.SimpleTokenCounter(10).modelMaxTokens).toBe(10),
  'SimpleRateLimiter.check': () => expect(new root.SimpleRateLimiter(60).check('a')).toMatchObject({ allowed: true, reason: 'ok' }),
  'SimpleRateLimiter.isAllowed': () => expect(new root.SimpleRateLimiter(60).isAllowed('a')).toBe(true),
  'SimpleRateLimiter.getRemaining': () => expect(new root.SimpleRateLimiter(60).getRemaining('a')).toBeGreaterThan(0),
  'SimpleRateLimiter.getStats': () => expect(new root.SimpleRateLimiter(60).getStats()).toMatchObject({ totalChecks: 0 }),
  'SimpleConnectionPool.getConnection': () => expect(lease(pool.getConnection(origin))).toBeGreaterThan(0),
  'SimpleConnectionPool.healthCheck': () => expect(typeof pool.healthCheck(leased[0])).toBe('boolean'),
  'SimpleConnectionPool.returnConnection': () => expect(pool.returnConnection(leased.pop() as number)).toBeUndefined(),
  'SimpleConnectionPool.cleanup': () => expect(pool.cleanup()).toBeGreaterThanOrEqual(0),
  'SimpleConnectionPool.getStats': () => expect(typeof pool.getStats()).toBe('object'),
  'AdvancedRouter.getAvailableDeployment': () => {
    const router = new root.AdvancedRouter('simple_shuffle');
    expect(router.getAvailableDeployment(list, 'gpt-4', [])).toBe(list[0]);
    expect(router.getAvailableDeployment(list, 'gpt-4', ['one'])).toBeNull();
  },
  checkRateLimit: () => expect(root.checkRateLimit('contract').allowed).toBe(true),
  getRateLimitStats: () => expect(root.getRateLimitStats().totalChecks).toBeGreaterThan(0),
  getConnection: () => expect(lease(root.getConnection(origin))).toBeGreaterThan(0),
  healthCheckConnection: () => expect(typeof root.healthCheckConnection(leased[0])).toBe('boolean'),
  returnConnection: () => expect(root.returnConnection(leased.pop() as number)).toBeUndefined(),
  removeConnection: () => expect(root.removeConnection(lease(root.getConnection(origin)))).toBeUndefined(),
  cleanupExpiredConnections: () => expect(root.cleanupExpiredConnections()).toBeGreaterThanOrEqual(0),
  getConnectionPoolStats: () => expect(typeof root.getConnectionPoolStats()).toBe('object'),
  getAvailableDeployment: () => expect(root.getAvailableDeployment(list, 'gpt-4', [], {}, {})).toBe(list[0]),
  RUST_ACCELERATION_AVAILABLE: () => expect(root.RUST_ACCELERATION_AVAILABLE).toBe(isNative),
  VERSION: () => expect(root.VERSION).toMatch(/^\d+\.\d+\.\d+$/),
};

describe('the API of fast-litellm', () => {
  beforeAll(async () => {
    server = createServer((_, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await pool.drain({ deadlineMs: 0 });
    server.close();
  });

  it('is covered here name by name, as listed in its table', () => {
    const named = rows.map((name) => (name === '__version__' ? 'VERSION' : name));
    expect(Object.keys(calls).sort()).toEqual([...new Set(named)].sort());
  });

  it.each(Object.keys(calls))('has a working %s', (name) => calls[name]());

  it('exports the injectable classes, guards and decorators', () => {
    const [, line] = /^Nest: ([^]*?)\n\n/m.exec(contract) ?? [];
    const names = codeIn(line).map((code) => nameOf(code.replace('@', '')));
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => typeof (root as unknown as Record<string, unknown>)[name] !== 'function')).toEqual([]);
  });

  it('rejects an invalid argument with an error code', () => {
    expect(() => root.isEnabled('nothing' as root.FeatureName)).toThrow(expect.objectContaining({ code: 'UNKNOWN_FEATURE' }) as Error);
    expect(() => new root.SimpleRateLimiter(0)).toThrow(root.InvalidArgumentError);
  });
});
