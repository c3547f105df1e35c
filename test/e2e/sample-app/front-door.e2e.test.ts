import { Logger } from '@nestjs/common';
import { connect } from 'node:net';
import { MAX_BODY_BYTES } from '../../../sample-app/app.module.js';
import { addressOf, ask, COUNT, count, error, gatewayWith, json } from './sample-requests.js';
import { until } from '../../support/until.js';

beforeAll(() => Logger.overrideLogger(false));

describe('the sample gateway without a key', () => {
  gatewayWith({});

  it.each([
    'text/plain',
    'text/plain; charset=utf-8',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/jsonp',
    'application/vnd.api+json',
    'text/json',
    'text/plain, application/json',
    ' ',
  ])('rejects a body of the type %j on /v1', async (type) => {
    for (const path of ['/v1/tokens/count', '/v1/chat/completions', '/v1/embeddings', '/%76%31/tokens/count']) {
      const answer = await ask(path, { method: 'POST', headers: { 'content-type': type }, body: COUNT });
      expect([path, answer.status]).toEqual([path, 415]);
      expect(error(answer)).toMatchObject({
        type: 'invalid_request_error',
        message: expect.stringMatching(/application\/json|Unsupported Media Type/) as string,
      });
    }
  });

  it('serves no client of a proxy on this machine but a probe', async () => {
    const headers = { 'x-forwarded-for': '127.0.0.1' };
    const paths = ['/', '/dashboard', '/dashboard/data', '/metrics', '/state', '/v1/models', '/health'];
    const statuses = await Promise.all(paths.map(async (path) => (await ask(path, { headers })).status));
    expect(statuses).toEqual([401, 401, 401, 401, 401, 401, 200]);
    expect(JSON.parse((await ask('/health', { headers })).text)).toEqual({ status: 'ok' });
  });

  it('rejects a body without a type and a compressed body', async () => {
    expect((await ask('/v1/tokens/count', { method: 'POST', body: COUNT })).status).toBe(415);
    expect((await count({ 'content-encoding': 'gzip' })).status).toBe(415);
    expect((await ask('/v1/tokens/count', { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: COUNT })).status).toBe(415);
  });

  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset=UTF-8'])(
    'takes a body of the type %s',
    async (type) => {
      expect((await count({ 'content-type': type })).status).toBe(200);
    },
  );

  it.each<[string, Record<string, string>]>([
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['Sec-Fetch-Site: same-site', { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' }],
    ['an unknown Sec-Fetch-Site', { 'sec-fetch-site': 'whatever' }],
    ['Origin of another host', { origin: 'https://evil.example' }],
    ['Origin of another port', { origin: 'http://127.0.0.1:1' }],
    ['Origin: null', { origin: 'null' }],
    ['an Origin that begins alike', { origin: 'http://127.0.0.1:1.evil.example' }],
  ])('rejects cross-site requests: %s', async (_, headers) => {
    const answers = [
      await count(headers),
      await ask('/v1/models', { headers }),
      await ask('/metrics', { headers }),
      await ask('/health', { headers }),
      await ask('/dashboard/data', { headers }),
      await ask('/dashboard/login', {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
        body: 'token=x',
      }),
      await ask('/dashboard/logout', { method: 'POST', headers }),
      await ask('/v1/chat/completions', { method: 'OPTIONS', headers: { ...headers, 'access-control-request-method': 'POST' } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 403));
    expect(error(answers[0])).toMatchObject({ code: 'cross_site_request' });
    for (const answer of answers) expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('serves its own pages, links to them, and clients that are not browsers', async () => {
    const { host } = new URL(addressOf().url);
    for (const headers of [
      { 'sec-fetch-site': 'same-origin', origin: addressOf().url },
      { 'sec-fetch-site': 'none' },
      { origin: `http://${host}` },
      { 'sec-fetch-site': 'same-origin', origin: 'https://behind-a-proxy.example' },
      {},
    ] as Record<string, string>[]) {
      expect((await count(headers)).status).toBe(200);
    }
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    expect((await ask('/', { headers: link })).status).toBe(200);
    expect((await ask('/dashboard', { headers: link })).status).toBe(200);
    // A form of another site navigates, too.
    expect((await ask('/v1/tokens/count', { method: 'POST', headers: { ...link, ...json }, body: COUNT })).status).toBe(403);
    expect((await ask('/', { headers: { ...link, 'sec-fetch-dest': 'iframe' } })).status).toBe(403);
  });

  it('rejects a foreign host name that resolves to this machine (DNS rebinding)', async () => {
    for (const host of ['evil.example', 'evil.example:3000', 'EVIL.example.', '127.0.0.1.nip.io', 'localhost.evil.example']) {
      const answer = await ask('/v1/models', { headers: { host } });
      expect([host, answer.status]).toEqual([host, 403]);
      expect(error(answer).code).toBe('host_not_allowed');
    }
    for (const host of ['localhost:3000', '127.0.0.1', '[::1]:3000', 'app.localhost', 'gateway'])
      expect((await ask('/v1/models', { headers: { host } })).status).toBe(200);
  });

  it('reads bodies up to the limit of clients without a key, with a length and in chunks', async () => {
    const body = (bytes: number): string => `{"model":"gpt-4o","pad":"${'a b '.repeat(bytes / 4 - 9)}","input":"x"}`;
    const [small, large] = [body(MAX_BODY_BYTES - 1000), body(MAX_BODY_BYTES + 1000)];
    const chunked = { 'transfer-encoding': 'chunked' };
    for (const how of [{}, chunked]) {
      expect((await count(how, small)).status).toBe(200);
      for (const headers of [{}, { authorization: 'Bearer sk-made-up' }, { 'x-api-key': 'sk-made-up' }] as Record<string, string>[]) {
        for (const path of ['/v1/tokens/count', '/v1/embeddings']) {
          const answer = await ask(path, { method: 'POST', headers: { ...json, ...how, ...headers }, body: large });
          expect([path, answer.status]).toEqual([path, 413]);
          expect(error(answer)).toMatchObject({ type: 'invalid_request_error', code: 'request_too_large' });
        }
      }
    }
  });

  it('rejects a body by its length before it arrives, and closes a connection that keeps sending', async () => {
    const { port } = addressOf();
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk))).on('error', () => {});
    socket.write(
      `POST /v1/tokens/count HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`,
    );
    await until(() => text.includes('request_too_large'));
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    const sending = setInterval(() => socket.write('a'), 50);
    await until(() => socket.destroyed);
    clearInterval(sending);
  });

  it('sends headers against content sniffing', async () => {
    for (const path of ['/health', '/metrics', '/v1/models', '/v1/nothing', '/nowhere'])
      expect((await ask(path)).headers['x-content-type-options']).toBe('nosniff');
  });
});

describe('the sample gateway with CORS_ORIGINS', () => {
  gatewayWith({ CORS_ORIGINS: 'https://app.example, http://localhost:5173' });

  it('serves pages and preflights of these origins only', async () => {
    const page = { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' };
    const preflight = await ask('/v1/chat/completions', {
      method: 'OPTIONS',
      headers: { ...page, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-origin']).toBe('https://app.example');
    const answer = await count(page);
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBe('https://app.example');
    expect((await count({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await count({ origin: 'https://app.example.evil.example' })).status).toBe(403);
    expect((await count({})).status).toBe(200);
  });
});
