import { Body, Controller, Inject, Module, Post, Req, Res, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { IncomingMessage, ServerResponse } from 'node:http';
import OpenAI from 'openai';
import { FastLiteLLMModule, LlmClient, type AnswerTarget, type CallOptions, type ModelRequest } from 'nestjs-fast-litellm';
import { logger } from '../rate-limit/limited-routes.js';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';
import { oneOrAll } from '../../support/long.js';

// Streams as OpenAI sends them, read by OpenAI's SDK behind both adapters.

const messages = [...HELLO];
const USAGE = { prompt_tokens: 8, completion_tokens: 4, total_tokens: 12 };

interface Asked {
  readonly n?: number;
  readonly stream_options?: { readonly include_usage?: boolean };
}

/**
 * Two words per choice, alternating; with usage, every event has the field and one more has the
 * figures.
 */
function events({ n = 1, stream_options }: Asked): string[] {
  const isAsked = stream_options?.include_usage === true;
  const event = (choices: unknown[], usage: unknown = null): string =>
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o', choices, ...(isAsked && { usage }) })}\n\n`;
  const each = (delta: (index: number) => object, finish_reason: string | null = null): string[] =>
    Array.from({ length: n }, (_, index) => event([{ index, delta: delta(index), logprobs: null, finish_reason }]));
  return [
    ...each(() => ({ role: 'assistant', content: '', refusal: null })),
    ...each((index) => ({ content: `grüße ${index},` })),
    ...each((index) => ({ content: ` "usage":{} ${index}` })),
    ...each(() => ({}), 'stop'),
    ...(isAsked ? [event([], USAGE)] : []),
    'data: [DONE]\n\n',
  ];
}

const [LASTING, CUT] = [3, 4];
let left = 0;
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const part of request) text += String(part);
  const asked = JSON.parse(text) as Asked & { readonly model: string };
  response.once('close', () => (left += response.writableFinished ? 0 : 1));
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  // One that never ends, for those who leave, and one that is cut in an event.
  if (asked.n === LASTING) return void response.write(events(asked)[0]);
  if (asked.n === CUT) return void response.write(events(asked).join('').slice(0, -100), () => setTimeout(() => response.destroy(), 20));
  for (const event of events(asked)) {
    response.write(event);
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

type Reply = AnswerTarget & NonNullable<CallOptions['response']>;

@Controller()
class ChatController {
  constructor(@Inject(LlmClient) private readonly client: LlmClient) {}

  @Post('chat/completions')
  async chat(@Body() body: ModelRequest, @Req() request: object, @Res() reply: Reply): Promise<void> {
    const stream = await this.client.chat(body, { request, response: reply });
    if (body.user === 'private') reply.header?.('cache-control', 'private');
    await stream.sendTo(reply);
  }
}

const adapters = { Express: () => new ExpressAdapter(), Fastify: () => new FastifyAdapter() as unknown as ExpressAdapter };

describe.each(oneOrAll(Object.entries(adapters)))('a stream for the OpenAI SDK, %s', (_, adapter) => {
  let app: INestApplication;
  let sdk: OpenAI;

  beforeAll(async () => {
    const apiBase = await scripted((request, response) => void answer(request, response));
    @Module({
      imports: [FastLiteLLMModule.forRoot({ logger, router: { modelList: [deploymentOf('m', { name: 'p', apiBase })] } })],
      controllers: [ChatController],
    })
    class AppModule {}
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    // After an abort, Node's fetch opens another connection that it does not use.
    app = testing.createNestApplication(adapter(), { logger: false, forceCloseConnections: true });
    await app.listen(0, '127.0.0.1');
    sdk = new OpenAI({ baseURL: (await app.getUrl()).replace('[::1]', '127.0.0.1'), apiKey: 'any', maxRetries: 0 });
  });
  afterAll(async () => {
    await app.close();
    await stopProviders();
  });

  it('has all its choices, and usage only on request', async () => {
    const asked = { model: 'm', messages, n: 2 };
    for (const include_usage of [false, true]) {
      const options = { stream_options: { include_usage } };
      const runner = sdk.chat.completions.stream({ ...asked, ...options });
      const { choices } = await runner.finalChatCompletion();
      expect(choices.map(({ message }) => message.content)).toEqual(['grüße 0, "usage":{} 0', 'grüße 1, "usage":{} 1']);
      const empty: unknown[] = [];
      for await (const chunk of await sdk.chat.completions.create({ ...asked, ...options, stream: true })) {
        if (chunk.choices.length === 0) empty.push(chunk.usage);
      }
      expect(empty).toEqual(include_usage ? [USAGE] : []);
    }
  });

  it('ends the request to the provider when the SDK helper aborts it', async () => {
    const before = left;
    const runner = sdk.chat.completions.stream({ model: 'm', messages, n: LASTING });
    runner.once('chunk', () => runner.abort());
    await expect(runner.done()).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    const client = app.get(LlmClient);
    await until(() => left === before + 1 && client.callsInFlight === 0);
  });

  it.each([false, true])('ends with an error of the SDK if it is cut within an event, with usage: %s', async (include_usage) => {
    const asked = { model: 'm', messages, n: CUT, stream_options: { include_usage } };
    let chunks = 0;
    const read = async (): Promise<void> => {
      for await (const { choices } of await sdk.chat.completions.create({ ...asked, stream: true })) chunks += choices.length;
    };
    await expect(read()).rejects.toMatchObject({ constructor: OpenAI.APIError, message: expect.stringContaining('connection') as string });
    expect(chunks).toBeGreaterThan(CUT);
  });

  it('is not buffered on its way unless the app configures it', async () => {
    const headersOf = async (user: string): Promise<(string | null)[]> => {
      const { response } = await sdk.chat.completions.create({ model: 'm', messages, user, stream: true }).withResponse();
      await response.body?.cancel();
      return ['cache-control', 'x-accel-buffering', 'x-litellm-model-id'].map((name) => response.headers.get(name));
    };
    expect(await headersOf('any')).toEqual(['no-cache, no-transform', 'no', 'p']);
    expect(await headersOf('private')).toEqual(['private', 'no', 'p']);
  });
});
