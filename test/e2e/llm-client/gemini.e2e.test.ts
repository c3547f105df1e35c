import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { ProviderError, type LlmStream, type ModelListEntry } from 'nestjs-fast-litellm';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// A server that plays the Gemini API.

const KEY = 'secret-key-of-google';
const USAGE = { promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 3, totalTokenCount: 18 };
type Fields = Readonly<Record<string, unknown>>;

interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Fields;
}

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

/** A deployment at a server that answers with `respond`, and behind it one of OpenAI's protocol. */
async function over(
  respond: (response: ServerResponse, received: Received) => unknown,
  {
    model = 'gemini-2.5-flash',
    llmClient = {},
    params = {},
  }: { readonly model?: string; readonly llmClient?: object; readonly params?: object } = {},
): Promise<OpenClient & { readonly received: Received[] }> {
  const received: Received[] = [];
  const base = await scripted((request, response) => {
    let text = '';
    request.on('data', (data) => (text += String(data)));
    request.on('end', () => {
      const seen = { url: request.url ?? '', headers: request.headers, body: JSON.parse(text) as Fields };
      received.push(seen);
      respond(response, seen);
    });
  });
  const google: ModelListEntry = {
    model_name: 'm',
    litellm_params: { model: `gemini/${model}`, api_base: base.replace('/v1', '/v1beta'), api_key: KEY, order: 1, ...params },
    model_info: { id: 'google' },
  };
  const modelList = [google, deploymentOf('m', await provider('well'), { order: 2 })];
  return { ...clientOf({ modelList, numRetries: 0, countConnectionErrors: true }, llmClient), received };
}

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(value));
};
const eventOf = (value: unknown): string => `data: ${JSON.stringify(value)}\r\n\r\n`;
const sse = (response: ServerResponse, ...events: unknown[]): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events.map(eventOf).join(''));
};
const candidate = (parts: object[] | undefined, more: object = {}): object => ({
  candidates: [{ ...(parts && { content: { role: 'model', parts } }), index: 0, ...more }],
});
const ended = (parts?: object[]): object => ({
  ...candidate(parts, { finishReason: 'STOP' }),
  usageMetadata: USAGE,
  modelVersion: 'gemini-2.5-flash',
  responseId: 'r',
});
const error = (code: number, status: string, message: string, details?: object[]): object => ({
  error: { code, status, message, ...(details && { details }) },
});
const chat = { model: 'm', messages: HELLO } as const;

async function eventsOf(stream: LlmStream): Promise<Fields[]> {
  const events: Fields[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

describe('the Gemini API', () => {
  it('answers a chat', async () => {
    const { client, received } = await over((response) => json(response, ended([{ text: 'Hi' }])));
    const answer = await client.chat({ ...chat, max_tokens: 5, user: 'u' });
    expect(received).toMatchObject([
      {
        url: '/v1beta/models/gemini-2.5-flash:generateContent',
        headers: { 'x-goog-api-key': KEY, 'content-type': 'application/json' },
        body: { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }], generationConfig: { maxOutputTokens: 5 } },
      },
    ]);
    expect(received[0].headers.authorization).toBeUndefined();
    expect(answer.json()).toMatchObject({ id: 'r', choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }] });
    expect(answer.usage).toMatchObject({ promptTokens: 10, completionTokens: 8, totalTokens: 18, details: { reasoningTokens: 3 } });
  });

  it('streams a chat, and reports its usage although the client did not ask for it', async () => {
    const { client, received } = await over((response) => sse(response, candidate([{ text: 'H' }]), candidate([{ text: 'i' }]), ended()));
    const stream = await client.chat({ ...chat, stream: true });
    const events = await eventsOf(stream);
    expect(received[0].url).toBe('/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse');
    expect(received[0].body).not.toHaveProperty('stream');
    expect(events).toMatchObject([
      { choices: [{ delta: { role: 'assistant', content: 'H' } }] },
      { choices: [{ delta: { content: 'i' } }] },
      { choices: [{ delta: {}, finish_reason: 'stop' }] },
    ]);
    expect(stream.usage).toMatchObject({ promptTokens: 10, totalTokens: 18 });
  });

  it('gets its signatures back after the client called its functions', async () => {
    const turns = [
      ended([
        { functionCall: { name: 'f', args: { a: 1 }, id: 'own' }, thoughtSignature: 'sig' },
        { functionCall: { name: 'g', args: {}, id: 'two' } },
      ]),
      ended([{ text: 'done' }]),
    ];
    const { client, received } = await over((response) => json(response, turns.shift()), { model: 'gemini-3-pro-preview' });
    const { choices } = (await client.chat(chat)).json<{
      choices: { message: { role: 'assistant'; content: null; tool_calls: { id: string }[] } }[];
    }>();
    // As a client of OpenAI's SDK, which drops fields that it does not know.
    const { message } = choices[0];
    const calls = message.tool_calls.map(({ id, type, function: called }: Record<string, unknown>) => ({ id, type, function: called }));
    const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'fine' }));
    await client.chat({ model: 'm', messages: [...HELLO, { role: 'assistant', content: null, tool_calls: calls }, ...results] } as never);
    expect(received[1].body.contents).toMatchObject([
      { role: 'user' },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'f', args: { a: 1 }, id: 'own' }, thoughtSignature: 'sig' },
          { functionCall: { name: 'g', id: 'two' } },
        ],
      },
      { role: 'user', parts: [{ functionResponse: { name: 'f', id: 'own' } }, { functionResponse: { name: 'g', id: 'two' } }] },
    ]);
  });

  it.each<[string, number, object, object]>([
    [
      'a wrong key is of authentication',
      400,
      error(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.'),
      { kind: 'authentication', status: 401 },
    ],
    [
      'a quota is of rate limits',
      429,
      [error(429, 'RESOURCE_EXHAUSTED', 'Quota', [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' }])],
      { kind: 'rate_limit', status: 429 },
    ],
    ['an overload is of the server', 503, error(503, 'UNAVAILABLE', 'The model is overloaded.'), { kind: 'server', status: 503 }],
    ['an error of status 200 has its own', 200, error(503, 'UNAVAILABLE', 'Busy'), { kind: 'server', status: 503 }],
    [
      'a model that gave no answer is of the server',
      200,
      candidate(undefined, { finishReason: 'MALFORMED_FUNCTION_CALL' }),
      { kind: 'server', status: 500 },
    ],
    ['an answer without candidates is malformed', 200, { usageMetadata: USAGE }, { kind: 'malformed' }],
  ])('%s, and another deployment answers', async (_, status, body, failure) => {
    const { client } = await over((response) => json(response, body, status));
    for (const stream of [false, true]) {
      const answer = await client.chat({ ...chat, stream });
      // The cooldown may leave the deployment out the second time.
      if (!stream) expect(answer.call).toMatchObject({ deploymentId: 'well', failures: [failure] });
      expect(answer.call.deploymentId).toBe('well');
      if (stream) await eventsOf(answer as LlmStream);
    }
  });

  it('says when it can be asked again', async () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' }];
    const { client } = await over((response) => json(response, error(429, 'RESOURCE_EXHAUSTED', 'Quota', details), 429));
    await expect(client.chat(chat, { disableFallbacks: true })).rejects.toMatchObject({
      retryAfterMs: 7000,
      providerCode: 'RESOURCE_EXHAUSTED',
    });
  });

  it('may be too small for a prompt, which counts as that', async () => {
    const { client } = await over((response) =>
      json(response, error(400, 'INVALID_ARGUMENT', 'The input token count (12) exceeds the maximum number of tokens allowed (1).'), 400),
    );
    expect((await client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'context_window', status: 400 }] });
  });

  it('falls back when a stream begins with an error', async () => {
    const { client } = await over((response) => sse(response, { usageMetadata: USAGE }, error(429, 'RESOURCE_EXHAUSTED', 'Quota')));
    const stream = await client.chat({ ...chat, stream: true });
    await eventsOf(stream);
    expect(stream.call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'rate_limit', status: 429 }] });
  });

  it.each<[string, (response: ServerResponse) => void, object]>([
    ['states an error', (response) => response.end(eventOf(error(503, 'UNAVAILABLE', 'Gone'))), { kind: 'server', message: 'Gone' }],
    ['is cut before its finish reason', (response) => response.end(eventOf(candidate([{ text: 'b' }]))), { kind: 'malformed' }],
    ['is cut within an event', (response) => response.write('data: {"cand', () => response.destroy()), { kind: 'connection' }],
    ['has an event that is no JSON', (response) => response.end('data: {broken}\n\n'), { kind: 'malformed' }],
  ])('that %s after its first chunk fails for its reader', async (_, goOn, failure) => {
    const responses: ServerResponse[] = [];
    const open = await over((response) => {
      responses.push(response);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(eventOf(candidate([{ text: 'a' }])));
    });
    const stream = await open.client.chat({ ...chat, stream: true });
    goOn(responses[0]);
    await expect(eventsOf(stream)).rejects.toMatchObject(failure);
    await until(() => isOver(open));
  });

  it('does not fill the memory with one event, or with none', async () => {
    const endless = (response: ServerResponse, piece: string): void => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const write = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', write).on('error', () => {});
      write();
    };
    for (const piece of ['x'.repeat(10_000), `: ${'x'.repeat(1000)}\n`]) {
      const open = await over((response) => endless(response, piece), { llmClient: { maxAnswerBytes: 200_000 } });
      const stream = await open.client.chat({ ...chat, stream: true });
      await eventsOf(stream);
      expect(stream.call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'malformed' }] });
      await until(() => isOver(open));
    }
  });

  it('ends an endless stream when its reader leaves', async () => {
    const open = await over((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const event = `data: ${JSON.stringify(candidate([{ text: 'more ' }]))}\n\n`;
      const write = (): void => {
        while (!response.destroyed && response.write(event));
      };
      response.on('drain', write).on('error', () => {});
      write();
    });
    let count = 0;
    for await (const { choices } of await open.client.chat({ ...chat, stream: true })) if ((count += choices.length) === 1000) break;
    expect(count).toBe(1000);
    await until(() => isOver(open));
  });

  it.each([1e308, -5, Number.MAX_SAFE_INTEGER, 'many', null])('settles a usage of %j without believing it', async (figure) => {
    const usageMetadata = { promptTokenCount: figure, candidatesTokenCount: figure, totalTokenCount: figure };
    const { client } = await over((response) => json(response, { ...candidate([{ text: 'a' }], { finishReason: 'STOP' }), usageMetadata }));
    const { usage, call } = await client.chat(chat);
    expect(call.deploymentId).toBe('google');
    if (usage !== undefined)
      for (const tokens of [usage.promptTokens, usage.completionTokens, usage.totalTokens]) expect(tokens).toBeLessThanOrEqual(1e15);
  });

  it('bears an answer that nests without end', async () => {
    const deep = `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}}]},"finishReason":"STOP"}]}`;
    const { client } = await over((response, { url }) => {
      const isStream = url.includes('alt=sse');
      response.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' });
      response.end(isStream ? `data: ${deep}\n\n` : deep);
    });
    for (const stream of [false, true]) {
      const failed = client.chat({ ...chat, stream }, { disableFallbacks: true });
      await expect(failed).rejects.toMatchObject({ kind: 'malformed' });
    }
  });

  it('refuses what it cannot express with the name of the parameter, and asks another deployment', async () => {
    const { client, received } = await over((response) => json(response, ended([{ text: 'Hi' }])));
    const answer = await client.chat({ ...chat, logit_bias: { 5: 1 } });
    expect(answer.call.deploymentId).toBe('well');
    expect(received).toEqual([]);
    const alone = client.chat({ ...chat, logit_bias: { 5: 1 } }, { disableFallbacks: true });
    await expect(alone).rejects.toMatchObject({ code: 'UNSUPPORTED_PARAMETER', param: 'logit_bias' });
    expect((await client.chat({ ...chat, logit_bias: { 5: 1 }, drop_params: true } as never)).call.deploymentId).toBe('google');
  });

  it('takes a conversation as large as its context', async () => {
    const { client, received } = await over((response) => json(response, ended([{ text: 'Hi' }])));
    const content = 'many words '.repeat(100_000);
    await client.chat({ model: 'm', messages: [{ role: 'user', content }] });
    expect(received[0].body.contents).toEqual([{ role: 'user', parts: [{ text: content }] }]);
  });

  it('shows its key in no message', async () => {
    const { client } = await over((response) => json(response, error(400, 'INVALID_ARGUMENT', `The key ${KEY} is wrong.`), 400));
    const failed = await client.chat(chat, { disableFallbacks: true }).catch((thrown: unknown) => thrown);
    expect(failed).toBeInstanceOf(ProviderError);
    expect(`${String(failed)} ${JSON.stringify((failed as ProviderError).getResponse())}`).not.toContain(KEY);
  });

  it('embeds texts, also for clients that ask for base64', async () => {
    const { client, received } = await over(
      (response, { body }) => json(response, { embeddings: (body.requests as unknown[]).map((_, at) => ({ values: [at, 0.5] })) }),
      { model: 'gemini-embedding-001' },
    );
    const floats = await client.embeddings({ model: 'm', input: ['a', 'b'], dimensions: 2 });
    expect(received[0]).toMatchObject({
      url: '/v1beta/models/gemini-embedding-001:batchEmbedContents',
      body: {
        requests: ['a', 'b'].map((text) => ({
          model: 'models/gemini-embedding-001',
          content: { parts: [{ text }] },
          outputDimensionality: 2,
        })),
      },
    });
    expect(floats.json()).toMatchObject({
      object: 'list',
      data: [
        { index: 0, embedding: [0, 0.5] },
        { index: 1, embedding: [1, 0.5] },
      ],
      usage: { prompt_tokens: 1 },
    });
    const coded = (await client.embeddings({ model: 'm', input: 'a', encoding_format: 'base64' })).json<{
      data: { embedding: string }[];
    }>();
    const bytes = Buffer.from(coded.data[0].embedding, 'base64');
    expect([...new Float32Array(bytes.buffer, bytes.byteOffset, 2)]).toEqual([0, 0.5]);
    await expect(client.embeddings({ model: 'm', input: [1, 2] }, { disableFallbacks: true })).rejects.toMatchObject({ path: 'input[0]' });
  });

  it('serves clients of the other APIs by way of chat', async () => {
    const { client, received } = await over((response) => json(response, ended([{ text: 'think', thought: true }, { text: 'Hi' }])));
    const message = await client.messages({
      model: 'm',
      max_tokens: 10,
      system: 'Be brief.',
      messages: [{ role: 'user', content: 'Hello' }],
    });
    expect(message.json()).toMatchObject({ type: 'message', stop_reason: 'end_turn', usage: { input_tokens: 10, output_tokens: 8 } });
    const answer = await client.responses({ model: 'm', instructions: 'Be brief.', input: 'Hello' });
    expect(answer.json()).toMatchObject({ object: 'response', status: 'completed' });
    for (const { body } of received)
      expect(body).toMatchObject({
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
      });
  });
});
