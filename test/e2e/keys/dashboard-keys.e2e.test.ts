import { ApiKeyService, FastLiteLLMDashboardModule, FastLiteLLMKeysModule } from 'nestjs-fast-litellm';
import { startProvider } from 'nestjs-fast-litellm/testing';
import { hashApiKey } from '../../../lib/keys/api-key.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { until } from '../../support/until.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';

const messages = [{ role: 'user', content: 'Hello' }];

describe('the dashboard of an app with API keys', () => {
  it('shows the public ids of the keys used last, and what they have spent, but no secret', async () => {
    const provider = await startProvider('openai', { script: 'Hello.' });
    const gateway = await GatewayApp.start(
      'Fastify',
      {},
      {
        module: { router: { modelList: [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' })] } },
        imports: [
          FastLiteLLMKeysModule.forRoot({ store: new MemoryKeyStore(), masterKey: 'sk-the-master-key' }),
          FastLiteLLMDashboardModule.forRoot({ token: 't' }),
        ],
      },
    );
    const keys = gateway.app.get(ApiKeyService, { strict: false });
    const first = await keys.create({ alias: '<mobile>', team: 'red', user: 'ann', limits: { usdPerDay: 2, requestsPerMinute: 2 } });
    const [second, unused] = [await keys.create(), await keys.create({ alias: 'unused' })];
    const chat = (key: string) => gateway.post('/v1/chat/completions', { model: 'gpt-4o', messages }, { authorization: `Bearer ${key}` });
    for (const { key } of [first, second, first]) expect((await chat(key)).status).toBe(200);
    const headers = { authorization: 'Bearer t' };
    const page = (await gateway.ask('/dashboard/keys', { method: 'GET', headers })).text;
    const data = (await gateway.ask('/dashboard/data', { method: 'GET', headers })).text;
    const shown = (JSON.parse(data) as { keys: { publicId: string; budgets: { spentUsd: number }[]; spentUsd: number }[] }).keys;
    expect(shown.map(({ publicId }) => publicId)).toEqual([first.record.publicId, second.record.publicId]);
    expect(shown[0]).toMatchObject({
      alias: '<mobile>',
      team: 'red',
      user: 'ann',
      state: 'active',
      budgets: [{ period: 'day', limitUsd: 2 }],
    });
    expect(shown[0].budgets[0].spentUsd).toBeGreaterThan(0);
    expect(shown[0].spentUsd).toBe(shown[0].budgets[0].spentUsd);
    expect(shown[1]).toMatchObject({ budgets: [], spentUsd: shown[0].spentUsd / 2 });
    const { limits } = JSON.parse(data) as { limits: { keyName?: string; remaining: number }[] };
    expect(limits).toContainEqual(expect.objectContaining({ keyName: '<mobile>', remaining: 0 }));
    const [card] = /<section class="card wide of-keys"[\s\S]*?<\/section>/.exec(page) ?? [''];
    expect(card).toContain('&lt;mobile&gt;');
    expect(card).toContain('of $2.00');
    expect(card).not.toContain('<mobile>');
    await keys.update(second.record.publicId, { blocked: true });
    expect((await chat(second.key)).status).toBe(403);
    // The snapshot is taken anew once in an interval.
    await until(async () => {
      const { text } = await gateway.ask('/dashboard/data', { method: 'GET', headers });
      return (JSON.parse(text) as { keys: { state: string }[] }).keys[1].state === 'blocked';
    });
    const metrics = JSON.stringify(gateway.llm.metrics());
    expect(metrics).toContain('api_keys_requests_total');
    for (const { key, record } of [first, second, unused]) {
      for (const text of [page, data, metrics]) {
        expect(text).not.toContain(key.slice(-43));
        expect(text).not.toContain(hashApiKey(key));
      }
      expect(metrics).not.toContain(record.publicId);
    }
    await gateway.stop();
    await provider.close();
  });

  it('has no page of keys in an app without them', async () => {
    const gateway = await GatewayApp.start('Express', {}, { imports: [FastLiteLLMDashboardModule.forRoot()] });
    const page = (await gateway.ask('/dashboard', { method: 'GET' })).text;
    expect(page).toContain('href="dashboard/models"');
    expect(page).not.toContain('href="dashboard/keys"');
    await gateway.stop();
  });
});
