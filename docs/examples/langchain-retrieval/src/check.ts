import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { recordCalls } from 'nestjs-fast-litellm/testing';
import assert from 'node:assert/strict';
import { AppModule } from './app.module.js';
import { CHUNK_TOKENS, CONTEXT_TOKENS, type LibraryAnswer } from './library.service.js';
import { localDeployments, startLocalProvider } from './providers.js';

const TIDES =
  'Tides rise and fall because the moon pulls at the ocean. The sun pulls as well, with less than half of that force. ' +
  'Twice in a month both pull along one line, and the tide is a spring tide. A week later they pull across each other.';
const BREAD =
  'Bread needs flour, water, salt and yeast. The yeast eats sugar and leaves gas, which lifts the dough for some hours. ' +
  'A hot oven stops the yeast; the crust browns and the crumb sets. Let a loaf cool before you cut it.';

const MANY_TIDES = `${TIDES} ${'tide '.repeat(100)}. `.repeat(10);

async function check(): Promise<void> {
  const provider = await startLocalProvider();
  const app = await NestFactory.create(AppModule.with(localDeployments(provider)), { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  const origin = await app.getUrl();
  const { tokenCounter } = app.get(FastLiteLLM);
  const calls = recordCalls(app.get(FastLiteLLM));

  const post = async <Answer>(path: string, body: object): Promise<Answer> => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(origin + path, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(response.status, 201, await response.clone().text());
    return (await response.json()) as Answer;
  };

  // Long documents become chunks of at most so many tokens, by the tokenizer of the model.
  const { chunks } = await post<{ chunks: number }>('/documents', { title: 'tides', text: MANY_TIDES });
  assert.ok(chunks > 20, `${chunks} chunks`);
  await post('/documents', { title: 'bread', text: BREAD });
  const embedded = provider.requests.flatMap(({ body }) => (body as { input: string[] }).input);
  const sizes = embedded.map((text) => tokenCounter.countTokens(text, 'text-embedding-3-small'));
  assert.ok(Math.max(...sizes) <= CHUNK_TOKENS, `a chunk has ${Math.max(...sizes)} tokens`);
  assert.ok(Math.max(...sizes) > CHUNK_TOKENS / 2, 'chunks are far smaller than they may be');
  assert.ok(embedded.join('').startsWith(MANY_TIDES), 'text was lost');

  const bread = await post<LibraryAnswer>('/questions', { question: 'What lifts the dough, and what stops the yeast?' });
  assert.equal(bread.sources[0], 'bread');
  assert.match(bread.answer, /yeast/);

  // Many chunks fit the question, and the prompt holds no more of them than its budget allows.
  const tides = await post<LibraryAnswer>('/questions', { question: 'Why does the moon pull at the ocean in a tide?' });
  assert.deepEqual(tides.sources, ['tides']);
  const [{ content }] = (provider.latest.body as { messages: { content: string }[] }).messages;
  const context = content.slice(content.indexOf('\n\n') + 2);
  const tokens = tokenCounter.countTokens(context, 'gpt-4o');
  // Blank lines between the chunks are a token each.
  assert.ok(tokens > CONTEXT_TOKENS / 2 && tokens <= CONTEXT_TOKENS + 8, `the context has ${tokens} tokens`);
  calls.succeeded().nothingInFlight();

  await app.close();
  await provider.close();
}

check().then(
  () => console.log('langchain-retrieval: chunks, context and sources are right'),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
