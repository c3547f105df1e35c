import type { AttemptWindow } from '../calls/attempt-window.js';
import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { DeploymentState } from '../dashboard.source.js';
import { attentionOf, overallState } from './attention.js';
import { attemptsStatus } from './deployment-status.js';

const deployment = (fields: Partial<DeploymentState> = {}): DeploymentState => ({
  id: 'east',
  group: 'chat',
  model: 'openai/gpt-4o',
  state: 'available',
  coolingForMs: 0,
  answered: 0,
  failures: 0,
  inFlight: 0,
  latencyMs: 0,
  timeToFirstTokenMs: 0,
  rpm: 0,
  tpm: 0,
  ...fields,
});

/** A process that does well, except for these fields. */
const snapshot = (fields: Partial<DashboardSnapshot> = {}): DashboardSnapshot =>
  ({
    health: { status: 'ok', rustAvailable: true, components: {} },
    deployments: [deployment()],
    groupWindows: {},
    limits: [],
    budgets: [],
    queue: null,
    recommendations: [],
    configurations: null,
    rejectedConfiguration: null,
    ...fields,
  }) as unknown as DashboardSnapshot;

const stateOf = (fields: Partial<DashboardSnapshot>): string => {
  const { severity, word, about } = overallState(snapshot(fields));
  return `${severity} ${word}${about === '' ? '' : `: ${about}`}`;
};
const window = (fields: Partial<AttemptWindow>): AttemptWindow => ({ attempts: 20, failures: 0, p95Ms: 900, ...fields });

describe('judged', () => {
  it.each<[Partial<AttemptWindow>, string | undefined]>([
    [{ attempts: 4, failures: 3, cause: 'server' }, 'bad failing'],
    [{ attempts: 20, failures: 3, cause: 'server' }, 'warn failing'],
    [{ attempts: 100, failures: 9 }, undefined],
    [{ attempts: 2, failures: 2 }, undefined],
    [{ attempts: 20, p95Ms: 40_000 }, 'warn slow'],
    [{ attempts: 20, firstTokenP95Ms: 12_000 }, 'warn slow'],
    [{ attempts: 1, p95Ms: 40_000 }, undefined],
    [{}, undefined],
  ])('%j is %s', (fields, expected) => {
    const statusLabel = attemptsStatus(window(fields));
    expect(statusLabel && `${statusLabel.severity} ${statusLabel.word}`).toBe(expected);
  });
});

describe('overallState', () => {
  it.each<[string, Partial<DashboardSnapshot>]>([
    ['good Healthy', {}],
    ['bad Failing: chat', { groupWindows: { chat: window({ attempts: 4, failures: 3 }) } }],
    ['warn Slow: chat', { groupWindows: { chat: window({ p95Ms: 40_000 }) } }],
    ['bad Unavailable: chat', { deployments: [deployment({ state: 'cooling' })] }],
    ['good Healthy', { deployments: [deployment({ state: 'cooling' }), deployment({ id: 'west' })] }],
    ['warn Degraded: rate limiting', { health: health('degraded') }],
    ['bad Down: rate limiting', { health: health('down'), groupWindows: { chat: window({ failures: 20 }) } }],
  ])('is %s', (expected, fields) => expect(stateOf(fields)).toBe(expected));
});

function health(status: 'degraded' | 'down'): DashboardSnapshot['health'] {
  return { status, rustAvailable: true, components: { rate_limiting: { status, engine: 'native', reason: 'the store is away' } } };
}

describe('attentionOf', () => {
  it('is empty if all is well', () => expect(attentionOf(snapshot())).toEqual([]));

  it('lists the most urgent first, with the reason and what to do', () => {
    const items = attentionOf(
      snapshot({
        health: health('degraded'),
        groupWindows: { chat: window({ attempts: 4, failures: 3, cause: 'timeout' }) },
        limits: [{ limit: 'team', keyHash: 'h', keyName: 'red', unit: 'requests', total: 5, remaining: 0, resetMs: 9_000 }],
        budgets: [{ limit: 'key', keyHash: 'k', period: 'day', limitUsd: 5, spentUsd: 5, heldUsd: 0, resetMs: Infinity }],
        rejectedConfiguration: 'router_settings.num_retries: must be an integer',
      }),
    );
    expect(items.map(({ severity, title }) => `${severity} ${title}`)).toEqual([
      'bad The latest configuration was rejected',
      'bad chat is failing',
      'warn rate limiting is degraded',
      'warn The budget of key k is exhausted',
      'plain team red is at its limit',
    ]);
    expect(items[1]).toMatchObject({
      reason: '3 of 4 attempts failed in the last 5 minutes, most with no answer in time.',
      advice: "Check the provider's status; add a deployment or a fallback, or raise the timeout.",
      page: 'models',
    });
  });

  it('names a failing deployment whose group still answers', () => {
    const failing = deployment({ window: window({ attempts: 10, failures: 9, cause: 'authentication' }) });
    const items = attentionOf(
      snapshot({ deployments: [failing, deployment({ id: 'west' })], groupWindows: { chat: window({ attempts: 200, failures: 9 }) } }),
    );
    expect(items).toMatchObject([{ severity: 'warn', title: 'east of chat is failing', advice: 'Check the API key of its deployments.' }]);
  });

  it('names deployments with the same fault together, once', () => {
    const uncallable = { reason: 'the environment variable KEY is not set', remedy: 'set it' };
    const broken = ['a', 'b', 'c', 'd'].map((group) => deployment({ id: group, group, state: 'uncallable', uncallable }));
    const degraded = { status: 'degraded', engine: 'native', reason: '4 of 5 deployments cannot be called' } as const;
    const components = { routing: degraded, llm_client: degraded };
    const items = attentionOf(
      snapshot({ deployments: [...broken, deployment()], health: { status: 'degraded', rustAvailable: true, components } }),
    );
    expect(items).toEqual([
      {
        severity: 'bad',
        title: 'a, b, c and 1 more cannot be called',
        reason: 'The environment variable KEY is not set.',
        advice: 'Set it.',
        page: 'models',
      },
    ]);
  });

  it('leaves recommendations about traffic to the judgement of attempts', () => {
    const recommendation = { type: 'slow_performance', priority: 'high', message: 'm', suggestion: 's' } as const;
    const items = attentionOf(
      snapshot({
        recommendations: [
          { ...recommendation, component: 'llm_client' },
          { ...recommendation, component: 'rust_routing' },
        ],
      }),
    );
    expect(items.map(({ title }) => title)).toEqual(['rust routing needs attention']);
  });
});
