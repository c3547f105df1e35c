import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import type { ChatRequest, LlmAnswer } from 'nestjs-fast-litellm';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Observable } from 'rxjs';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import { receivedBody } from '../../../lib/http/body/body-object.js';
import type { JsonBody } from '../../../lib/http/body/json-body.js';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { deploymentOf, scripted, stopProviders } from '../../support/llm-client-providers.js';

type Fields = Record<string, unknown>;

const TEXT = `Gr\\u00fc\\u00dfe \\/ ${'x'.repeat(40_000)}`;
const MESSAGES = `[ {"role":"system","content":"short"},\n {"role":"user","content":"${TEXT}"} ]`;
const BODY = `{"model":"gpt-4o", "messages": ${MESSAGES},"temperature":1.0}`;
const ANSWER = {
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
};

const arrived: string[] = [];
/** Answers that fail first. */
let failures = 0;
let apiBase: string;
/** What the app does to a body before its handler, and what it sees behind. */
let edit: (body: Fields) => void = () => {};

@Injectable()
class Editing implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    edit(context.switchToHttp().getRequest<{ body: Fields }>().body);
    return next.handle();
  }
}

beforeAll(async () => {
  apiBase = await scripted((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      arrived.push(Buffer.concat(parts).toString());
      const status = failures-- > 0 ? 500 : 200;
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify(status === 200 ? ANSWER : { error: { message: 'down' } }));
    });
  });
});
beforeEach(() => {
  arrived.length = failures = 0;
  edit = () => {};
});
afterAll(async () => {
  await closeClients();
  await stopProviders();
});

const router = () => ({
  modelList: [
    deploymentOf('gpt-4o', { name: 'one', apiBase }, { model: 'openai/one' }),
    deploymentOf('other', { name: 'two', apiBase }, { model: 'openai/two' }),
  ],
  numRetries: 1,
  fallbacks: [{ 'gpt-4o': ['other'] }],
});
const sent = (model: string) => `{"model":"${model}","messages":${MESSAGES},"temperature":1}`;

describe.each(Object.keys(ADAPTERS) as AdapterName[])('long bodies on %s', (adapter) => {
  let gateway: GatewayApp;
  beforeAll(async () => {
    gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: { router: router(), rateLimit: { tokensPerMinute: 1_000_000 } },
        providers: [{ provide: APP_INTERCEPTOR, useClass: Editing }],
      },
    );
  });
  afterAll(() => gateway.stop());
  const post = (body: string) => gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body });

  it('are forwarded as the bytes that came, by retries and fallbacks too', async () => {
    failures = 2;
    expect((await post(BODY)).status).toBe(200);
    expect(arrived).toEqual([sent('one'), sent('one'), sent('two')]);
  });

  it('are forwarded so too where they are too long to be joined', async () => {
    failures = 2;
    const longer = (body: string): string => body.replace(TEXT, TEXT.repeat(30));
    expect((await post(longer(BODY))).status).toBe(200);
    expect(arrived).toEqual([longer(sent('one')), longer(sent('one')), longer(sent('two'))]);
  });

  it.each(['', TEXT])('are forwarded with numbers that JavaScript would write otherwise, long or not', async (text) => {
    failures = 2;
    const numbers = '"seed":9223372036854775807,"response_format":{"type":"json_schema","json_schema":{"maximum":18446744073709551615}}';
    const tools = '[{"type":"function","function":{"name":"f","parameters":{"minimum":-1e400,"maximum":9007199254740993}}}]';
    const messages = `[{"role":"user","content":"${text}"}]`;
    const odd = (model: string): string => `{"model":"${model}","messages":${messages},${numbers},"tools":${tools}}`;
    expect((await post(odd('gpt-4o'))).status).toBe(200);
    expect(arrived).toEqual([odd('one'), odd('one'), odd('two')]);
  });

  it('are read and edited by the app like any other', async () => {
    edit = (body) => {
      (body.messages as Fields[])[0].content = 'edited';
      body.seed = 7;
      delete body.temperature;
    };
    expect((await post(BODY)).status).toBe(200);
    const { messages } = JSON.parse(BODY) as { messages: Fields[] };
    expect(JSON.parse(arrived[0])).toEqual({ model: 'one', messages: [{ role: 'system', content: 'edited' }, messages[1]], seed: 7 });
    edit = (body) => void JSON.stringify(body);
    expect((await post(BODY)).status).toBe(200);
    expect(arrived[1]).toBe(sent('one'));
  });

  it('are refused with a doubled key', async () => {
    const answer = await post(BODY.replace('"temperature"', '"mod\\u0065l":"other","temperature"'));
    expect([answer.status, arrived.length]).toEqual([400, 0]);
    expect(answer.text).toContain('\\"model\\" twice');
  });
});

describe('a body behind its answer', () => {
  it.each([
    [false, [undefined, undefined]],
    [true, ['Grüße / ', 'gpt-4o']],
  ])('has its long fields with keepBodies: %s', async (keepBodies, want) => {
    const seen: unknown[] = [];
    let body: Fields = {};
    edit = (given) => void (body = given);
    const gateway = await GatewayApp.start(
      'Express',
      { keepBodies },
      { module: { router: router() }, providers: [{ provide: APP_INTERCEPTOR, useClass: Editing }] },
    );
    const headers = { 'content-type': 'application/json' };
    expect((await gateway.ask('/v1/chat/completions', { headers, body: BODY })).status).toBe(200);
    const messages = body.messages as Fields[] | undefined;
    seen.push((messages?.[1].content as string | undefined)?.slice(0, 8), messages === undefined ? undefined : body.model);
    await gateway.stop();
    expect(seen).toEqual(want);
  });
});

describe('the memory of a body', () => {
  /** Length of the bytes that came, some turns after the answer. */
  async function lengthAfter(options: { readonly keepBodies?: boolean }, modelList = router().modelList, body = BODY): Promise<number> {
    let json: JsonBody | undefined;
    const received = edit;
    edit = (given) => {
      json = receivedBody(given);
      received(given);
    };
    const gateway = await GatewayApp.start('Fastify', options, {
      module: { router: { ...router(), modelList } },
      providers: [{ provide: APP_INTERCEPTOR, useClass: Editing }],
    });
    expect((await gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body })).status).toBe(200);
    await gateway.stop();
    return json?.bytes.length ?? NaN;
  }
  // Without the addon the garbage collector frees it.
  const freed = openNativeBinding().binding === null ? BODY.length : 0;

  it('is freed with the answer', async () => {
    expect(await lengthAfter({})).toBe(freed);
  });

  it('is freed while a stream runs', async () => {
    let begin: (response: ServerResponse) => void = () => {};
    const begun = new Promise<ServerResponse>((resolve) => (begin = resolve));
    const streaming = await scripted((request, response) => {
      request.resume().on('end', () => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
        begin(response);
      });
    });
    const modelList = [deploymentOf('gpt-4o', { name: 'one', apiBase: streaming }, { model: 'openai/one' })];
    const body = BODY.replace('{', '{"stream":true,');
    let json: JsonBody | undefined;
    edit = (given) => void (json = receivedBody(given));
    const gateway = await GatewayApp.start(
      'Fastify',
      {},
      { module: { router: { modelList } }, providers: [{ provide: APP_INTERCEPTOR, useClass: Editing }] },
    );
    const answer = gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body });
    const left = freed === 0 ? 0 : body.length;
    const response = await begun;
    for (let turn = 0; turn < 500 && json?.bytes.length !== left; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
    const length = json?.bytes.length;
    response.end('data: [DONE]\n\n');
    expect([(await answer).status, length]).toEqual([200, left]);
    await gateway.stop();
  });

  it('is kept with keepBodies', async () => {
    expect(await lengthAfter({ keepBodies: true })).toBe(BODY.length);
  });

  it('is kept where an attempt has failed, whose write may be pending', async () => {
    failures = 1;
    expect(await lengthAfter({})).toBe(BODY.length);
  });

  it('is kept where a call of the app reads it, too', async () => {
    const { client } = clientOf(router());
    let answer: Promise<LlmAnswer> | undefined;
    edit = (body) => void (answer = client.chat(body as unknown as ChatRequest & { stream?: false }));
    expect(await lengthAfter({})).toBe(BODY.length);
    expect((await answer)?.bytes.length).toBeGreaterThan(0);
    expect(arrived).toEqual([sent('one'), sent('one')]);
  });

  it('is kept where the provider answers before it has read the request', async () => {
    const hasty = await scripted((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(ANSWER));
    });
    const [first] = router().modelList;
    const longer = BODY.replace(TEXT, TEXT.repeat(300));
    const modelList = [{ ...first, litellm_params: { ...first.litellm_params, api_base: hasty } }];
    expect(await lengthAfter({}, modelList, longer)).toBe(longer.length);
  });
});

describe('LlmClient', () => {
  it.each<[string, () => Buffer | ReadableStream<Uint8Array> | Readable]>([
    ['a Buffer', () => Buffer.from(BODY)],
    ['a stream of Node', () => Readable.from([Buffer.from(BODY.slice(0, 20_000)), Buffer.from(BODY.slice(20_000))])],
    ['a stream of the web', () => new Blob([BODY]).stream() as ReadableStream<Uint8Array>],
  ])('sends the JSON of %s as it came', async (_, source) => {
    const answer = (await clientOf(router()).client.chat(source())) as LlmAnswer;
    expect(JSON.parse(answer.bytes.toString())).toMatchObject({ id: 'c' });
    expect(arrived).toEqual([sent('one')]);
  });

  it('goes on to the fallback of a provider that refuses a body before it has read it', async () => {
    const refusing = await scripted((_request, response) => void response.writeHead(429).end('{}'));
    const [first, second] = router().modelList;
    const modelList = [{ ...first, litellm_params: { ...first.litellm_params, api_base: refusing } }, second];
    const longer = BODY.replace(TEXT, TEXT.repeat(100));
    await clientOf({ ...router(), modelList, numRetries: 0 }).client.chat(Buffer.from(longer));
    expect(arrived).toEqual([sent('two').replace(TEXT, TEXT.repeat(100))]);
  });

  it('writes a large object once for all attempts', async () => {
    failures = 2;
    const body = JSON.parse(BODY) as { model: string };
    await clientOf(router()).client.chat(body);
    const written = JSON.stringify({ ...body, model: 'MODEL' });
    expect(arrived).toEqual([written.replace('MODEL', 'one'), written.replace('MODEL', 'one'), written.replace('MODEL', 'two')]);
  });

  it.each<[string, (ended: () => void) => Readable | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>]>([
    ['of Node', (ended) => new Readable({ read: () => {}, destroy: (_, done) => (ended(), done(null)) })],
    ['of the web', (ended) => new ReadableStream<Uint8Array>({ start: (chunks) => chunks.enqueue(Buffer.from('{')), cancel: ended })],
    [
      'of a program',
      (ended) => ({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => {}),
          return: () => (ended(), Promise.resolve({ done: true, value: undefined })),
        }),
      }),
    ],
  ])('waits for a stream %s until the call is cancelled, and ends it', async (_, source) => {
    const [control, ended] = [new AbortController(), jest.fn()];
    const call = clientOf(router()).client.chat(source(ended), { signal: control.signal });
    setImmediate(() => control.abort());
    await expect(call).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    expect([ended.mock.calls.length, arrived.length]).toEqual([1, 0]);
  });

  it.each([
    ['no JSON', Buffer.from('{"model":'), 'must be a JSON object within the size limits'],
    ['no object', Buffer.from('[1]'), 'must be an object'],
    ['a doubled key', Buffer.from('{"model":"gpt-4o","model":"other"}'), 'twice'],
    ['a stream of texts', Readable.from([{}]), 'must be a stream of bytes'],
  ])('refuses %s', async (_, source, message) => {
    await expect(clientOf(router()).client.chat(source)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message) as string,
    });
  });
});
