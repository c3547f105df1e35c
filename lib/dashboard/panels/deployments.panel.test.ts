import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { DeploymentState } from '../dashboard.source.js';
import { deploymentsPanel, leftOutPanel } from './deployments.panel.js';

const WELL: DeploymentState = {
  id: 'east',
  group: 'chat',
  model: 'openai/gpt-4o',
  state: 'available',
  coolingForMs: 0,
  answered: 7,
  failures: 7,
  inFlight: 0,
  latencyMs: 0,
  timeToFirstTokenMs: 0,
  rpm: 0,
  tpm: 0,
};
const panelOf = (deployment: DeploymentState): string =>
  deploymentsPanel({ deployments: [deployment], groupWindows: {} } as unknown as DashboardSnapshot, '')!.text;

describe('deploymentsPanel', () => {
  it('says what failed last, and when, also for a deployment that is available again', () => {
    const text = panelOf({ ...WELL, lastFailure: { cause: 'no answer in time', agoMs: 34_000 } });
    expect(text).toContain('available');
    expect(text).toContain('no answer in time, 34 s ago');
    expect(panelOf(WELL)).not.toContain('ago');
  });

  it('counts attempts since the start and of the last minutes, with percentiles', () => {
    const text = panelOf({ ...WELL, window: { attempts: 4, failures: 1, p95Ms: 1200, firstTokenP95Ms: 300 } });
    expect(text).toMatch(/data-label="Attempts">\s*7 <span class="bad-word">\(7 failed\)/);
    expect(text).toMatch(/data-label="Last 5 min">\s*4 <span class="bad-word">\(25% failed\)/);
    expect(text).toMatch(/data-label="p95">\s*1.2 s/);
    expect(text).toMatch(/data-label="First token p95">\s*300 ms/);
  });

  it('says why a deployment is busy, cooling down, over its budget or disabled', () => {
    expect(panelOf({ ...WELL, rpm: 5, rpmLimit: 5 })).toMatch(/badge warn">busy<[^]*5 of 5 requests of this minute are used/);
    expect(panelOf({ ...WELL, inFlight: 2, parallelLimit: 2 })).toMatch(/2 of 2 parallel requests are used/);
    const lastFailure = { cause: 'status 429', agoMs: 3_000 };
    expect(panelOf({ ...WELL, state: 'cooling', coolingForMs: 12_000, lastFailure })).toMatch(
      /badge warn">in cooldown, 12 s<[^]*status 429, 3 s ago/,
    );
    expect(panelOf({ ...WELL, state: 'over_budget', coolingForMs: 7_200_000 })).toContain('over budget, 2 h 0 min');
    expect(panelOf({ ...WELL, state: 'blocked', rpmLimit: 0 })).toMatch(/badge plain">disabled<[^]*data-label="rpm">\s*0\s*</);
  });

  it('shows shares, and the state of the group, only where it has several deployments', () => {
    const text = deploymentsPanel(
      {
        deployments: [WELL, { ...WELL, id: 'west', answered: 21 }],
        groupWindows: { chat: { attempts: 28, failures: 0 } },
      } as unknown as DashboardSnapshot,
      '',
    )!.text;
    expect(text).toMatch(/28 attempts in the last 5 minutes[^]*25%[^]*75%/);
    expect(panelOf(WELL)).not.toContain('100%');
  });

  it('marks what the API has added', () => {
    expect(panelOf({ ...WELL, definedBy: 'api' })).toContain('badge plain">API<');
    expect(panelOf({ ...WELL, definedBy: 'file' })).not.toContain('>API<');
  });
});

describe('leftOutPanel', () => {
  it('lists stored models that are not in use, with the reason', () => {
    const leftOutModels = [{ id: 'a b', modelName: '<i>', reason: 'wrong salt key' }];
    const text = String(leftOutPanel({ leftOutModels } as unknown as DashboardSnapshot, ''));
    expect(text).toMatch(/href="model\?id=a\+b">&lt;i&gt;<[^]*wrong salt key/);
    expect(leftOutPanel({ leftOutModels: [] } as unknown as DashboardSnapshot, '')).toBeUndefined();
    expect(leftOutPanel({ leftOutModels: null } as unknown as DashboardSnapshot, '')).toBeUndefined();
  });
});
