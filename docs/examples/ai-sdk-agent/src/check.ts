import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { recordCalls, startProvider } from 'nestjs-fast-litellm/testing';
import assert from 'node:assert/strict';
import { AppModule } from './app.module.js';
import { OrdersService } from './orders.service.js';
import type { SupportAnswer } from './support.agent.js';

async function check(): Promise<void> {
  const usage = { promptTokens: 100, completionTokens: 10 };
  // OpenAI answers the first step and is overloaded from then on.
  const openai = await startProvider('openai', {
    script: [
      { toolCalls: [{ name: 'findOrder', arguments: { id: '17' } }], usage },
      { status: 503, message: 'overloaded' },
    ],
  });
  const anthropic = await startProvider('anthropic', {
    script: [
      { toolCalls: [{ name: 'refund', arguments: { id: '17', usd: 40 } }], usage },
      { text: 'Your kettle is refunded.', usage },
    ],
  });
  const modelList = [openai.deployment('agent'), anthropic.deployment('agent-backup')];
  const app = await NestFactory.create(AppModule.with(modelList), { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  const calls = recordCalls(app.get(FastLiteLLM));

  const response = await fetch(`${await app.getUrl()}/questions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ question: 'Order 17 is broken. Can I have my money back?' }),
  });
  const answer = (await response.json()) as SupportAnswer;

  assert.deepEqual(answer, {
    text: 'Your kettle is refunded.',
    tools: ['findOrder', 'refund'],
    answeredBy: ['openai-1/agent', 'anthropic-1/agent-backup', 'anthropic-1/agent-backup'],
    totalTokens: 330,
  });
  assert.equal(app.get(OrdersService).find('17')?.refundedUsd, 40);
  // The result of the first step's tool reached the provider that took over.
  assert.match(JSON.stringify(anthropic.requests[0].body), /kettle/);
  assert.deepEqual(anthropic.requests[0].toolNames, ['findOrder', 'refund']);
  // Three steps are three calls; attempts that failed are in none of their usages.
  calls.called(3).succeeded().fellBack(2).nothingInFlight();
  // A step that fails at OpenAI is tried there once more and then at Anthropic; the SDK repeats nothing.
  assert.equal(openai.requests.length + anthropic.requests.length, calls.attempts.length);

  await app.close();
  await Promise.all([openai.close(), anthropic.close()]);
}

check().then(
  () => console.log('ai-sdk-agent: tools, and the change of provider between two steps, are right'),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
