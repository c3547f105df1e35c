import { Controller, Get } from '@nestjs/common';
import { GatewayApp } from '../../support/gateway-app.js';

/** An Express app, as far as it is used here. */
interface ExpressApp {
  get(path: string, answer: (request: unknown, response: { send(text: string): unknown }) => void): unknown;
}

@Controller('v1/things')
class Things {
  @Get(':id')
  one(): string {
    return 'a thing';
  }
}

describe.each(['Express', 'Fastify'] as const)('a route that the gateway on %s does not have', (adapter) => {
  let gateway: GatewayApp | undefined;
  const start = async (...args: Parameters<typeof GatewayApp.start> extends [unknown, ...infer Rest] ? Rest : never): Promise<GatewayApp> =>
    (gateway = await GatewayApp.start(adapter, ...args));
  afterEach(() => gateway?.stop());
  const inOpenAI = (route: string) => ({
    error: { message: `Unknown route: ${route}.`, type: 'invalid_request_error', param: null, code: 'unknown_url' },
  });

  it('is a 404 in the shape of the client, which names it, and other routes stay as they are', async () => {
    await start({}, { controllers: [Things] });
    const ask = async (method: string, path: string, headers: Record<string, string> = {}) => {
      const { status, text } = await (gateway as GatewayApp).ask(path, { method, headers });
      return [status, text.startsWith('{') ? (JSON.parse(text) as object) : text];
    };
    expect(await ask('POST', '/v1/assistants?key=secret')).toEqual([404, inOpenAI('POST /v1/assistants')]);
    expect(await ask('GET', '/v1/chat/completions')).toEqual([404, inOpenAI('GET /v1/chat/completions')]);
    expect(await ask('GET', '/v1')).toEqual([404, inOpenAI('GET /v1')]);
    expect(await ask('POST', '/v1/messages/unknown')).toEqual([
      404,
      { type: 'error', error: { type: 'not_found_error', message: 'Unknown route: POST /v1/messages/unknown.' }, request_id: null },
    ]);
    expect(await ask('GET', '/v1/organizations', { 'anthropic-version': '2023-06-01' })).toMatchObject([404, { type: 'error' }]);
    expect(await ask('GET', '/v1/things/1')).toEqual([200, 'a thing']);
    expect(await ask('GET', '/v1beta/x')).toMatchObject([404, { message: 'Cannot GET /v1beta/x' }]);
    expect(await ask('GET', '/other')).toMatchObject([404, { message: 'Cannot GET /other' }]);
  });

  it('is detected below another path, below a global prefix, and without one', async () => {
    await start({ path: 'llm/v2', unprefixed: true }, { prepare: (app) => void app.setGlobalPrefix('api') });
    for (const path of ['/api/llm/v2/unknown', '/api/chat/unknown']) {
      const { status, text } = await (gateway as GatewayApp).post(path, {});
      expect([status, JSON.parse(text)]).toEqual([404, inOpenAI(`POST ${path}`)]);
    }
    const { text } = await (gateway as GatewayApp).post('/api/messages/unknown', {});
    expect(JSON.parse(text)).toMatchObject({ type: 'error' });
  });

  it('is known where a prefix of the app leaves the gateway out', async () => {
    await start({}, { prepare: (app) => void app.setGlobalPrefix('api', { exclude: ['v1/{*path}'] }) });
    const { status, text } = await (gateway as GatewayApp).post('/v1/assistants', {});
    expect([status, JSON.parse(text)]).toEqual([404, inOpenAI('POST /v1/assistants')]);
  });
});

it('leaves what is outside the prefix of the app to the routes that a server adds to Express', async () => {
  const gateway = await GatewayApp.start('Express', {}, { prepare: (app) => void app.setGlobalPrefix('api') });
  try {
    const server = gateway.app.getHttpAdapter().getInstance() as ExpressApp;
    server.get('/v1/legacy', (_request, response) => void response.send('a legacy'));
    expect(await gateway.ask('/v1/legacy', { method: 'GET' })).toMatchObject({ status: 200, text: 'a legacy' });
    expect((await gateway.ask('/api/v1/legacy', { method: 'GET' })).text).toContain('unknown_url');
  } finally {
    await gateway.stop();
  }
});
