import { Body, Controller, HttpCode, Post, Req, Res, UseGuards, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  boundJsonHook,
  boundJsonMiddleware,
  FastLiteLLMModule,
  InvalidArgumentError,
  LlmClient,
  RateLimit,
  RateLimitGuard,
  SkipRateLimit,
  type AnswerTarget,
  type ModelRequest,
} from 'nestjs-fast-litellm';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { engineNames } from '../../support/engine-names.js';
import { isComplete, isSampled } from '../../support/long.js';
import { sleep } from '../../support/until.js';
import { adapters, logger } from '../rate-limit/limited-routes.js';
import { cpuTimer } from '../../support/cpu-time.js';

const MIB = 1024 * 1024;
const LIMIT = 32 * MIB;

/** Answers 400 as an app's filter would. */
@Controller()
@UseGuards(RateLimitGuard)
class ChatController {
  constructor(private readonly client: LlmClient) {}

  @Post('chat')
  @HttpCode(200)
  @RateLimit({ tokensPerMinute: 2_000_000_000, requestsPerMinute: 10_000 })
  async chat(
    @Body() body: ModelRequest,
    @Req() asked: object,
    @Res() reply: AnswerTarget & { send(body: string): void; status(code: number): unknown },
  ) {
    try {
      await (await this.client.chat(body, { request: asked })).sendTo(reply);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      const { path, code, message } = error;
      reply.status(400);
      reply.send(JSON.stringify({ error: { param: path, code: code.toLowerCase(), message } }));
    }
  }

  @Post('small')
  @HttpCode(200)
  @SkipRateLimit()
  small(): object {
    return {};
  }
}

const chat = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const list = (count: number, entry: unknown = 'x'): unknown[] =>
  Array.from({ length: count }, (_, i) => (typeof entry === 'string' ? `${entry}${i}` : entry));
const object = (count: number): object => Object.fromEntries(list(count, 'key').map((key) => [key, 1]));
const text = (piece: string, bytes: number): string => piece.repeat(Math.floor(bytes / piece.length));
const says = (content: unknown): object => ({ ...chat, messages: [{ role: 'user', content }] });
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** By name: the body, and the status with the place and code of the error. */
const bodies: [string, object | string, 200 | [param: string, code: string]][] = [
  ['many fallbacks', { ...chat, fallbacks: list(30_000) }, ['fallbacks', 'too_many_entries']],
  ['few fallbacks with long chains', { ...chat, fallbacks: [{ m: list(1000) }] }, ['fallbacks', 'too_many_entries']],
  [
    'a fallback with many messages',
    { ...chat, fallbacks: [{ model: 'm', messages: list(20_000, chat) }] },
    ['fallbacks[0].messages', 'too_many_entries'],
  ],
  ['many context window fallbacks', { ...chat, context_window_fallbacks: list(30_000) }, ['context_window_fallbacks', 'too_many_entries']],
  ['many tags', { ...chat, tags: list(10_000) }, ['tags', 'too_many_entries']],
  ['many tags in metadata', { ...chat, metadata: { tags: list(10_000) } }, ['metadata.tags', 'too_many_entries']],
  ['many stops', { ...chat, stop: list(10_000) }, ['stop', 'too_many_entries']],
  ['many tools', { ...chat, tools: list(5000, { type: 'function', function: { name: 'f' } }) }, ['tools', 'too_many_entries']],
  ['many functions', { ...chat, functions: list(5000, { name: 'f' }) }, ['functions', 'too_many_entries']],
  ['many messages', { ...chat, messages: list(25_000, { role: 'user', content: 'hi' }) }, ['messages', 'too_many_entries']],
  ['many parts', says(list(25_000, { type: 'text', text: 'hi' })), ['messages[0].content', 'too_many_entries']],
  [
    'many tool calls',
    { ...chat, messages: [{ role: 'assistant', tool_calls: list(25_000, { function: { arguments: '' } }) }] },
    ['messages[0].tool_calls', 'too_many_entries'],
  ],
  ['much metadata', { ...chat, metadata: object(5000) }, ['metadata', 'too_many_entries']],
  ['many fields', { ...chat, ...object(5000) }, ['body', 'too_many_entries']],
  ['an unknown list', { ...chat, anything: list(5000) }, ['anything', 'too_many_entries']],
  ['a wide object at the top', { ...chat, ...object(20_000) }, ['body', 'body_out_of_bounds']],
  [
    'a wide schema',
    { ...chat, tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: object(20_000) } } }] },
    ['tools', 'body_out_of_bounds'],
  ],
  ['a wide logit_bias', { ...chat, logit_bias: object(20_000) }, ['logit_bias', 'body_out_of_bounds']],
  ['a wide message', { ...chat, messages: [{ role: 'user', content: 'hi', ...object(20_000) }] }, ['messages', 'body_out_of_bounds']],
  ['empty messages', `{"model":"m","messages":[${'{},'.repeat(500_000)}{}]}`, ['messages', 'body_out_of_bounds']],
  ['numbers', { model: 'm', messages: list(1_100_000, 1) }, ['messages', 'body_out_of_bounds']],
  ['deep lists', `{"model":"m","x":${nested(100_000)}}`, ['x', 'body_out_of_bounds']],
  ['one word many times', says(text('hello ', MIB)), 200],
  ['one character many times', says(text('-', MIB / 4)), 200],
  ['escapes', says(text('\u0000"\n', MIB / 4)), 200],
  ['an unknown part beside runs', says([text(`${'A'.repeat(511)} `, MIB / 4), { type: 'x' }]), 200],
  ['an image', says([{ type: 'image_url', image_url: { url: `data:image/png;base64,${text('AAAA', 4 * MIB)}` } }]), 200],
];

/** Every adapter and every engine; each with each where there is time. */
const pairs = adapters
  .flatMap((adapter) => engineNames().map((engine) => [adapter, engine] as const))
  .filter(([adapter, engine]) => isComplete || adapter === adapters[0] || engine === engineNames().at(-1))
  .map((pair, row) => [...pair, row] as const);

describe.each(pairs)('event loop stalls on %s with the %s engine', (adapter, engine, row) => {
  let app: INestApplication;
  let provider: Server;
  let url: string;

  beforeAll(async () => {
    provider = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"usage":{"total_tokens":1}}'));
    }).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const api_base = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`;
    const modelList = [{ model_name: 'm', litellm_params: { model: 'openai/m', api_base, api_key: 'sk' } }];
    const testing = await Test.createTestingModule({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false, engine, router: { modelList }, tokenCounter: { preload: ['cl100k_base'] } }),
      ],
      controllers: [ChatController],
    }).compile();
    app = testing.createNestApplication(
      (adapter === 'Express' ? new ExpressAdapter() : new FastifyAdapter({ bodyLimit: LIMIT })) as never,
      { logger: false },
    );
    if (adapter === 'Express') app.use(boundJsonMiddleware(LIMIT));
    else (app as NestFastifyApplication).getHttpAdapter().getInstance().addHook('preParsing', boundJsonHook());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });
  afterAll(async () => {
    await app.close();
    provider.close();
  });

  /** A connection each: a server may close one that is kept while the machine is busy. */
  const post = async (path: string, body: string): Promise<{ status: number; json: unknown }> => {
    const headers = { 'content-type': 'application/json' };
    const { statusCode, body: answer } = await request(url + path, { method: 'POST', headers, body, reset: true });
    return { status: statusCode, json: await answer.json() };
  };

  // What is refused is so before any engine is asked.
  const isLast = engine === engineNames().at(-1);

  it.each(bodies.filter(([, , expected], column) => (isLast || expected === 200) && isSampled(row, column, 2)))(
    'is served or refused while others are served: %s',
    async (_, body, expected) => {
      const json = typeof body === 'string' ? body : JSON.stringify(body);
      const parsingMs = cpuTimer();
      JSON.parse(json);
      const parseMs = parsingMs();
      let longestMs = 0;
      let isDone = false;
      const others = (async () => {
        while (!isDone) {
          const cpuMs = cpuTimer();
          expect((await post('/small', '{}')).status).toBe(200);
          longestMs = Math.max(longestMs, cpuMs());
          await sleep(1);
        }
      })();
      const answer = await post('/chat', json);
      const { error } = answer.json as { error?: { param: string; code: string } };
      isDone = true;
      await others;
      expect([answer.status, error?.param, error?.code]).toEqual(expected === 200 ? [200, undefined, undefined] : [400, ...expected]);
      // Generous, because the client runs in this process; still a tenth of the former stalls.
      expect(longestMs).toBeLessThan(1500 + 10 * parseMs);
    },
  );
});
