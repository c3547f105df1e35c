import type { RequestListener } from 'node:http';
import { bedrockEvent, bedrockException } from '../../support/bedrock-frames.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

// Whatever a provider repeats of the key that it was sent does not reach a client, a hook or a log.

const KEY = 'sk-live/4f8A+b=91c-deployment';
const IN_JSON = KEY.replaceAll('/', '\\/');
const ESCAPED = KEY.replace('/', '\\u002F').replace('+', '\\u002b');
const PARTS = ['4f8A', '91c-deployment'];
const MESSAGES = [{ role: 'user', content: 'Hello' }];

const line = (data: string, name?: string): string => `${name === undefined ? '' : `event: ${name}\n`}data: ${data}\n\n`;
const chunk = (content: string): string =>
  line(JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content } }] }));
const inOpenAI = (key: string): string => line(`{"error":{"message":"wrong key ${key}","type":"server_error","code":"${key}"}}`);
const started =
  line(
    '{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"model":"c","usage":{"input_tokens":1,"output_tokens":1}}}',
    'message_start',
  ) +
  line('{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}', 'content_block_start') +
  line('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}', 'content_block_delta');
const inAnthropic = (key: string): string => line(`{"type":"error","error":{"type":"api_error","message":"wrong key ${key}"}}`, 'error');
const created =
  line(
    '{"type":"response.created","sequence_number":0,"response":{"id":"r","object":"response","status":"in_progress","model":"m","output":[]}}',
    'response.created',
  ) +
  line(
    '{"type":"response.output_text.delta","sequence_number":1,"item_id":"i","output_index":0,"content_index":0,"delta":"Hi"}',
    'response.output_text.delta',
  );
const failed = (key: string): string =>
  line(
    `{"type":"response.failed","sequence_number":2,"response":{"id":"r","object":"response","status":"failed","model":"m","output":[],"error":{"code":"server_error","message":"wrong key ${key}"}}}`,
    'response.failed',
  );
const gemini = (text: string): string =>
  line(JSON.stringify({ candidates: [{ content: { role: 'model', parts: [{ text }] } }], modelVersion: 'g' }));
const frames = [
  bedrockEvent('messageStart', { role: 'assistant' }),
  bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hi' } }),
  bedrockException('modelStreamErrorException', `wrong key ${KEY}`),
];

interface Case {
  readonly path: string;
  readonly model: string;
  readonly body?: object;
  readonly type?: string;
  readonly bytes: Buffer | string;
}

const STREAMS: Readonly<Record<string, Case>> = {
  'an event of OpenAI': { path: 'chat/completions', model: 'openai/m', bytes: chunk('Hi') + inOpenAI(KEY) },
  'an event with escaped slashes': { path: 'chat/completions', model: 'openai/m', bytes: chunk('Hi') + inOpenAI(IN_JSON) },
  'an event with escaped code points': { path: 'chat/completions', model: 'openai/m', bytes: chunk('Hi') + inOpenAI(ESCAPED) },
  'an event that is no JSON': { path: 'chat/completions', model: 'openai/m', bytes: `${chunk('Hi')}event: error\ndata: no ${KEY}\n\n` },
  'a comment': { path: 'chat/completions', model: 'openai/m', bytes: `${chunk('Hi')}: ${KEY}\n\n${line('[DONE]')}` },
  'an address': { path: 'completions', model: 'openai/m', bytes: `${chunk('Hi')}: ?key=${encodeURIComponent(KEY)}\n\n${line('[DONE]')}` },
  'an unfinished stream': { path: 'chat/completions', model: 'openai/m', bytes: `${chunk('Hi')}data: {"error":"${KEY}` },
  'an event of Anthropic': { path: 'messages', model: 'anthropic/c', bytes: started + inAnthropic(KEY) },
  'an event of Anthropic by chat': { path: 'chat/completions', model: 'anthropic/c', bytes: started + inAnthropic(KEY) },
  'an event of chat by messages': { path: 'messages', model: 'openai/m', bytes: chunk('Hi') + inOpenAI(KEY) },
  'an event of chat by responses': { path: 'responses', model: 'hosted_vllm/m', bytes: chunk('Hi') + inOpenAI(KEY) },
  'a failed response': { path: 'responses', model: 'openai/m', bytes: created + failed(KEY) },
  'an event of Gemini': { path: 'chat/completions', model: 'gemini/gemini-2.5-flash', bytes: gemini('Hi') + inOpenAI(KEY) },
  'a frame of Bedrock': {
    path: 'chat/completions',
    model: 'bedrock/anthropic.claude-3-haiku-20240307-v1:0',
    type: 'application/vnd.amazon.eventstream',
    bytes: Buffer.concat(frames),
  },
  'a stream of sound': {
    path: 'audio/speech',
    model: 'openai/tts-1',
    body: { input: 'Hi', voice: 'alloy' },
    type: 'audio/mpeg',
    bytes: Buffer.from(`\xff\xfb\x00 ${KEY} \x00`, 'latin1'),
  },
};

describe.each(['Express', 'Fastify'] as const)('the key of a deployment, on %s', (adapter) => {
  const seen: string[] = [];
  const note = (...args: unknown[]): void =>
    void seen.push(args.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join(' '));
  let answer: RequestListener;
  let gateway: GatewayApp;
  beforeAll(async () => {
    const api_base = await scripted((request, response) => answer(request, response));
    const groups = [...new Set([...Object.values(STREAMS).map(({ model }) => model)])];
    const modelList = groups.map((model) => ({
      model_name: model,
      litellm_params: {
        model,
        api_base: model.startsWith('openai') ? api_base : api_base.replace('/v1', ''),
        api_key: KEY,
        aws_region_name: model.startsWith('bedrock') ? 'us-east-1' : undefined,
      },
    }));
    const hook = {
      onEvent: (_: unknown, event: unknown) => note(event),
      onEnd: (_: unknown, end: unknown) => note(end),
    };
    const logger = { log: note, warn: note, error: note };
    const router = { modelList, numRetries: 0, disableCooldowns: true };
    gateway = await GatewayApp.start(
      adapter,
      { rateLimit: { default: false } },
      { module: { router, logger, hooks: adapter === 'Express' ? [] : [hook] } },
    );
  });
  beforeEach(() => void seen.splice(0));
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });
  const expectNone = (...texts: readonly string[]): void => {
    for (const text of [...texts, ...seen]) for (const part of PARTS) expect(text).not.toContain(part);
  };

  it.each(Object.entries(STREAMS))(
    'is masked in %s, wherever chunks cut it',
    async (_, { path, model, body, type = 'text/event-stream', bytes }) => {
      const whole = Buffer.from(bytes);
      const inKey = whole.indexOf('4f8A');
      for (const cuts of [
        [],
        [inKey],
        [inKey - 3, inKey + 2, inKey + 9],
        Array.from({ length: 60 }, (_unused, at) => whole.length - 60 + at),
      ]) {
        answer = (_request, response) => {
          response.writeHead(200, { 'content-type': type, 'x-request-id': KEY });
          void (async () => {
            for (const [at, end] of [...cuts, whole.length].entries()) {
              response.write(whole.subarray(cuts[at - 1] ?? 0, end));
              await new Promise((resolve) => setImmediate(resolve));
            }
            response.end();
          })();
        };
        const asked = body ?? {
          stream: true,
          max_tokens: 9,
          ...(path === 'responses' ? { input: 'Hello' } : path === 'completions' ? { prompt: 'Hello' } : { messages: MESSAGES }),
        };
        const { status, text, headers } = await gateway.post(`/v1/${path}`, { model, ...asked });
        expect([status, text.includes('Hi') || path === 'audio/speech']).toEqual([200, true]);
        if (!text.includes('***') && !path.includes('responses')) expect([path, text]).toEqual(['unfinished', text]);
        expectNone(text, JSON.stringify(headers));
      }
    },
  );

  it.each([
    ['an error', 500, `{"error":{"message":"wrong ${KEY}","type":"${KEY}","param":"${KEY}","code":"${IN_JSON}"}}`],
    ['an error in place of an answer', 200, `{"error":{"message":"wrong ${ESCAPED}"}}`],
    ['a page', 502, `<html>${KEY}</html>`],
    ['an answer', 200, `{"choices":[{"index":0,"message":{"role":"assistant","content":"${ESCAPED}"},"finish_reason":"stop"}]}`],
    ['what is no JSON', 200, `{"id":${KEY}`],
    ['what is no HTTP', 0, KEY],
  ])('is masked in %s', async (_, status, text) => {
    answer = (request, response) => {
      if (status === 0) return request.socket.end(`HTTP/1.1 200 OK\r\n${KEY}\u0001: 1\r\n\r\n`);
      response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': `of ${KEY}`.replace(' ', '-') }).end(text);
    };
    for (const stream of [false, true]) {
      const got = await gateway.post('/v1/chat/completions', { model: 'openai/m', messages: MESSAGES, stream });
      expectNone(got.text, JSON.stringify(got.headers));
    }
    const error: unknown = await gateway.llm.client
      .chat({ model: 'openai/m', messages: MESSAGES, stream: true })
      .catch((thrown: unknown) => thrown);
    const { message, cause } = error as Error & { readonly cause?: Error };
    expectNone(message, String(cause?.message), JSON.stringify(cause ?? null));
  });
});

it('masks no placeholder of a server without keys in its answers', async () => {
  const api_base = await scripted((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${chunk('none')}${line('[DONE]')}`);
  });
  const modelList = [{ model_name: 'm', litellm_params: { model: 'openai/m', api_base, api_key: 'none' } }];
  const gateway = await GatewayApp.start('Express', {}, { module: { router: { modelList } } });
  const { text } = await gateway.post('/v1/chat/completions', { model: 'm', messages: MESSAGES, stream: true });
  expect(text).toContain('"content":"none"');
  await gateway.stop();
  await stopProviders();
});
