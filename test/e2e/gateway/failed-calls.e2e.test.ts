import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CallJournal } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';

const MESSAGES = [{ role: 'user', content: 'Hello' }];
const ID = /^[\da-f]{8}-[\da-f-]{27}$/;

describe.each(['Express', 'Fastify'] as const)('a failed call of the gateway on %s', (adapter) => {
  const folder = mkdtempSync(join(tmpdir(), 'failed-calls-'));
  const journal = new CallJournal({ file: join(folder, 'calls.jsonl') });
  const lines: string[] = [];
  const logger = { log: () => {}, error: () => {}, warn: (line: string) => void lines.push(line) };
  let provider: TestProvider;
  let gateway: GatewayApp;
  beforeAll(async () => {
    provider = await startProvider('openai', {
      script: (request) => ({ status: JSON.stringify(request.body).includes('busy') ? 429 : 500 }),
    });
    const modelList = ['one', 'two'].map((id) => ({ ...provider.deployment('chat', { model: 'openai/gpt-4o' }), model_info: { id } }));
    modelList.push({ ...provider.deployment('spare', { model: 'openai/gpt-4o' }), model_info: { id: 'spare-1' } });
    const router = { modelList, numRetries: 1, disableCooldowns: true, fallbacks: [{ chat: ['spare'] }] };
    gateway = await GatewayApp.start(adapter, {}, { module: { router, logger, hooks: [journal] } });
  });
  beforeEach(() => void lines.splice(0));
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    await journal.close();
    rmSync(folder, { recursive: true });
  });
  const failed = () => lines.filter((line) => line.startsWith('LLM client: call '));

  it('says in its headers which deployment failed, after which retries and fallbacks, and has an id', async () => {
    const { status, headers } = await gateway.post('/v1/chat/completions', { model: 'chat', messages: MESSAGES });
    expect([status, headers]).toMatchObject([
      500,
      {
        'x-litellm-call-id': expect.stringMatching(ID),
        'x-litellm-model-id': expect.stringMatching(/^(?:one|two)$/),
        'x-litellm-model-group': 'chat',
        'x-litellm-attempted-retries': '2',
        'x-litellm-attempted-fallbacks': '1',
      },
    ]);
    expect(failed()).toEqual([
      expect.stringMatching(/^LLM client: call \S+ to chat failed \(PROVIDER_SERVER, status 500, deployment (?:one|two)[^)]*\)$/),
    ]);
    expect(failed()[0]).toContain(headers['x-litellm-call-id']);
    await journal.close();
    expect(readFileSync(join(folder, 'calls.jsonl'), 'utf8')).toContain(headers['x-litellm-call-id']);
  });

  it('is logged once a minute for each model group and cause', async () => {
    const busy = { model: 'chat', messages: [{ role: 'user', content: 'busy' }] };
    for (let i = 0; i < 3; i++) expect((await gateway.post('/v1/chat/completions', busy)).status).toBe(429);
    expect((await gateway.post('/v1/chat/completions', { model: 'chat', messages: MESSAGES })).status).toBe(500);
    expect(failed()).toEqual([
      expect.stringContaining('to chat failed (PROVIDER_RATE_LIMIT, status 429, rate_limit_exceeded, deployment '),
    ]);
  });

  it('is not logged where the caller has to change the request, and names no deployment where none was asked', async () => {
    const { status, headers } = await gateway.post('/v1/chat/completions', { model: 'unknown', messages: MESSAGES });
    expect([status, headers['x-litellm-call-id'], headers['x-litellm-model-id']]).toEqual([404, expect.stringMatching(ID), undefined]);
    expect(failed()).toEqual([]);
  });

  it('has the same headers in the process', async () => {
    const response = await gateway.llm.fetch()('http://gateway/v1/messages', {
      method: 'POST',
      body: JSON.stringify({ model: 'spare', max_tokens: 5, messages: MESSAGES }),
    });
    expect([response.status, response.headers.get('x-litellm-model-id')]).toEqual([500, 'spare-1']);
    expect(response.headers.get('x-litellm-call-id')).toMatch(ID);
  });
});
