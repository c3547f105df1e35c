import { FastLiteLLM } from 'nestjs-fast-litellm';
import type { ServerResponse } from 'node:http';
import { RequestContext } from '../../../lib/http/request-context.js';
import { bedrockEvent } from '../../support/bedrock-frames.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

// Kinds of tokens and service tiers, as Gemini, Vertex AI and Bedrock report them, with prices of their own.

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const PRICES = {
  input_cost_per_token: 1e-5,
  output_cost_per_token: 4e-5,
  input_cost_per_audio_token: 3e-5,
  input_cost_per_image_token: 2e-5,
  output_cost_per_image_token: 3e-4,
  output_cost_per_audio_token: 2e-4,
  input_cost_per_token_priority: 2e-5,
  output_cost_per_token_priority: 8e-5,
  input_cost_per_token_flex: 5e-6,
  output_cost_per_token_flex: 2e-5,
};
const TEXT = { promptTokenCount: 100, candidatesTokenCount: 50, totalTokenCount: 150 };

const GEMINI: readonly (readonly [name: string, usage: object, usd: number])[] = [
  ['text', TEXT, 100 * 1e-5 + 50 * 4e-5],
  [
    'sound and pictures in the prompt',
    {
      ...TEXT,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 20 },
        { modality: 'AUDIO', tokenCount: 50 },
        { modality: 'IMAGE', tokenCount: 20 },
        { modality: 'IMAGE', tokenCount: 10 },
      ],
    },
    20 * 1e-5 + 50 * 3e-5 + 30 * 2e-5 + 50 * 4e-5,
  ],
  [
    'a picture that it draws',
    { ...TEXT, candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 45 }] },
    100 * 1e-5 + 5 * 4e-5 + 45 * 3e-4,
  ],
  ['speech', { ...TEXT, candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 50 }] }, 100 * 1e-5 + 50 * 2e-4],
  ["Vertex AI's priority", { ...TEXT, trafficType: 'ON_DEMAND_PRIORITY' }, 100 * 2e-5 + 50 * 8e-5],
  ["Vertex AI's flex", { ...TEXT, trafficType: 'ON_DEMAND_FLEX' }, 100 * 5e-6 + 50 * 2e-5],
  ["Vertex AI's other traffic", { ...TEXT, trafficType: 'PROVISIONED_THROUGHPUT' }, 100 * 1e-5 + 50 * 4e-5],
  [
    'kinds that are no list',
    { ...TEXT, promptTokensDetails: 'none', candidatesTokensDetails: [null, { modality: 'IMAGE' }] },
    100 * 1e-5 + 50 * 4e-5,
  ],
];

describe('costs of what providers report', () => {
  let llm: FastLiteLLM;
  let respond: (response: ServerResponse, url: string) => void;

  beforeAll(async () => {
    const base = await scripted((request, response) => void request.resume().on('end', () => respond(response, request.url ?? '')));
    const { origin } = new URL(base);
    const aws = { aws_access_key_id: 'AKIA', aws_secret_access_key: 'secret', aws_region_name: 'us-east-1', api_base: origin };
    llm = new FastLiteLLM({
      logger: quiet,
      rateLimit: { usdPerDay: 10 },
      router: {
        modelList: [
          { model_name: 'gemini', litellm_params: { model: 'gemini/m', api_base: `${origin}/v1beta`, api_key: 'k', ...PRICES } },
          { model_name: 'bedrock', litellm_params: { model: 'bedrock/anthropic.claude-m', ...aws, ...PRICES } },
        ],
      },
    });
  });
  beforeEach(() => llm.rateLimiter.reset('a'));
  afterAll(async () => {
    await llm.close();
    await stopProviders();
  });

  async function spent(model: string, stream: boolean): Promise<number> {
    const request = {};
    const context = RequestContext.of(request);
    context.hold.add(llm.rateLimiter, llm.rateLimiter.reserve('a', { usd: 0.000_000_001 }));
    const body = { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 50 };
    if (stream) for await (const chunk of await llm.client.chat({ ...body, stream: true }, { request })) void chunk;
    else await llm.client.chat(body, { request });
    context.hold.end(false);
    return llm.rateLimiter.getBudgets('a')[0].spentUsd;
  }

  it.each(GEMINI)('count %s of Gemini', async (_name, usageMetadata, usd) => {
    const answer = { candidates: [{ content: { role: 'model', parts: [{ text: 'hi' }] }, finishReason: 'STOP' }], usageMetadata };
    respond = (response, url) =>
      url.includes('streamGenerateContent')
        ? response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${JSON.stringify(answer)}\n\n`)
        : response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    expect(await spent('gemini', false)).toBeCloseTo(usd, 9);
    llm.rateLimiter.reset('a');
    expect(await spent('gemini', true)).toBeCloseTo(usd, 9);
  });

  it.each([
    ['priority', 100 * 2e-5 + 50 * 8e-5],
    ['flex', 100 * 5e-6 + 50 * 2e-5],
    ['default', 100 * 1e-5 + 50 * 4e-5],
  ])('settle the %s tier that Bedrock reports', async (type, usd) => {
    const usage = { inputTokens: 100, outputTokens: 50, totalTokens: 150 };
    const serviceTier = { type };
    respond = (response, url) => {
      if (!url.includes('converse-stream')) {
        const answer = {
          output: { message: { role: 'assistant', content: [{ text: 'hi' }] } },
          stopReason: 'end_turn',
          usage,
          serviceTier,
        };
        return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      }
      const events = [
        bedrockEvent('messageStart', { role: 'assistant' }),
        bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'hi' } }),
        bedrockEvent('contentBlockStop', { contentBlockIndex: 0 }),
        bedrockEvent('messageStop', { stopReason: 'end_turn' }),
        bedrockEvent('metadata', { usage, metrics: { latencyMs: 1 }, serviceTier }),
      ];
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' }).end(Buffer.concat(events));
    };
    expect(await spent('bedrock', false)).toBeCloseTo(usd, 9);
    llm.rateLimiter.reset('a');
    expect(await spent('bedrock', true)).toBeCloseTo(usd, 9);
  });
});
