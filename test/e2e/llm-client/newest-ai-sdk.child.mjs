// Run from a folder with the newest AI SDK, with test/support/typescript-hook.js: model groups over
// the deployments of argv[2], and a model of the SDK as a deployment. Prints what came.
import { createRequire } from 'node:module';
import { createOpenAI } from '@ai-sdk/openai';
import * as ai from 'ai';
import { z } from 'zod';

const require = createRequire(import.meta.url);
const { FastLiteLLM } = require('nestjs-fast-litellm');
const { createFastLiteLLM, fromAiSdk } = require('nestjs-fast-litellm/ai-sdk');

const { down, up } = JSON.parse(process.argv[2]);
const logger = { log() {}, warn() {}, error() {} };
const deployment = (base, order) => ({ model_name: 'm', litellm_params: { model: 'openai/gpt-4o', api_base: base, api_key: 'sk', order } });
const weather = ai.tool({
  description: 'The weather',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `cold in ${city}`,
});

/** What an agent, a stream, an object and an error give. */
async function use(litellm_params) {
  const list = litellm_params ? [{ model_name: 'm', litellm_params }] : [deployment(down, 1), deployment(up, 2)];
  const llm = new FastLiteLLM({ logger, router: { modelList: list, numRetries: 0, disableCooldowns: true } });
  const models = createFastLiteLLM(llm);
  const model = models('m');
  const agent = await ai.generateText({ model, prompt: 'Weather?', tools: { weather }, stopWhen: ai.isStepCount(3), reasoning: 'low' });
  let streamed = '';
  for await (const part of ai.streamText({ model, prompt: 'Hi' }).textStream) streamed += part;
  const image = {
    type: 'file',
    mediaType: 'image/png',
    data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  };
  const seen = await ai.generateText({ model, messages: [{ role: 'user', content: [{ type: 'text', text: 'See' }, image] }] });
  const error = await ai.generateText({ model: models('none'), prompt: 'Hi' }).catch((thrown) => thrown);
  await llm.close();
  const { inputTokens, outputTokens } = agent.totalUsage ?? agent.usage;
  return {
    agent: agent.text,
    steps: agent.steps.length,
    tokens: [inputTokens, outputTokens],
    streamed,
    seen: seen.text,
    error: [ai.APICallError.isInstance(error), error.statusCode, error.isRetryable],
  };
}

const openai = createOpenAI({ baseURL: up, apiKey: 'sk' });
console.log(JSON.stringify({ groups: await use(), deployment: await use(fromAiSdk(openai.chat('gpt-4o'))) }));
