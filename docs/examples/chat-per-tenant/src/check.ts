import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { recordCalls, startProvider } from 'nestjs-fast-litellm/testing';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppModule } from './app.module.js';

const SENTENCE = 'Tides follow the moon and the sun.';
const USED_TOKENS = 100;

async function check(): Promise<void> {
  const usage = { promptTokens: 20, completionTokens: USED_TOKENS - 20 };
  const provider = await startProvider('openai', { script: { text: SENTENCE, usage, chunkDelayMs: 5 } });
  const app = await NestFactory.create(AppModule.with([provider.deployment('chat')]), { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  const origin = await app.getUrl();
  const calls = recordCalls(app.get(FastLiteLLM));

  const chat = (key: string, signal?: AbortSignal): Promise<Response> =>
    fetch(`${origin}/chat`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Why are there tides?' }] }),
      signal,
    });

  assert.equal((await chat('unknown-key')).status, 401);
  assert.equal(provider.requests.length, 0);

  // Streams: the first chunk is here while the provider still answers.
  const first = await chat('key-of-acme');
  assert.equal(first.headers.get('content-type')?.split(';')[0], 'text/event-stream');
  const reader = (first.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let events = (await reader.read()).value ?? '';
  assert.equal(provider.inFlight, 1);
  for (let part = await reader.read(); !part.done; part = await reader.read()) events += part.value;
  assert.equal(textOf(events), SENTENCE);
  assert.match(events, /data: \[DONE\]\n\n$/);

  // 1,000 tokens a minute: a request reserves 250 and is settled with 100, so eight of them fit.
  const statuses = [first.status];
  while (statuses.at(-1) === 200 && statuses.length < 20) statuses.push(await statusOf(await chat('key-of-acme')));
  assert.deepEqual(statuses, [...Array<number>(8).fill(200), 429]);
  const denied = await chat('key-of-acme');
  const { error } = (await denied.json()) as { error: { code: string } };
  assert.equal(error.code, 'rate_limit_exceeded');
  assert.ok(Number(denied.headers.get('retry-after')) > 0);
  assert.equal(denied.headers.get('x-ratelimit-remaining-tokens'), String(1_000 - 8 * USED_TOKENS));

  // The tenants beside it are not affected.
  assert.equal(await statusOf(await chat('key-of-globex')), 200);
  assert.equal(await statusOf(await chat('key-of-initech')), 200);

  // A client that leaves ends the provider's answer, and frees its slot.
  provider.use({ text: SENTENCE.repeat(1_000), chunkDelayMs: 5 });
  const gone = new AbortController();
  const left = await chat('key-of-initech', gone.signal);
  await left.body?.getReader().read();
  gone.abort();
  await until(() => provider.aborted === 1 && provider.inFlight === 0);
  calls.called(11).succeeded(10).cancelled(1).nothingInFlight();

  await app.close();
  await provider.close();
}

/** Reads the whole answer, so that its tokens are settled. */
async function statusOf(response: Response): Promise<number> {
  await response.text();
  return response.status;
}

function textOf(events: string): string {
  const chunks = [...events.matchAll(/^data: (\{.*\})$/gm)].map(
    ([, data]) => JSON.parse(data) as { choices: { delta: { content?: string } }[] },
  );
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
}

async function until(holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 10) {
    assert.ok(waitedMs < 5_000, 'still not so after 5 s');
    await sleep(10);
  }
}

check().then(
  () => console.log('chat-per-tenant: streams, and limits of each tenant, are right'),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
