import { FastLiteLLM } from 'nestjs-fast-litellm';
import type { DashboardSnapshot } from '../../../lib/dashboard/dashboard.snapshot.js';
import { until } from '../../support/until.js';
import { SampleGateway } from '../sample-app/sample-gateway.js';

describe('the dashboard of the sample gateway after traffic', () => {
  let gateway: SampleGateway;
  let snapshot: DashboardSnapshot;

  beforeAll(async () => {
    gateway = await SampleGateway.start();
    // Calls are recorded from the first visit on.
    await gateway.text('/dashboard');
    await gateway.exercise();
    // An answer may be there before its request is over here.
    const { connectionPool } = gateway.app.get(FastLiteLLM);
    await until(() => connectionPool.stats().activeConnections === 0);
    await gateway.text('/dashboard');
    await until(async () => {
      await gateway.requestBurst();
      snapshot = JSON.parse(await gateway.text('/dashboard/data')) as DashboardSnapshot;
      return snapshot.limits.length > 0;
    });
  });
  afterAll(() => gateway.stop());

  it('lists the deployments with the requests that each answered', () => {
    const { deployments } = snapshot;
    expect(deployments?.map(({ id }) => id).sort()).toEqual([
      'local-one/claude-opus-4-8',
      'local-one/gemini-2.5-flash',
      'local-one/gpt-4o',
      'local-one/gpt-4o-mini',
      'local-one/nova-lite',
      'local-one/text-embedding-3-small',
      'local-two/gpt-4o-mini',
      'local-two/text-embedding-3-small',
    ]);
    const answered = (group: string) => deployments?.filter((each) => each.group === group).reduce((sum, each) => sum + each.answered, 0);
    expect([answered('gpt-4o-mini'), answered('gpt-4o'), answered('text-embedding-3-small')]).toEqual([4, 1, 1]);
    for (const { state, inFlight, failures } of deployments ?? []) expect([state, inFlight, failures]).toEqual(['available', 0, 0]);
  });

  it('lists the connections to the providers', () => {
    const { pool } = snapshot;
    expect(pool).toMatchObject({ leased: 0, waiting: 0, maxConnections: 1000 });
    const origins = gateway.providers.flatMap(({ deployments }) =>
      deployments.map(({ litellm_params: { api_base } }) => new URL(String(api_base)).origin),
    );
    expect(pool?.endpoints.length).toBeGreaterThan(0);
    for (const { origin, idle } of pool?.endpoints ?? []) expect([origins.includes(origin), idle > 0]).toEqual([true, true]);
  });

  it('lists the routes before the engines', () => {
    const names = snapshot.operations.map(({ component, operation }) => `${component} ${operation}`);
    for (const route of ['POST /v1/chat/completions', 'POST /v1/embeddings', 'POST /v1/tokens/count', 'GET /v1/models']) {
      expect(names).toContain(`http ${route}`);
    }
    expect(names).toContain('llm_client first_chunk');
    const firstEngine = names.findIndex((name) => /^(rust|typescript)_/.test(name));
    expect(names.slice(firstEngine).filter((name) => /^(http|llm_client) /.test(name))).toEqual([]);
    expect(names.filter((name) => name.includes('comparison_') || name.includes('/dashboard'))).toEqual([]);
  });

  it('lists the limits nearest to exhaustion, and the cost', () => {
    const { limits, tallies } = snapshot;
    expect(limits.length).toBeGreaterThan(0);
    for (const { total, remaining, keyHash } of limits) {
      expect(remaining).toBeLessThan(total);
      expect(keyHash).toMatch(/^[0-9a-f]{10}$/);
    }
    const spent = tallies.find(({ label }) => label === 'Spent');
    expect(spent?.total).toBeGreaterThan(0);
    expect(tallies.find(({ label }) => label === 'Calls to models')?.total).toBe(7);
  });

  it('shows all of it on its pages', async () => {
    let page = '';
    await until(async () => {
      await gateway.requestBurst();
      page = await gateway.text('/dashboard');
      return page.includes('requests left');
    });
    const models = await gateway.text('/dashboard/models');
    for (const shown of ['local-two/gpt-4o-mini', 'data-label="Share"']) expect(models).toContain(shown);
    const diagnostics = await gateway.text('/dashboard/diagnostics');
    for (const shown of ['idle of 1,000', 'POST /v1/chat/completions']) expect(diagnostics).toContain(shown);
    const calls = await gateway.text('/dashboard/calls');
    expect(calls).toMatch(/<span class="badge good">success<\/span>[^]*gpt-4o-mini/);
    for (const text of [page, models, diagnostics, calls]) expect(text).not.toContain('sk-local');
  });
});
