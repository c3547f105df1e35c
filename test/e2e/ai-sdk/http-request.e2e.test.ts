import { Body, Controller, Post, Req, Res, UseGuards } from '@nestjs/common';
import { jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { FastLiteLLM, RateLimit, RateLimitGuard } from 'nestjs-fast-litellm';
import { createFastLiteLLM } from 'nestjs-fast-litellm/ai-sdk';
import type { ServerResponse } from 'node:http';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { SCRIPTED_USAGE, ScriptedProvider } from '../../support/protocols/protocol-script.js';
import { until } from '../../support/until.js';

afterAll(stopProviders);

type Response = ServerResponse & { readonly raw?: ServerResponse; hijack?(): void };

@Controller('answers')
@UseGuards(RateLimitGuard)
class AnswerController {
  constructor(private readonly llm: FastLiteLLM) {}

  @Post()
  @RateLimit({ tokensPerMinute: 10_000, tokens: 5000, key: () => 'tenant:7', name: 'answers' })
  answer(@Body('prompt') prompt: string, @Req() request: object, @Res() response: Response): void {
    response.hijack?.();
    const models = createFastLiteLLM(this.llm, { callOptions: { request, response: response.raw ?? response } });
    const look = tool({ inputSchema: jsonSchema<object>({ type: 'object', properties: {} }), execute: () => 'Seen.' });
    const result = streamText({ model: models('m'), prompt, tools: { look }, stopWhen: stepCountIs(3) });
    void result.pipeTextStreamToResponse(response.raw ?? response);
  }
}

it.each(Object.keys(ADAPTERS) as AdapterName[])('settles what the guard reserved by all steps of an agent, on %s', async (adapter) => {
  const answers = [{ calls: [{ name: 'look', input: {} }] }, { text: 'It is there.' }];
  const [provider, origin] = await ScriptedProvider.start(OPENAI_SCRIPT, (at) => answers[at]);
  const around = { module: { router: { modelList: [provider.deployment('m', origin)] } }, controllers: [AnswerController] };
  const app = await GatewayApp.start(adapter, { endpoints: ['health'] }, around);
  const { status, text } = await app.post('/answers', { prompt: 'Where?' });
  expect([status, text]).toEqual([200, 'It is there.']);
  const used = 2 * (SCRIPTED_USAGE.input + SCRIPTED_USAGE.output);
  const limits = { tokensPerMinute: 10_000 };
  const left = (): number | undefined => app.llm.rateLimiter.peek('tenant:7', { limit: 'answers', limits, cost: 0 }).remainingTokens;
  await until(() => left() === 10_000 - used);
  await app.stop();
});
