import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';

const MESSAGES = [{ role: 'user', content: 'Hello' }];

describe('an error of the caller', () => {
  let provider: TestProvider;
  let gateway: GatewayApp;
  beforeAll(async () => {
    provider = await startProvider('openai', {
      script: (request) => (JSON.stringify(request.body).includes('broken') ? { status: 500 } : { status: 400 }),
    });
    const modelList = [
      { ...provider.deployment('chat', { model: 'openai/gpt-4o' }), model_info: { id: 'one' } },
      { ...provider.deployment('small', { model: 'openai/gpt-4o' }), model_info: { id: 'two', max_input_tokens: 3 } },
    ];
    const router = { modelList, numRetries: 0, enablePreCallChecks: true };
    gateway = await GatewayApp.start('Fastify', {}, { module: { router } });
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
  });

  function calls(outcome: string): number | undefined {
    return gateway.llm.metrics().find(({ name, labels }) => name === 'llm_client_calls_total' && labels?.outcome === outcome)?.value;
  }

  it.each([
    ['an unknown model', { model: 'unknown' }, 404],
    ['a prompt that is too long', { model: 'small' }, 400],
    ['what the provider answers with 400', { model: 'chat' }, 400],
  ])('counts %s as a refused call, not as a failed one', async (_, body, status) => {
    const before = calls('refused') ?? NaN;
    expect((await gateway.post('/v1/chat/completions', { ...body, messages: MESSAGES })).status).toBe(status);
    expect([calls('refused'), calls('failed')]).toEqual([before + 1, 0]);
  });

  it('is told from a failure of the provider', async () => {
    const before = calls('refused');
    const body = { model: 'chat', messages: [{ role: 'user', content: 'broken' }] };
    expect((await gateway.post('/v1/chat/completions', body)).status).toBe(500);
    expect([calls('refused'), calls('failed')]).toEqual([before, 1]);
  });
});
