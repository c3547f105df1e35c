import type { IncomingMessage, ServerResponse } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { ProviderError, type LlmStream, type ModelListEntry } from 'nestjs-fast-litellm';
import { bedrockEvent, bedrockException, bedrockStream } from '../../support/bedrock-frames.js';
import { clientOf, closeClients, isOver, type OpenClient } from '../../support/llm-client-setup.js';
import { deploymentOf, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';
import { chat, textOf } from './hostile.js';

const MODEL = 'anthropic.claude-3-7-sonnet-20250219-v1:0';
const PATH = `/model/${encodeURIComponent(MODEL)}/converse`;
const usage = { inputTokens: 9, outputTokens: 3, totalTokens: 12 };
const saying = (text: string): Record<string, unknown> => ({
  output: { message: { role: 'assistant', content: [{ text }] } },
  stopReason: 'end_turn',
  usage,
  metrics: { latencyMs: 1 },
});
const json = { 'content-type': 'application/json' };
const frames = { 'content-type': 'application/vnd.amazon.eventstream' };
/** What clients get instead of the provider's text, which may have a part of the key. */
const REFUSED_KEY = "The provider rejected this server's key or account; the operator must correct it.";
const keys = { aws_access_key_id: 'AKIAOWN', aws_secret_access_key: 'secret-of-own' };

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

interface Received {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
type Respond = (response: ServerResponse, request: Received) => unknown;

/** A server that plays Bedrock, or another service of AWS; its origin. */
async function playing(respond: Respond, received: Received[] = []): Promise<string> {
  const base = await scripted((request, response) => {
    let body = '';
    request.on('data', (data) => (body += String(data)));
    request.on('end', () => {
      const one = { url: request.url ?? '', headers: request.headers, body };
      received.push(one);
      respond(response, one);
    });
  });
  return new URL(base).origin;
}

const bedrock = (endpoint: string, params: object = { api_key: 'bedrock-key' }): ModelListEntry => ({
  model_name: 'm',
  litellm_params: { model: `bedrock/${MODEL}`, aws_bedrock_runtime_endpoint: endpoint, aws_region_name: 'eu-west-1', order: 1, ...params },
  model_info: { id: 'bedrock' },
});

/** Over a server that plays Bedrock, and behind it, where that fails, one that is well. */
async function over(respond: Respond, settings: object = {}): Promise<OpenClient> {
  const well = await provider('well');
  const modelList = [bedrock(await playing(respond)), deploymentOf('m', well, { order: 2 })];
  return clientOf({ modelList, numRetries: 0, ...settings });
}

/** Writes parts one after the other, each in a packet of its own. */
const inParts =
  (parts: readonly Buffer[], headers: Record<string, string> = frames): Respond =>
  (response) => {
    response.writeHead(200, headers);
    const next = (at: number): void => {
      if (at === parts.length) response.end();
      else response.write(parts[at], () => setImmediate(next, at + 1));
    };
    next(0);
  };
const bytewise = (bytes: Buffer): Buffer[] => [...bytes].map((byte) => Buffer.of(byte));

/** The signature that the vendor's library computes for a request. */
async function signatureOf(
  { url, headers, body }: Received,
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string },
): Promise<string> {
  const signer = new SignatureV4({ service: 'bedrock', region: 'eu-west-1', credentials, sha256: Sha256, applyChecksum: false });
  const date = String(headers['x-amz-date']).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  const host = String(headers.host);
  const [hostname, port] = host.split(':');
  const request = {
    method: 'POST',
    protocol: 'http:',
    hostname,
    port: Number(port),
    path: url,
    query: {},
    headers: { host, 'content-type': 'application/json' },
    body,
  };
  return (await signer.sign(request, { signingDate: new Date(date) })).headers.authorization;
}

describe('Bedrock', () => {
  it('answers a chat by its API key, which is sent as it is', async () => {
    const received: Received[] = [];
    const { client } = clientOf({
      modelList: [
        bedrock(
          await playing(
            (response) => response.writeHead(200, { ...json, 'x-amzn-requestid': 'req-1' }).end(JSON.stringify(saying('Hello'))),
            received,
          ),
        ),
      ],
    });
    const answer = await client.chat({ ...chat, max_tokens: 50 });
    expect(answer.json()).toMatchObject({
      choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 3 },
    });
    expect(answer.usage).toEqual({ promptTokens: 9, completionTokens: 3, totalTokens: 12 });
    expect(answer.call).toMatchObject({ provider: 'bedrock', deploymentId: 'bedrock' });
    expect(received[0]).toMatchObject({ url: PATH, headers: { authorization: 'Bearer bedrock-key' } });
    expect(JSON.parse(received[0].body)).toEqual({
      messages: [{ role: 'user', content: [{ text: 'Hello' }] }],
      inferenceConfig: { maxTokens: 50 },
    });
  });

  it('signs requests by the keys of the deployment', async () => {
    const received: Received[] = [];
    const origin = await playing((response) => response.writeHead(200, json).end(JSON.stringify(saying('Hello'))), received);
    const { client } = clientOf({ modelList: [bedrock(origin, { ...keys, aws_session_token: 'session' })] });
    await client.chat(chat);
    const credentials = { accessKeyId: 'AKIAOWN', secretAccessKey: 'secret-of-own', sessionToken: 'session' };
    expect(received[0].headers['x-amz-security-token']).toBe('session');
    expect(received[0].headers.authorization).toBe(await signatureOf(received[0], credentials));
  });

  it('signs a large request, whose body is bytes', async () => {
    const received: Received[] = [];
    const origin = await playing((response) => response.writeHead(200, json).end(JSON.stringify(saying('Hello'))), received);
    const { client } = clientOf({ modelList: [bedrock(origin, keys)] });
    await client.chat({ model: 'm', messages: [{ role: 'user', content: 'größe '.repeat(300_000) }] });
    expect(received[0].headers.authorization).toBe(
      await signatureOf(received[0], { accessKeyId: 'AKIAOWN', secretAccessKey: 'secret-of-own' }),
    );
  });

  it('assumes a role by the vendor’s library, once for calls that come together', async () => {
    const [asked, received]: [Received[], Received[]] = [[], []];
    const expiration = new Date(Date.now() + 3_600_000).toISOString();
    const granted = `<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>secret-of-role</SecretAccessKey><SessionToken>token-of-role</SessionToken><Expiration>${expiration}</Expiration></Credentials>`;
    const sts = await playing(
      (response) =>
        response
          .writeHead(200, { 'content-type': 'text/xml' })
          .end(
            `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>${granted}</AssumeRoleResult></AssumeRoleResponse>`,
          ),
      asked,
    );
    const origin = await playing((response) => response.writeHead(200, json).end(JSON.stringify(saying('Hello'))), received);
    const role = { ...keys, aws_role_name: 'arn:aws:iam::123456789012:role/r', aws_session_name: 'mine', aws_sts_endpoint: sts };
    const { client } = clientOf({ modelList: [bedrock(origin, role)] });
    await Promise.all([client.chat(chat), client.chat(chat)]);
    expect(asked).toHaveLength(1);
    expect(new URLSearchParams(asked[0].body).get('RoleArn')).toBe(role.aws_role_name);
    const credentials = { accessKeyId: 'ASIAROLE', secretAccessKey: 'secret-of-role', sessionToken: 'token-of-role' };
    for (const each of received) expect(each.headers.authorization).toBe(await signatureOf(each, credentials));
  });

  it('takes the keys of a profile', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'aws-'));
    const before = process.env.AWS_SHARED_CREDENTIALS_FILE;
    try {
      const file = join(folder, 'credentials');
      writeFileSync(file, '[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = secret-of-dev\n');
      process.env.AWS_SHARED_CREDENTIALS_FILE = file;
      const received: Received[] = [];
      const origin = await playing((response) => response.writeHead(200, json).end(JSON.stringify(saying('Hello'))), received);
      await clientOf({ modelList: [bedrock(origin, { aws_profile_name: 'dev' })] }).client.chat(chat);
      expect(received[0].headers.authorization).toBe(
        await signatureOf(received[0], { accessKeyId: 'AKIADEV', secretAccessKey: 'secret-of-dev' }),
      );
      const wrong = clientOf({ modelList: [bedrock(origin, { aws_profile_name: 'none' })], numRetries: 0 });
      await expect(wrong.client.chat(chat)).rejects.toMatchObject({ code: 'DEPLOYMENT_MISCONFIGURED' });
    } finally {
      if (before === undefined) delete process.env.AWS_SHARED_CREDENTIALS_FILE;
      else process.env.AWS_SHARED_CREDENTIALS_FILE = before;
      rmSync(folder, { recursive: true });
    }
  });

  it('takes what AWS’s default chain finds, at the address of the same environment', async () => {
    const [asked, received]: [Received[], Received[]] = [[], []];
    const credentials = {
      AccessKeyId: 'ASIACONTAINER',
      SecretAccessKey: 'secret-of-it',
      Token: 'token',
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    };
    const container = await playing((response) => response.writeHead(200, json).end(JSON.stringify(credentials)), asked);
    const origin = await playing((response) => response.writeHead(200, json).end(JSON.stringify(saying('Hello'))), received);
    const set = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${container}/keys`,
      AWS_BEDROCK_RUNTIME_ENDPOINT: origin,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
    const unset = ['AWS_BEARER_TOKEN_BEDROCK', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE'];
    const before = { ...process.env };
    try {
      for (const name of unset) delete process.env[name];
      Object.assign(process.env, set, { HOME: tmpdir(), AWS_SHARED_CREDENTIALS_FILE: '/none', AWS_CONFIG_FILE: '/none' });
      const { client } = clientOf({ modelList: [bedrock('', {})] });
      await Promise.all([client.chat(chat), client.chat(chat)]);
      await client.chat(chat);
      expect([asked.length, received.length]).toEqual([1, 3]);
      const signed = await signatureOf(received[2], {
        accessKeyId: 'ASIACONTAINER',
        secretAccessKey: 'secret-of-it',
        sessionToken: 'token',
      });
      expect(received[2].headers.authorization).toBe(signed);
      delete process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
      const none = clientOf({ modelList: [bedrock('', {})], numRetries: 0 });
      await expect(none.client.chat(chat)).rejects.toMatchObject({ code: 'DEPLOYMENT_MISCONFIGURED' });
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });

  it('streams binary frames, wherever packets cut them', async () => {
    const open = await over(inParts(bytewise(Buffer.concat(bedrockStream(saying('Grüße 🦀'))))));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect(await textOf(stream)).toBe('Grüße 🦀');
    expect([stream.call.deploymentId, stream.usage?.totalTokens]).toEqual(['bedrock', 12]);
    await until(() => isOver(open));
  });

  it('falls back when a stream begins with an exception', async () => {
    const open = await over(
      inParts([bedrockEvent('messageStart', { role: 'assistant' }), bedrockException('throttlingException', 'Too many requests')]),
    );
    const { call } = await open.client.chat({ ...chat, stream: true });
    expect(call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'rate_limit', status: 429 }] });
  });

  it('throws an exception within a stream to its reader', async () => {
    const half = bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'half' } });
    const open = await over(inParts([half, bedrockException('modelStreamErrorException', 'It broke')]));
    const reading = textOf(await open.client.chat({ ...chat, stream: true }));
    await expect(reading).rejects.toMatchObject({ name: 'ProviderError', message: 'It broke', providerStatus: 424 });
    await until(() => isOver(open));
  });

  it('serves Anthropic’s Messages by Converse', async () => {
    const call = { toolUse: { toolUseId: 'tooluse_1', name: 'f', input: { a: 1 } } };
    const answer = { ...saying(''), output: { message: { role: 'assistant', content: [{ text: 'So' }, call] } }, stopReason: 'tool_use' };
    const { client } = await over((response, { url }) => {
      if (url.endsWith('-stream')) inParts(bedrockStream(answer))(response, { url, headers: {}, body: '' });
      else response.writeHead(200, json).end(JSON.stringify(answer));
    });
    const asked = {
      model: 'm',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
    } as const;
    const whole: unknown = (await client.messages(asked)).json();
    expect(whole).toMatchObject({
      stop_reason: 'tool_use',
      content: [
        { type: 'text', text: 'So' },
        { type: 'tool_use', id: 'tooluse_1', name: 'f', input: { a: 1 } },
      ],
    });
    const types: unknown[] = [];
    for await (const { type } of (await client.messages({ ...asked, stream: true })) as unknown as LlmStream) types.push(type);
    expect([types[0], types.at(-1)]).toEqual(['message_start', 'message_stop']);
  });

  it.each<[number, string, string, object]>([
    [429, 'ThrottlingException', 'Too many requests', { kind: 'rate_limit' }],
    [403, 'AccessDeniedException', 'You do not have access', { kind: 'authentication', message: REFUSED_KEY }],
    [404, 'ResourceNotFoundException', 'No such model', { kind: 'not_found' }],
    [424, 'ModelErrorException', 'It failed', { kind: 'server' }],
    [503, 'ServiceUnavailableException', 'Busy', { kind: 'server' }],
    [400, 'ValidationException', 'Input is too long for requested model.', { kind: 'context_window' }],
    [400, 'ValidationException', 'Malformed input request', { kind: 'bad_request' }],
  ])('reads an error %i %s: %s', async (status, type, message, expected) => {
    const headers = { ...json, 'x-amzn-errortype': `${type}:http://internal.amazon.com/`, 'x-amzn-requestid': 'req-7' };
    const origin = await playing((response) => response.writeHead(status, headers).end(JSON.stringify({ message })));
    const error = await clientOf({ modelList: [bedrock(origin)], numRetries: 0 })
      .client.chat(chat)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject({ message, ...expected, providerStatus: status, providerCode: type, providerRequestId: 'req-7' });
  });

  it('embeds texts', async () => {
    const received: Received[] = [];
    const origin = await playing(
      (response) => response.writeHead(200, json).end('{"embedding":[0.5,1],"inputTextTokenCount":4}'),
      received,
    );
    const { client } = clientOf({ modelList: [bedrock(origin, { ...keys, model: 'bedrock/amazon.titan-embed-text-v2:0' })] });
    const answer = await client.embeddings({ model: 'm', input: 'Hello', dimensions: 256 });
    expect([answer.json().data[0].embedding, answer.usage?.totalTokens]).toEqual([[0.5, 1], 4]);
    expect([received[0].url, received[0].body]).toEqual([
      '/model/amazon.titan-embed-text-v2%3A0/invoke',
      '{"inputText":"Hello","dimensions":256}',
    ]);
    const chats = clientOf({ modelList: [bedrock(origin)], numRetries: 0 });
    await expect(chats.client.embeddings({ model: 'm', input: 'Hello' })).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
  });

  it.each([400, 403])('shows no key that an error of status %i repeats', async (status) => {
    const message = 'The Canonical String for this request should have been x-amz-security-token:session-of-own secret-of-own';
    const origin = await playing((response) => response.writeHead(status, json).end(JSON.stringify({ message })));
    const { client } = clientOf({ modelList: [bedrock(origin, { ...keys, aws_session_token: 'session-of-own' })], numRetries: 0 });
    const error = (await client.chat(chat).catch((thrown: unknown) => thrown)) as Error;
    expect(error.message).toContain(status === 403 ? REFUSED_KEY : 'x-amz-security-token:*** ***');
    expect(inspect(error, { depth: 10 })).not.toMatch(/session-of-own|secret-of-own/);
  });
});

describe('a hostile Bedrock', () => {
  const broken = (at: number): Buffer => {
    const bytes = Buffer.from(bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'x'.repeat(50) } }));
    bytes[at] ^= 1;
    return bytes;
  };
  const endless = Buffer.from(bedrockEvent('messageStart', { role: 'assistant', p: 'x'.repeat(3 * 1024 * 1024) }));
  const deep = JSON.stringify(saying('x')).replace(
    '"text":"x"',
    `"toolUse":{"toolUseId":"a","name":"f","input":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`,
  );

  it.each<[string, Buffer, Record<string, string>]>([
    ['a wrong checksum of a prelude', broken(8), frames],
    ['a wrong checksum of a message', broken(40), frames],
    ['a length that lies', Buffer.from('ffffffff00000000', 'hex'), frames],
    ['a stream that ends within a frame', bedrockEvent('messageStart', { role: 'assistant' }).subarray(0, 30), frames],
    ['a stream that ends before the answer', bedrockEvent('messageStart', { role: 'assistant' }), frames],
    ['an empty stream', Buffer.alloc(0), frames],
    ['server-sent events', Buffer.from('data: {"choices":[]}\n\n'), { 'content-type': 'text/event-stream' }],
    ['text in place of frames', Buffer.from('<html>not found at all</html>'), frames],
    ['an event that is no JSON', bedrockEvent('contentBlockDelta', [] as never), frames],
    ['a whole answer', Buffer.from(JSON.stringify(saying('x'))), json],
  ])('that streams %s is left for another deployment', async (_, bytes, headers) => {
    const open = await over(inParts([bytes], headers));
    const stream = await open.client.chat({ ...chat, stream: true });
    expect(stream.call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'malformed' }] });
    await textOf(stream);
    await until(() => isOver(open));
  });

  it('that sends a frame without an end is cut at the limit of an answer', async () => {
    const well = await provider('well');
    const origin = await playing(inParts([endless.subarray(0, -1)]));
    const open = clientOf(
      { modelList: [bedrock(origin), deploymentOf('m', well, { order: 2 })], numRetries: 0 },
      { maxAnswerBytes: 1024 * 1024 },
    );
    const { call } = await open.client.chat({ ...chat, stream: true });
    expect(call).toMatchObject({ deploymentId: 'well', failures: [{ kind: 'malformed' }] });
  });

  it('that breaks a frame after the first content fails the reader', async () => {
    const first = bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'half' } });
    const open = await over(inParts([first, broken(40)]));
    await expect(textOf(await open.client.chat({ ...chat, stream: true }))).rejects.toMatchObject({ kind: 'malformed' });
    await until(() => isOver(open));
  });

  it.each<[string, string]>([
    ['no JSON', '{"output":'],
    ['no message', '{"output":{},"usage":{}}'],
    ['an input that is too deep', deep],
    ['an exception with status 200', '{"__type":"ThrottlingException","message":"slow"}'],
  ])('that answers with %s is left for another deployment', async (_, body) => {
    const open = await over((response) => response.writeHead(200, json).end(body));
    expect((await open.client.chat(chat)).call).toMatchObject({ deploymentId: 'well', failures: [expect.anything()] });
  });
});
