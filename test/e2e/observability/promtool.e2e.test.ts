import { spawnSync } from 'node:child_process';
import { FastLiteLLM, redisRateLimitStore, redisRouterState } from 'nestjs-fast-litellm';
import { Registry } from 'prom-client';
import { noRedis } from '../../support/no-redis.js';
import { SampleGateway } from '../sample-app/sample-gateway.js';

const isInstalled = spawnSync('promtool', ['--version']).status === 0;
if (!isInstalled) process.stderr.write("no promtool (Debian's package prometheus): the metrics are not checked by it\n");
const describeWithPromtool = isInstalled ? describe : describe.skip;

/** What Prometheus' own linter says, line by line. */
function complaints(metrics: string): string[] {
  const { stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' });
  if (error !== undefined) throw error;
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
}

describeWithPromtool('promtool check metrics', () => {
  it('accepts /metrics of the sample app', async () => {
    const gateway = await SampleGateway.start();
    await gateway.exercise();
    await gateway.text('/metrics');
    const metrics = await gateway.text('/metrics');
    await gateway.stop();
    expect(complaints(metrics)).toEqual([]);
    for (const used of ['token_counting_calls', 'rate_limit_allowed', 'router_picks', 'connection_pool_opened', 'llm_client_calls']) {
      expect(metrics).toMatch(new RegExp(`^fast_litellm_${used}_total(?:{[^}]*})? [1-9]`, 'm'));
    }
    expect(metrics).toMatch(/^fast_litellm_call_duration_seconds{component="llm_client",operation="chat",percentile="95"} \d+\.\d+$/m);
  });

  it('accepts the metrics of shared state', async () => {
    const registry = new Registry();
    const llm = new FastLiteLLM({
      metrics: { registry },
      rateLimit: { requestsPerMinute: 1, store: redisRateLimitStore({ client: noRedis, onStoreError: 'local' }) },
      router: { sharedState: redisRouterState({ client: noRedis }) },
    });
    const metrics = await registry.metrics();
    await llm.close();
    expect(complaints(metrics)).toEqual([]);
    for (const name of ['rate_limit_store_up', 'router_shared_state_up'])
      expect(metrics).toContain(`\n# TYPE fast_litellm_${name} gauge\n`);
  });

  it('rejects invalid metrics', () => {
    const wrong = '# HELP requests_counter x\n# TYPE requests_counter counter\nrequests_counter 1\n';
    expect(complaints(wrong).join()).toContain('requests_counter');
  });
});
