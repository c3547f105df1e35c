import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { root } from '../../project/sources.js';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const file = join(root, 'docs/prometheus-alerts.yml');
const rules = (parse(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const documented = readFileSync(join(root, 'docs/observability.md'), 'utf8');

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
if (!hasPromtool) process.stderr.write("no promtool (Debian's package prometheus): the alerts are not checked by it\n");
const itWithPromtool = hasPromtool ? it : it.skip;

/** By alert, what is to be seen for it to be raised, every 15 seconds, and for how long. */
const RAISED: Readonly<Record<string, { readonly series: Readonly<Record<string, string>>; readonly afterS: number }>> = {
  FastLiteLLMNoDeploymentLeft: {
    series: { 'router_deployments{state="available"}': '2 0x20', 'router_deployments{state="cooling"}': '0 2x20' },
    afterS: 60,
  },
  FastLiteLLMCapabilityDown: { series: { 'health{capability="routing"}': '1 0x20' }, afterS: 90 },
  FastLiteLLMCapabilityDegraded: { series: { 'health{capability="routing"}': '1 0.5x40' }, afterS: 420 },
  FastLiteLLMLimiterOutage: { series: { rate_limit_store_up: '1 0x20' }, afterS: 90 },
  FastLiteLLMFeatureTripped: { series: { 'feature_tripped{feature="rust_routing"}': '0 1x20' }, afterS: 60 },
  FastLiteLLMPoolExhausted: { series: { connection_pool_waiting: '0 3x40' }, afterS: 240 },
  FastLiteLLMFirstTokenSlow: {
    series: { 'call_duration_seconds{component="llm_client",operation="first_chunk",percentile="95"}': '1 9x60' },
    afterS: 420,
  },
  FastLiteLLMCallsFail: {
    series: { 'llm_client_calls_total{outcome="failed"}': '0+1x60', 'llm_client_calls_total{outcome="succeeded"}': '0+9x60' },
    afterS: 600,
  },
  FastLiteLLMQueueOverflows: {
    series: {
      'llm_client_queue_left_total{class="batch",outcome="timeout"}': '0+3x60',
      'llm_client_queue_left_total{class="batch",outcome="served"}': '0+9x60',
    },
    afterS: 600,
  },
  FastLiteLLMBudgetDenies: { series: { 'rate_limit_denied_total{exceeded="usd"}': '0+1x60' }, afterS: 600 },
  FastLiteLLMClientBudgetNearlyUsed: { series: { 'rate_limit_budget_alerts_total{mark="0.8"}': '0x4 1x40' }, afterS: 300 },
  FastLiteLLMDeploymentFails: {
    series: {
      'router_deployment_calls_total{deployment="west",outcome="failure"}': '0+1x60',
      'router_deployment_calls_total{deployment="west",outcome="success"}': '0+3x60',
    },
    afterS: 600,
  },
  FastLiteLLMBudgetNearlyUsed: {
    series: { 'router_budget_remaining_usd{budget="team"}': '10 0.5x20', 'router_budget_usd{budget="team"}': '10x21' },
    afterS: 60,
  },
};

/** All that they ask for, of a process that is well and busy. */
const WELL = {
  'router_deployments{state="available"}': '2x60',
  'router_deployments{state="cooling"}': '0x60',
  'health{capability="routing"}': '1x60',
  rate_limit_store_up: '1x60',
  'rate_limit_store_outage_answers_total{answer="deny"}': '7x60',
  'feature_tripped{feature="rust_routing"}': '0x60',
  connection_pool_waiting: '0 2 0x58',
  connection_pool_timeouts_total: '3x60',
  'call_duration_seconds{component="llm_client",operation="first_chunk",percentile="95"}': '1x60',
  'llm_client_calls_total{outcome="failed"}': '0+1x60',
  'llm_client_calls_total{outcome="succeeded"}': '0+99x60',
  'llm_client_queue_left_total{class="batch",outcome="served"}': '0+99x60',
  'llm_client_queue_left_total{class="batch",outcome="cancelled"}': '0+3x60',
  'llm_client_queue_left_total{class="batch",outcome="timeout"}': '5x60',
  'rate_limit_denied_total{exceeded="usd"}': '7x60',
  'rate_limit_denied_total{exceeded="minute"}': '0+1x60',
  'rate_limit_budget_alerts_total{mark="0.5"}': '0+1x60',
  'rate_limit_budget_alerts_total{mark="0.8"}': '3x60',
  'router_deployment_calls_total{deployment="west",outcome="failure"}': '0+1x60',
  'router_deployment_calls_total{deployment="west",outcome="success"}': '0+99x60',
  'router_deployment_calls_total{deployment="west",outcome="refused"}': '0+99x60',
  'router_budget_remaining_usd{budget="team"}': '10x60',
  'router_budget_usd{budget="team"}': '10x60',
  'router_budget_remaining_usd{budget="of nothing"}': '0x60',
  'router_budget_usd{budget="of nothing"}': '0x60',
};

function seriesOf(values: Readonly<Record<string, string>>): { series: string; values: string }[] {
  return Object.entries(values).map(([name, seen]) => {
    const [metric, labels = ''] = name.split(/[{}]/);
    return { series: `fast_litellm_${metric}{job="app",instance="one"${labels && `,${labels}`}}`, values: seen };
  });
}

/** What Prometheus' own tool makes of a file. */
function promtool(...args: string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

/** The names of the alerts that are raised, or why they cannot be told. */
function testRules(input: Readonly<Record<string, string>>, afterS: number, alert: string, isRaised: boolean): string {
  const folder = mkdtempSync(join(tmpdir(), 'alerts-'));
  const path = join(folder, 'test.yml');
  const expr = `count(ALERTS{alertstate="firing",alertname="${alert}"}) or vector(0)`;
  const tests = [
    {
      interval: '15s',
      input_series: seriesOf(input),
      promql_expr_test: [{ expr, eval_time: `${afterS}s`, exp_samples: [{ labels: '{}', value: isRaised ? 1 : 0 }] }],
    },
  ];
  // JSON is YAML.
  writeFileSync(path, JSON.stringify({ rule_files: [file], evaluation_interval: '15s', tests }));
  const { status, said } = promtool('test', 'rules', path);
  rmSync(folder, { recursive: true });
  return status === 0 ? '' : said;
}

describe('the alerts for Prometheus', () => {
  it('use existing metrics, and fire with a description', () => {
    for (const { expr, annotations } of rules) {
      for (const [name] of expr.matchAll(/\bfast_litellm_\w+/g)) expect(documented).toContain(`\`${name}\``);
      expect(annotations.summary).toMatch(/\{\{/);
    }
    expect(rules.map(({ alert }) => alert).sort()).toEqual(Object.keys(RAISED).sort());
  });

  itWithPromtool('are rules', () => {
    const { status, said } = promtool('check', 'rules', file);
    expect({ status, said }).toEqual({ status: 0, said: expect.stringContaining(`${rules.length} rules found`) as string });
  });

  itWithPromtool.each(Object.entries(RAISED))('%s is raised when it should be', (alert, { series, afterS }) => {
    expect(testRules(series, afterS, alert, true)).toBe('');
  });

  itWithPromtool('are silent where all is well', () => {
    for (const { alert } of rules) for (const afterS of [60, 300, 600]) expect(testRules(WELL, afterS, alert, false)).toBe('');
  });
});
