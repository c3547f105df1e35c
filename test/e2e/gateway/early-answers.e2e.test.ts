import { GatewayApp } from '../../support/gateway-app.js';

// What is rejected before its body is read has the headers that the app sets for all answers.

const ORIGIN = 'https://app.example';
const JSON_TYPE = { 'content-type': 'application/json' };

describe.each(['Express', 'Fastify'] as const)('an early rejection on %s', (adapter) => {
  let gateway: GatewayApp;
  beforeAll(async () => {
    const options = {
      masterKey: 'sk-master',
      maxBodyBytes: 1000,
      rateLimit: { default: false },
    };
    gateway = await GatewayApp.start(adapter, options as never, {
      prepare: (app) => {
        app.enableCors({ origin: ORIGIN });
        if (adapter === 'Express') {
          app.use((_request: unknown, response: { setHeader(name: string, value: string): void }, next: () => void) => {
            response.setHeader('x-frame-options', 'SAMEORIGIN');
            next();
          });
        } else {
          const fastify = app.getHttpAdapter().getInstance() as { addHook(name: string, hook: (...args: never[]) => void): void };
          fastify.addHook('onRequest', (_request: unknown, reply: { header(name: string, value: string): void }, done: () => void) => {
            reply.header('x-frame-options', 'SAMEORIGIN');
            done();
          });
        }
      },
    });
  });
  afterAll(() => gateway.stop());

  it.each<[string, number, Record<string, string>, string]>([
    ['without a key', 401, JSON_TYPE, '{}'],
    ['of another type', 415, { authorization: 'Bearer sk-master', 'content-type': 'text/plain' }, 'x'],
    [
      'that is too long by its header',
      413,
      { authorization: 'Bearer sk-master', ...JSON_TYPE, 'content-length': '200000' },
      `"${'x'.repeat(199_998)}"`,
    ],
    [
      'that is too long by its chunks',
      413,
      { authorization: 'Bearer sk-master', ...JSON_TYPE, 'transfer-encoding': 'chunked' },
      `"${'x'.repeat(5000)}"`,
    ],
    ['that is no JSON', 400, { authorization: 'Bearer sk-master', ...JSON_TYPE }, '{'],
  ])('of a body %s has the headers of CORS and of the app', async (_, status, headers, body) => {
    for (const path of ['/v1/chat/completions', '/v1/messages']) {
      const got = await gateway.ask(path, { headers: { origin: ORIGIN, ...headers }, body });
      expect([got.status, got.headers['access-control-allow-origin'], got.headers['x-frame-options']]).toEqual([
        status,
        ORIGIN,
        'SAMEORIGIN',
      ]);
      expect(JSON.parse(got.text)).toMatchObject(
        path === '/v1/messages' ? { type: 'error' } : { error: { type: 'invalid_request_error' } },
      );
    }
  });
});
