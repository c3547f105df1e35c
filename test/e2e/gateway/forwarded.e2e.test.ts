import OpenAI, { toFile } from 'openai';
import type { GatewayMount, GatewayOptions } from 'nestjs-fast-litellm';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { startProvider, type ScriptedAnswer, type TestProvider } from 'nestjs-fast-litellm/testing';
import { PIXEL, SOUND } from '../../../lib/testing/protocols/openai-others.js';
import { deploymentOf } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

/** What the provider answers where a test says nothing else. */
const USUAL: ScriptedAnswer = { text: 'Hello', usage: { promptTokens: 5, completionTokens: 7 } };

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('requests that pass the gateway on %s', (adapter) => {
  let upstream: TestProvider;
  let gateway: GatewayApp;
  let openai: OpenAI;

  const start = async (options: GatewayOptions & GatewayMount = {}): Promise<void> => {
    const modelList = ['image', 'sound', 'moderation', 'ranker', 'team/files'].map((group) =>
      deploymentOf(group, { name: `${group}-1`, apiBase: upstream.apiBase }, { model: `openai/${group}-model` }),
    );
    gateway = await GatewayApp.start(adapter, options, {
      module: { router: { modelList, numRetries: 0 }, rateLimit: { tokensPerMinute: 100_000 } },
    });
    openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-client', maxRetries: 0 });
  };
  beforeAll(async () => (upstream = await startProvider('openai', { script: USUAL })));
  afterAll(() => upstream.close());
  afterEach(async () => {
    upstream.use(USUAL);
    await gateway.stop();
  });
  const tokens = (direction: string): number | undefined =>
    gateway.llm.client.metrics().find(({ name, labels }) => name === 'llm_client_tokens_total' && labels?.direction === direction)?.value;

  it('makes images, and counts their usage', async () => {
    await start();
    const { data } = await openai.images.generate({ model: 'image', prompt: 'A dog' });
    expect(data?.[0].b64_json).toBe(PIXEL);
    expect(upstream.latest.body).toEqual({ model: 'image-model', prompt: 'A dog' });
    expect(upstream.latest.headers.authorization).toBe('Bearer sk-secret-key');
    expect([tokens('input'), tokens('output')]).toEqual([5, 7]);
  });

  it('keeps a deployment in rotation that has no such path, file or method', async () => {
    await start();
    // The only deployment of a group is never in cooldown for a 404.
    for (const group of ['image', 'team/files'])
      gateway.llm.router.addDeployment(
        deploymentOf(group, { name: `${group}-2`, apiBase: upstream.apiBase }, { model: `openai/${group}-model` }),
      );
    upstream.use({
      respond: (response) => {
        response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{"message":"Not Found","code":null}}');
      },
    });
    const status = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: { readonly status: number }) => error.status);
    expect(await status(openai.images.generate({ model: 'image', prompt: 'A dog' }))).toBe(404);
    expect((await gateway.ask('/v1/files/file-1', { method: 'GET', headers: { 'x-litellm-model': 'team/files' } })).status).toBe(404);
    expect(gateway.llm.router.metrics().find(({ name }) => name.endsWith('cooldowns_total'))?.value).toBe(0);
  });

  it('edits images: forms pass with the model of the deployment', async () => {
    await start();
    const image = await toFile(Buffer.from(PIXEL, 'base64'), 'dog.png', { type: 'image/png' });
    const { data } = await openai.images.edit({ model: 'image', prompt: 'A häppy dog', image });
    expect(data).toHaveLength(1);
    expect(upstream.latest.url).toBe('/v1/images/edits');
    const form = await upstream.latest.form();
    expect([form.get('model'), form.get('prompt')]).toEqual(['image-model', 'A häppy dog']);
    const sent = form.get('image') as File;
    expect([sent.name, sent.type, Buffer.from(await sent.arrayBuffer()).toString('base64')]).toEqual(['dog.png', 'image/png', PIXEL]);
  });

  it('streams the events of images', async () => {
    await start();
    upstream.use({
      respond: (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const event = {
          type: 'image_generation.completed',
          b64_json: PIXEL,
          usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
        };
        response.end(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      },
    });
    const types: string[] = [];
    for await (const { type } of await openai.images.generate({ model: 'image', prompt: 'A dog', stream: true })) types.push(type);
    expect(types).toEqual(['image_generation.completed']);
    expect(tokens('output')).toBe(2);
  });

  it('passes speech as it arrives, with a type that is safe in a browser', async () => {
    await start();
    const speech = await openai.audio.speech.create({ model: 'sound', voice: 'alloy', input: 'Hello' });
    expect(Buffer.from(await speech.arrayBuffer())).toEqual(SOUND);
    expect(Object.fromEntries(speech.headers)).toMatchObject({
      'content-type': 'audio/mpeg',
      'x-content-type-options': 'nosniff',
      'x-litellm-model-id': 'sound-1',
    });
    upstream.use({
      respond: (response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<script>');
      },
    });
    const page = await gateway.post('/v1/audio/speech', { model: 'sound', voice: 'alloy', input: 'Hello' });
    expect(page.headers['content-type']).toBe('application/octet-stream');
  });

  it('breaks the connection where sound breaks off, and cancels for a client that leaves', async () => {
    await start();
    let closed = false;
    upstream.use({
      respond: (response) => {
        response.writeHead(200, { 'content-type': 'audio/mpeg' });
        response.write(SOUND);
        response.once('close', () => (closed = true));
      },
    });
    const speech = await openai.audio.speech.create({ model: 'sound', voice: 'alloy', input: 'Hello' });
    const reader = (speech.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value ?? [])).toEqual(SOUND);
    await reader.cancel();
    await until(() => closed);
    upstream.use({
      respond: (response) => {
        response.writeHead(200, { 'content-type': 'audio/mpeg', 'content-length': 100 });
        response.write(SOUND, () => response.destroy());
      },
    });
    const cut = await openai.audio.speech.create({ model: 'sound', voice: 'alloy', input: 'Hello' });
    await expect(cut.arrayBuffer()).rejects.toThrow();
  });

  it('transcribes and translates: JSON, and texts as they are', async () => {
    await start();
    const file = await toFile(SOUND, 'hello.mp3');
    const transcript = await openai.audio.transcriptions.create({ model: 'sound', file });
    expect(transcript.text).toBe('Hello');
    expect([tokens('input'), tokens('output')]).toEqual([5, 7]);
    const subtitles = await openai.audio.transcriptions.create({ model: 'sound', file, response_format: 'vtt' });
    expect(subtitles).toBe('WEBVTT\n\nHello');
    expect((await openai.audio.translations.create({ model: 'sound', file })).text).toBe('Hello');
    expect(upstream.latest.url).toBe('/v1/audio/translations');
    expect(Buffer.from(await ((await upstream.latest.form()).get('file') as File).arrayBuffer())).toEqual(SOUND);
  });

  it('asks moderations and rerankers, by the model of the operator where none is named', async () => {
    await start({ models: { moderations: 'moderation', audio: 'sound' } });
    expect((await openai.moderations.create({ input: 'Hello' })).results[0].flagged).toBe(false);
    expect(upstream.latest.body).toEqual({ model: 'moderation-model', input: 'Hello' });
    const ranked = await gateway.post('/v1/rerank', { model: 'ranker', query: 'a', documents: ['b', 'c'] });
    expect(JSON.parse(ranked.text)).toMatchObject({ results: [{ index: 1 }] });
    const form = new FormData();
    form.set('file', new Blob([SOUND]), 'a.mp3');
    expect((await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form })).status).toBe(200);
    expect((await upstream.latest.form()).get('model')).toBe('sound-model');
    expect((await gateway.post('/v1/rerank', { query: 'a', documents: [] })).status).toBe(400);
  });

  it('serves files and batches of the account of a model group', async () => {
    await start({ models: { batches: 'team/files' } });
    const query = { query: { model: 'team/files' } };
    const uploaded = await openai.files.create({ file: await toFile(Buffer.from('{}\n'), 'a.jsonl'), purpose: 'batch' }, query);
    expect(uploaded.id).toBe('file-1');
    const form = await upstream.latest.form();
    expect([form.get('model'), form.get('purpose'), (form.get('file') as File).name]).toEqual([null, 'batch', 'a.jsonl']);
    expect(upstream.latest.url).toBe('/v1/files');
    const ids: string[] = [];
    for await (const { id } of await openai.files.list({ purpose: 'batch' }, { ...query, query: { ...query.query, purpose: 'batch' } }))
      ids.push(id);
    expect([ids, upstream.latest.url]).toEqual([['file-1'], '/v1/files?purpose=batch']);
    expect((await openai.files.retrieve('file-1', query)).status).toBe('processed');
    const content = await openai.files.content('file-1', query);
    expect([await content.text(), content.headers.get('content-type')]).toEqual(['{"a":1}\n', 'application/octet-stream']);
    expect((await openai.files.delete('file-1', query)).deleted).toBe(true);
    const made = await openai.batches.create({ input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' });
    expect(made.id).toBe('batch_1');
    expect(upstream.latest.body).toEqual({
      input_file_id: 'file-1',
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    await openai.batches.cancel('batch_1');
    expect(upstream.latest).toMatchObject({ method: 'POST', path: '/v1/batches/batch_1/cancel' });
    expect((await openai.batches.retrieve('batch_1')).status).toBe('validating');
  });

  it('refuses files without a model group, and ids that leave their path', async () => {
    await start();
    const nothing = await gateway.ask('/v1/files', { method: 'GET' });
    expect([nothing.status, nothing.text.includes('x-litellm-model')]).toEqual([400, true]);
    expect((await gateway.ask('/v1/files', { method: 'GET', headers: { 'x-litellm-model': 'unknown-model' } })).status).toBe(404);
    const before = upstream.requests.length;
    const climbing = await gateway.ask('/v1/files/..%2f..%2fadmin?model=image', { method: 'GET' });
    expect(climbing.status).toBe(400);
    expect(upstream.requests).toHaveLength(before);
  });

  it.each([
    ['no boundary', 'multipart/form-data', '--a\r\n'],
    ['no end', 'multipart/form-data; boundary=a', '--a\r\ncontent-disposition: form-data; name="model"\r\n\r\nsound'],
    ['no name', 'multipart/form-data; boundary=a', '--a\r\ncontent-disposition: form-data\r\n\r\nsound\r\n--a--\r\n'],
    ['no headers', 'multipart/form-data; boundary=a', '--a\r\nsound\r\n--a--\r\n'],
    ['another boundary', 'multipart/form-data; boundary=b', '--a\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--a--\r\n'],
    ['nothing', 'multipart/form-data; boundary=a', ''],
    [
      'a second model that is a file',
      'multipart/form-data; boundary=a',
      `--a\r\ncontent-disposition: form-data; name="model"; filename="m"\r\n\r\ndear\r\n--a\r\ncontent-disposition: form-data; name="model"\r\n\r\nsound\r\n--a--\r\n`,
    ],
    ['no model', 'multipart/form-data; boundary=a', '--a\r\ncontent-disposition: form-data; name="x"\r\n\r\nm\r\n--a--\r\n'],
    [
      'two numbers of answers, of which servers read either',
      'multipart/form-data; boundary=a',
      `--a\r\ncontent-disposition: form-data; name="model"\r\n\r\nsound\r\n${['9', '1'].map((n) => `--a\r\ncontent-disposition: form-data; name="n"\r\n\r\n${n}\r\n`).join('')}--a--\r\n`,
    ],
    [
      'too many parts',
      'multipart/form-data; boundary=a',
      `${'--a\r\ncontent-disposition: form-data; name="x[]"\r\n\r\nm\r\n'.repeat(1500)}--a--\r\n`,
    ],
  ])('refuses a form with %s', async (_, type, body) => {
    await start();
    const before = upstream.requests.length;
    const { status, text } = await gateway.ask('/v1/audio/transcriptions', { headers: { 'content-type': type }, body });
    expect([status, JSON.parse(text)]).toEqual([
      type.includes(';') ? 400 : 415,
      { error: expect.objectContaining({ type: 'invalid_request_error' }) },
    ]);
    expect(upstream.requests).toHaveLength(before);
  });

  it('bounds forms, and takes no other type', async () => {
    await start({ maxBodyBytes: 1000 });
    const form = new FormData();
    form.set('model', 'sound');
    form.set('file', new Blob(['x'.repeat(2000)]), 'a.mp3');
    expect((await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form })).status).toBe(413);
    expect((await gateway.post('/v1/audio/transcriptions', { model: 'sound' })).status).toBe(415);
    const unknown = await fetch(`${gateway.url}/v1/images/generations`, { method: 'POST', body: form });
    expect(unknown.status).toBe(415);
  });

  it('passes the errors of providers on', async () => {
    await start();
    upstream.use({
      respond: (response) => {
        response.writeHead(400, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ error: { message: 'no voice', type: 'invalid_request_error', param: 'voice', code: null } }));
      },
    });
    await expect(openai.audio.speech.create({ model: 'sound', voice: 'x', input: 'Hello' })).rejects.toMatchObject({
      status: 400,
      param: 'voice',
    });
  });
});
