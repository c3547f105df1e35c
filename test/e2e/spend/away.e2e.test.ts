import {
  FastLiteLLMDashboardModule,
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  FastLiteLLMSpendModule,
  postgresStore,
} from 'nestjs-fast-litellm';
import { GatewayApp } from '../../support/gateway-app.js';

const MASTER = 'sk-the-master-key-0123456';

describe('questions about spend while PostgreSQL is away', () => {
  let gateway: GatewayApp;
  beforeAll(async () => {
    // Nothing listens on this port.
    const store = postgresStore({ url: 'postgres://user:hidden@127.0.0.1:1/app', timeoutMs: 500 });
    gateway = await GatewayApp.start('Express', FastLiteLLMGatewayModule.forRoot(), {
      module: { router: { modelList: [] } },
      imports: [
        FastLiteLLMKeysModule.forRoot({ masterKey: MASTER }),
        FastLiteLLMSpendModule.forRoot({ store }),
        FastLiteLLMDashboardModule.forRoot(),
      ],
    });
  });
  afterAll(() => gateway.stop());

  it.each(['/spend/logs/v2', '/spend/tags', '/global/spend', '/user/daily/activity', '/spend/logs/ui/x'])(
    'get 503 from %s',
    async (path) => {
      const { status, text } = await gateway.ask(path, { method: 'GET', headers: { authorization: `Bearer ${MASTER}` } });
      expect([status, (JSON.parse(text) as { error: { code: string } }).error.code]).toEqual([503, 'spend_log_unavailable']);
      expect(text).not.toContain('hidden');
    },
  );

  it('get 503 from an export, before its head', async () => {
    const { status, text } = await gateway.ask('/spend/export', { method: 'GET', headers: { authorization: `Bearer ${MASTER}` } });
    expect([status, text]).toEqual([503, expect.stringContaining('spend_log_unavailable')]);
  });

  it('get a page that explains it', async () => {
    const answer = await fetch(`${gateway.url}/dashboard/spending`, { headers: { authorization: `Bearer ${MASTER}` } });
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('The database is unavailable at the moment.')]);
  });
});
