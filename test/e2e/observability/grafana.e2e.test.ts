import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM, redisRateLimitStore, redisRouterState } from 'nestjs-fast-litellm';
import { Registry } from 'prom-client';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { noRedis } from '../../support/no-redis.js';
import { SampleGateway } from '../sample-app/sample-gateway.js';
import { root } from '../../project/sources.js';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[] };
}

const dashboard = JSON.parse(readFileSync(join(root, 'docs/grafana-dashboard.json'), 'utf8')) as Dashboard;
const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));
const variables = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);

/** An answer whose provider tells the cost. */
const TOLD = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150, cost: 0.0004, is_byok: false },
};

/** By metric, by label, the values that were seen. */
type Seen = Map<string, Map<string, Set<string>>>;

function see(metrics: string, seen: Seen): void {
  for (const [, name, labels = ''] of metrics.matchAll(/^((?:fast_litellm|nodejs|process)_\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = seen.get(name) ?? new Map<string, Set<string>>();
    seen.set(name, known);
    for (const [, label, value] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      known.set(label, (known.get(label) ?? new Set()).add(value));
  }
}

/** Prometheus adds these to whatever it scrapes. */
const OF_PROMETHEUS = ['job', 'instance'];
const isMatched = (operator: string, wanted: string, value: string): boolean =>
  operator === '=' ? value === wanted : new RegExp(`^(?:${wanted})$`).test(value);

/** What a query asks for that is not there. */
function missing(expr: string, legend: string, seen: Seen): string[] {
  const complaints: string[] = [];
  for (const [, name, matchers = ''] of expr.matchAll(/\b((?:fast_litellm|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)) {
    const labels = seen.get(name);
    if (labels === undefined) {
      complaints.push(name);
      continue;
    }
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names]) => names.split(', '));
    const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
    for (const label of [...grouped, ...shown])
      if (!OF_PROMETHEUS.includes(label) && !labels.has(label)) complaints.push(`${name} by ${label}`);
    for (const [matcher, label, operator, value] of matchers.matchAll(/(\w+)(=~?)"([^"]*)"/g)) {
      if (OF_PROMETHEUS.includes(label)) continue;
      if (![...(labels.get(label) ?? [])].some((known) => isMatched(operator, value, known))) complaints.push(`${name}{${matcher}}`);
    }
  }
  return complaints;
}

describe('the dashboard for Grafana', () => {
  const seen: Seen = new Map();

  beforeAll(async () => {
    const gateway = await SampleGateway.start();
    await gateway.exercise();
    // Engines are sampled: so few calls may have left nothing.
    const { monitor } = gateway.app.get(FastLiteLLM);
    monitor.recordPerformance({ component: 'rust_routing', operation: 'pick', durationMs: 0.001 });
    await gateway.text('/metrics');
    see(await gateway.text('/metrics'), seen);
    await gateway.stop();

    const registry = new Registry();
    const store = redisRateLimitStore({ client: noRedis, onStoreError: 'local' });
    const shared = { rateLimit: { requestsPerMinute: 1, store }, router: { sharedState: redisRouterState({ client: noRedis }) } };
    const telling = await testProvider('openai');
    telling.use(() => ({ body: TOLD }));
    const modelList = [telling.deployment('m', { model: 'openrouter/m' })];
    const router = { ...shared.router, modelList };
    const llm = new FastLiteLLM({ metrics: { registry }, llmClient: { queue: {} }, ...shared, router });
    await llm.client.chat({ model: 'm', messages: [{ role: 'user', content: 'Hello' }] });
    // The first scrape finds metrics that have come since the start, the second shows them.
    await registry.metrics();
    see(await registry.metrics(), seen);
    await llm.close();
    await stopProviders();
  });

  it.each(queries.map(({ title, expr, legendFormat }) => [title, expr, legendFormat]))('%s: %s finds its metrics', (_, expr, legend) => {
    expect(missing(expr, legend, seen)).toEqual([]);
    expect(expr).toMatch(/\b(?:fast_litellm|nodejs|process)_\w+\{.*job=~"\$job", instance=~"\$instance"\}/);
  });

  it('finds a missing metric', () => {
    expect(missing('sum(fast_litellm_nothing_total)', '', seen)).toEqual(['fast_litellm_nothing_total']);
    expect(missing('sum by (key) (fast_litellm_router_picks_total)', '{{key}}', seen)).toHaveLength(2);
    expect(missing('fast_litellm_router_deployments{state="gone"}', '', seen)).toEqual(['fast_litellm_router_deployments{state="gone"}']);
    expect(missing('fast_litellm_router_deployments{state=~"cool.*"}', '{{state}}', seen)).toEqual([]);
  });

  it('has variables for job and instance', () => {
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', ...OF_PROMETHEUS]);
    for (const definition of variables) expect(missing(definition, '', seen)).toEqual([]);
  });

  it('has panels that do not overlap, with unique titles and ids', () => {
    const cells = new Set<string>();
    for (const { gridPos, title } of dashboard.panels) {
      expect(title).not.toBe('');
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells).not.toContain(`${x},${y}`);
          cells.add(`${x},${y}`);
        }
      }
    }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
  (hasPromtool ? it : it.skip)('asks in PromQL', () => {
    const folder = mkdtempSync(join(tmpdir(), 'grafana-'));
    const rules = queries.map(({ expr }, i) => ({
      record: `query:${i}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(job|instance)/g, '.*'),
    }));
    const file = join(folder, 'rules.yaml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`${queries.length} rules found`);
  });
});
