import { RateLimiterService } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';
import { deploymentOf } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// What requests that are no chat cost under a budget: invoice by the prices of tokens, ledger through a gateway.

const [TEXT, SOUND, PICTURE, OUTPUT, DRAWN] = [1e-6, 7e-6, 3e-6, 11e-6, 40e-6];
const PRICES = {
  input_cost_per_token: TEXT,
  input_cost_per_audio_token: SOUND,
  input_cost_per_image_token: PICTURE,
  output_cost_per_token: OUTPUT,
  output_cost_per_image_token: DRAWN,
};

describe('requests that are no chat', () => {
  let upstream: TestProvider;
  let gateway: GatewayApp;
  let answer: object;
  beforeAll(async () => {
    upstream = await startProvider('openai', { script: () => ({ body: answer }) });
    gateway = await GatewayApp.start(
      'Express',
      {},
      {
        module: {
          rateLimit: { usdPerDay: 1_000 },
          router: {
            numRetries: 0,
            modelList: [
              deploymentOf('m', { name: 'm-1', apiBase: upstream.apiBase }, { model: 'openai/any', ...PRICES }),
              deploymentOf(
                'by-request',
                { name: 'q-1', apiBase: upstream.apiBase },
                { model: 'openai/ranker', input_cost_per_request: 0.002 },
              ),
              deploymentOf('by-second', { name: 's-1', apiBase: upstream.apiBase }, { model: 'openai/x-1', output_cost_per_second: 0.01 }),
              deploymentOf(
                'by-letter',
                { name: 'l-1', apiBase: upstream.apiBase },
                { model: 'openai/x-2', input_cost_per_character: 0.01 },
              ),
              deploymentOf('by-picture', { name: 'p-1', apiBase: upstream.apiBase }, { model: 'openai/x-3', input_cost_per_image: 0.04 }),
            ],
          },
        },
      },
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.close();
  });

  const standing = () => gateway.app.get(RateLimiterService).getBudgets('ip:127.0.0.1')[0] ?? { spentUsd: 0, heldUsd: 0 };
  const form = (fields: Readonly<Record<string, string>>): FormData => {
    const sent = new FormData();
    for (const [name, value] of Object.entries(fields)) sent.set(name, value);
    sent.set('file', new Blob([Buffer.alloc(64)]), 'a.mp3');
    return sent;
  };
  const send = async (path: string, body: object | FormData): Promise<{ readonly status: number; readonly cost: number }> => {
    const before = standing().spentUsd;
    const init = body instanceof FormData ? { body } : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await fetch(`${gateway.url}/v1/${path}`, { method: 'POST', ...init });
    await response.arrayBuffer();
    await until(() => standing().heldUsd === 0);
    return { status: response.status, cost: standing().spentUsd - before };
  };

  it.each<[string, string, object | FormData, object, number]>([
    [
      'pictures that are drawn',
      'images/generations',
      { model: 'm', prompt: 'A harbour', n: 2 },
      { input_tokens: 50, output_tokens: 900, total_tokens: 950, input_tokens_details: { text_tokens: 30, image_tokens: 20 } },
      30 * TEXT + 20 * PICTURE + 900 * DRAWN,
    ],
    [
      'pictures whose provider tells what it has drawn',
      'images/generations',
      { model: 'm', prompt: 'A harbour' },
      { input_tokens: 50, output_tokens: 900, total_tokens: 950, output_tokens_details: { text_tokens: 100, image_tokens: 800 } },
      50 * TEXT + 100 * OUTPUT + 800 * DRAWN,
    ],
    [
      'a recording that is transcribed',
      'audio/transcriptions',
      form({ model: 'm' }),
      { type: 'tokens', input_tokens: 80, output_tokens: 12, total_tokens: 92, input_token_details: { text_tokens: 10, audio_tokens: 70 } },
      10 * TEXT + 70 * SOUND + 12 * OUTPUT,
    ],
    ['embeddings', 'embeddings', { model: 'm', input: ['a', 'b'] }, { prompt_tokens: 17, total_tokens: 17 }, 17 * TEXT],
    ['a rerank by tokens', 'rerank', { model: 'm', query: 'a', documents: ['b'] }, { total_tokens: 23 }, 23 * TEXT],
    ['a moderation with a usage', 'moderations', { model: 'm', input: 'a' }, { prompt_tokens: 9, total_tokens: 9 }, 9 * TEXT],
  ])('cost what their provider reports by the price of each kind of token: %s', async (_, path, body, usage, expected) => {
    answer = { created: 1, data: [], results: [], text: 'hello', usage };
    const { status, cost } = await send(path, body);
    expect(status).toBe(200);
    expect(cost).toBeCloseTo(expected, 9);
  });

  it('cost the fee of a request', async () => {
    answer = { results: [{ index: 0, relevance_score: 1 }], meta: { billed_units: { search_units: 1 } } };
    const { status, cost } = await send('rerank', { model: 'by-request', query: 'a', documents: ['b'] });
    expect(status).toBe(200);
    expect(cost).toBeCloseTo(0.002, 9);
  });

  it.each<[string, string, object | FormData]>([
    ['seconds', 'audio/transcriptions', form({ model: 'by-second' })],
    ['characters', 'audio/speech', { model: 'by-letter', input: 'hello', voice: 'alloy' }],
    ['pictures', 'images/generations', { model: 'by-picture', prompt: 'a' }],
  ])('are refused where their model is priced by %s, and cost nothing', async (_, path, body) => {
    const before = upstream.requests.length;
    expect(await send(path, body)).toEqual({ status: 400, cost: 0 });
    expect(upstream.requests).toHaveLength(before);
  });
});
