import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { makeCertificates } from '../../support/certificates.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

// Operators read why a call failed; clients do not.

const KEY = 'sk-deployment-4f8a91c';
const MESSAGES = [{ role: 'user' as const, content: 'Hello' }];

describe.each(['Express', 'Fastify'] as const)('the cause of a failure, on %s', (adapter) => {
  const lines: string[] = [];
  const logger = { log: () => {}, error: () => {}, warn: (line: string) => void lines.push(line) };
  const tls = createTlsServer(makeCertificates('localhost'), (_, response) => response.end());
  let refusal = 401;
  let gateway: GatewayApp;
  beforeAll(async () => {
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    const closed = await scripted((request) => request.socket.destroy());
    const refusing = await scripted((_, response) => {
      const error = { message: `Incorrect API key provided: ${KEY}`, type: 'invalid_request_error', code: 'invalid_api_key' };
      response.writeHead(refusal, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    });
    const good = await scripted((_, response) => {
      const answer = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    const bases: Readonly<Record<string, string>> = {
      refused: 'http://127.0.0.1:1/v1',
      unknown: 'http://no-such-host.invalid/v1',
      certificate: `https://127.0.0.1:${(tls.address() as AddressInfo).port}/v1`,
      reset: closed,
      refusing,
      good,
    };
    const modelList = Object.entries(bases).map(([name, api_base]) => ({
      model_name: name,
      litellm_params: { model: 'openai/m', api_base, api_key: KEY },
      model_info: { id: `${name}-1` },
    }));
    const router = { modelList, numRetries: 0, disableCooldowns: true, fallbacks: [{ unknown: ['good'] }] };
    gateway = await GatewayApp.start(adapter, { rateLimit: { default: false } }, { module: { router, logger } });
  });
  beforeEach(() => void lines.splice(0));
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
    tls.close();
  });

  it.each([
    ['refused', 'ECONNREFUSED'],
    ['certificate', /SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE/],
    ['reset', /ECONNRESET|UND_ERR_SOCKET/],
  ])('is in the log and not in the answer: %s', async (model, code) => {
    const { status, text } = await gateway.post('/v1/chat/completions', { model, messages: MESSAGES });
    expect([status, JSON.parse(text)]).toMatchObject([502, { error: { message: 'The connection to the provider failed.', code: null } }]);
    expect(lines).toEqual([expect.stringMatching(code)]);
    expect(lines[0]).toContain(`to ${model} failed (PROVIDER_CONNECTION, `);
  });

  it('of a call that a fallback has answered is logged once a minute, and counted', async () => {
    for (let i = 0; i < 3; i++) {
      const { status } = await gateway.post('/v1/chat/completions', { model: 'unknown', messages: MESSAGES });
      expect(status).toBe(200);
    }
    expect(lines).toEqual([
      expect.stringMatching(
        /^LLM client: a call to unknown was answered by deployment good-1 after a failure \(PROVIDER_CONNECTION, (?:ENOTFOUND|EAI_AGAIN), deployment unknown-1\)$/,
      ),
    ]);
    const samples = gateway.llm.client.metrics().filter(({ name }) => name === 'llm_client_recovered_calls_total');
    expect(samples.filter(({ value }) => value > 0)).toMatchObject([{ labels: { cause: 'connection' }, value: 3 }]);
    expect(samples).toHaveLength(10);
  });

  it.each([401, 402, 403])("is not reported as an error of the client's key if the provider answers %i", async (status) => {
    refusal = status;
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-of-the-client', maxRetries: 0 });
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'sk-of-the-client', maxRetries: 0 });
    const asked = { model: 'refusing', messages: MESSAGES, max_tokens: 9 };
    const errors = await Promise.all(
      [
        openai.chat.completions.create(asked),
        openai.chat.completions.create({ ...asked, stream: true }),
        anthropic.messages.create(asked),
      ].map((call) => Promise.resolve(call).catch((thrown: unknown) => thrown as Error & { readonly status: number })),
    );
    for (const error of errors) {
      expect(error).toMatchObject({ status: 503 });
      expect(`${(error as Error).message} ${JSON.stringify(error)}`).not.toMatch(/4f8a91c|invalid_api_key/);
    }
    expect(lines.join()).not.toContain('4f8a91c');
    if (status === 401)
      expect(lines).toEqual([expect.stringContaining('(PROVIDER_AUTHENTICATION, status 401, invalid_api_key, deployment')]);
  });
});
