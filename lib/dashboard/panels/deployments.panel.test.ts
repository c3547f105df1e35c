import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { DeploymentState } from '../dashboard.source.js';
import { deploymentsPanel } from './deployments.panel.js';

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
  deploymentsPanel({ deployments: [deployment] } as unknown as DashboardSnapshot).text;

describe('deploymentsPanel', () => {
  it('says what failed last, and when, also for a deployment that is available again', () => {
    const text = panelOf({ ...WELL, lastFailure: { cause: 'no answer in time', agoMs: 34_000 } });
    expect(text).toContain('available');
    expect(text).toContain('no answer in time, 34 s ago');
    expect(panelOf(WELL)).not.toContain('ago');
  });

  it('counts attempts and not answers, and says that latency is per token', () => {
    const text = panelOf({ ...WELL, latencyMs: 0.443 });
    expect(text).toMatch(/data-label="Attempts">\s*7 <span class="bad-word">\(7 failed\)/);
    expect(text).toMatch(/data-label="Latency per token">\s*443 µs/);
  });
});
