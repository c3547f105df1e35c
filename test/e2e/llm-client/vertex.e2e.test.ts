import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelListEntry } from 'nestjs-fast-litellm';
import { clientOf, closeClients, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// A server that plays Vertex AI, and Google's token service: a workload identity may name its own.

type Fields = Readonly<Record<string, unknown>>;

interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const folder = mkdtempSync(join(tmpdir(), 'vertex-'));
const SUBJECT = 'secret-subject-token';
const chat = { model: 'm', messages: HELLO } as const;
let identities = 0;
const OTHERS = `hrtime nextTick performance queueMicrotask setImmediate clearImmediate setInterval clearInterval setTimeout clearTimeout
  requestAnimationFrame cancelAnimationFrame requestIdleCallback cancelIdleCallback`.split(/\s+/) as FakeableAPI[];

/** Tokens are renewed by the clock. */
function advance(minutes: number): void {
  jest.setSystemTime(Date.now() + minutes * 60_000);
}

beforeAll(() => {
  // Jest does not let Google's library import node-fetch; in a browser it takes the window's.
  Object.assign(globalThis, { window: { fetch } });
  writeFileSync(join(folder, 'subject'), SUBJECT);
  jest.useFakeTimers({ doNotFake: OTHERS });
});
afterEach(async () => {
  await closeClients();
  await stopProviders();
});
afterAll(() => {
  delete (globalThis as { window?: unknown }).window;
  jest.useRealTimers();
  rmSync(folder, { recursive: true });
});

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};
const gemini = {
  candidates: [{ content: { parts: [{ text: 'Hi' }] }, finishReason: 'STOP' }],
  usageMetadata: { promptTokenCount: 1, totalTokenCount: 2, candidatesTokenCount: 1 },
};
const claude = {
  id: 'x',
  type: 'message',
  role: 'assistant',
  model: 'c',
  content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 1, output_tokens: 1 },
};
const llama = {
  id: 'x',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

async function served(
  respond: (response: ServerResponse, received: Received) => unknown,
): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = [];
  const base = await scripted((request, response) => {
    let body = '';
    request.on('data', (data) => (body += String(data)));
    request.on('end', () => {
      received.push({ url: request.url ?? '', headers: request.headers, body });
      respond(response, received.at(-1) as Received);
    });
  });
  return { url: base.replace('/v1', ''), received };
}

/** Grants `token-1`, `token-2`, … */
const granting = (response: ServerResponse, seconds = 3600): void =>
  json(response, {
    access_token: `token-${++granted}`,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: seconds,
  });
let granted = 0;
beforeEach(() => (granted = 0));

interface Played extends OpenClient {
  readonly models: Received[];
  readonly tokens: Received[];
}

interface Script {
  readonly model?: string;
  readonly token?: (response: ServerResponse) => unknown;
  readonly answer?: (response: ServerResponse, received: Received) => unknown;
}

async function over({
  model = 'gemini-2.5-pro',
  token = granting,
  answer = (response) => json(response, gemini),
}: Script): Promise<Played> {
  const service = await served((response) => token(response));
  const vertex = await served(answer);
  const credentials = {
    type: 'external_account',
    // Another identity for each test: deployments of one share its tokens.
    audience: `//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/${++identities}`,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${service.url}/token`,
    credential_source: { file: join(folder, 'subject') },
  };
  const google: ModelListEntry = {
    model_name: 'm',
    litellm_params: {
      model: `vertex_ai/${model}`,
      vertex_project: 'p',
      vertex_location: 'us-central1',
      api_base: vertex.url,
      vertex_credentials: JSON.stringify(credentials),
      order: 1,
    },
    model_info: { id: 'google' },
  };
  const modelList = [google, deploymentOf('m', await provider('well'), { order: 2 })];
  return { ...clientOf({ modelList, numRetries: 0, countConnectionErrors: true }), models: vertex.received, tokens: service.received };
}

const AT = '/v1/projects/p/locations/us-central1';

describe('Vertex AI', () => {
  it.each<[string, object, string]>([
    ['gemini-2.5-pro', gemini, `${AT}/publishers/google/models/gemini-2.5-pro:generateContent`],
    ['claude-sonnet-4-5', claude, `${AT}/publishers/anthropic/models/claude-sonnet-4-5:rawPredict`],
    ['meta/llama-4-maas', llama, `${AT}/endpoints/openapi/chat/completions`],
    ['mistral-medium-3@001', llama, `${AT}/publishers/mistralai/models/mistral-medium-3@001:rawPredict`],
    ['openai/12345', llama, '/v1beta1/projects/p/locations/us-central1/endpoints/12345/chat/completions'],
  ])('answers a chat by %s with a token', async (model, body, url) => {
    const { client, models } = await over({ model, answer: (response) => json(response, body) });
    const answer = await client.chat(chat);
    expect(answer.call.deploymentId).toBe('google');
    expect(answer.json()).toMatchObject({ choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }] });
    expect(models).toMatchObject([{ url, headers: { authorization: 'Bearer token-1' } }]);
  });

  it('asks for one token for all requests', async () => {
    const { client, models, tokens } = await over({});
    await Promise.all(Array.from({ length: 20 }, () => client.chat(chat)));
    await client.chat(chat);
    expect(models).toHaveLength(21);
    expect(new Set(models.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer token-1']));
    expect(tokens).toHaveLength(1);
    expect(tokens[0].body).toContain(SUBJECT);
  });

  it('renews a token before its end, while requests go on with it', async () => {
    const { client, models, tokens } = await over({});
    await client.chat(chat);
    advance(57);
    await client.chat(chat);
    await until(() => tokens.length === 2);
    await until(async () => {
      await client.chat(chat);
      return models.at(-1)?.headers.authorization === 'Bearer token-2';
    });
    expect(models[1].headers.authorization).toBe('Bearer token-1');
    expect(tokens).toHaveLength(2);
  });

  it('renews a token that was revoked, once', async () => {
    let refused = 'none';
    const { client, models, tokens } = await over({
      answer: (response, { headers }) =>
        headers.authorization === refused
          ? json(response, { error: { code: 401, status: 'UNAUTHENTICATED', message: 'No' } }, 401)
          : json(response, gemini),
    });
    await client.chat(chat);
    refused = 'Bearer token-1';
    advance(1);
    const answers = await Promise.all([client.chat(chat), client.chat(chat), client.chat(chat)]);
    for (const { call } of answers) expect(call).toMatchObject({ deploymentId: 'google', failures: [] });
    expect(tokens).toHaveLength(2);
    expect(models.at(-1)?.headers.authorization).toBe('Bearer token-2');
  });

  it('fails, and leaves it to another deployment, when each token is refused', async () => {
    const { client, models } = await over({
      answer: (response) => json(response, { error: { code: 401, status: 'UNAUTHENTICATED', message: 'No' } }, 401),
    });
    const { call } = await client.chat(chat);
    expect(call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'authentication', status: 401 }] });
    expect(models).toHaveLength(2);
  });

  it.each<[string, (response: ServerResponse) => unknown, object]>([
    ['refuses', (response) => json(response, { error: 'invalid_grant', error_description: SUBJECT }, 400), { kind: 'authentication' }],
    ['is out of order', (response) => json(response, { error: 'internal' }, 503), { kind: 'server' }],
    ['breaks off', (response) => response.destroy(), { kind: 'connection' }],
    ['answers with no token', (response) => json(response, {}), { kind: 'authentication' }],
  ])('is not asked when the token service %s, and another deployment answers', async (_, token, failure) => {
    const { client, models } = await over({ token });
    const { call } = await client.chat(chat);
    expect(call).toMatchObject({ deploymentId: 'well', failures: [failure] });
    expect(models).toEqual([]);
  });

  it('shows nothing of credentials in errors', async () => {
    const { client } = await over({ token: (response) => json(response, { error: 'invalid_grant', error_description: SUBJECT }, 400) });
    const error = (await client.chat(chat, { disableFallbacks: true }).catch((thrown: unknown) => thrown)) as Error & {
      getStatus(): number;
    };
    expect(error.getStatus()).toBe(503);
    expect(String(error.cause)).toMatch(/Google did not issue a token \(invalid_grant\); correct vertex_credentials/);
    expect(`${String(error)} ${String(error.cause)} ${JSON.stringify(error)}`).not.toContain(SUBJECT);
  });

  it("streams Claude's answer, and passes its own API through", async () => {
    const events = [
      { type: 'message_start', message: { ...claude, content: [] } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
      { type: 'message_stop' },
    ];
    const bytes = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
    const { client, models } = await over({
      model: 'claude-sonnet-4-5',
      answer: (response, { url }) =>
        url.endsWith(':streamRawPredict')
          ? response.writeHead(200, { 'content-type': 'text/event-stream' }).end(bytes)
          : json(response, claude),
    });
    let text = '';
    for await (const { choices } of await client.chat({ ...chat, stream: true })) text += choices[0]?.delta.content ?? '';
    expect(text).toBe('Hi');
    const message = await client.messages({ model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'Hello' }] });
    expect(message.json()).toEqual(claude);
    const [streamed, passed] = models.map(({ body }) => JSON.parse(body) as Fields);
    expect(streamed).toMatchObject({ anthropic_version: 'vertex-2023-10-16', stream: true });
    expect(passed).toEqual({ anthropic_version: 'vertex-2023-10-16', max_tokens: 5, messages: [{ role: 'user', content: 'Hello' }] });
  });

  it('lets no client choose project, location or credentials', async () => {
    const { client, models } = await over({});
    await client.chat({ ...chat, vertex_project: 'q', vertex_location: 'evil.example/', vertex_credentials: '{}' } as never);
    expect(models[0].url).toContain('/projects/p/locations/us-central1/');
    expect(models[0].body).not.toContain('vertex_');
  });
});
