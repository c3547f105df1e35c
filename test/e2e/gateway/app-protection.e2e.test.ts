import { All, Controller, Get, Post, Req, type INestApplication } from '@nestjs/common';
import {
  FastLiteLLMKeysModule,
  principalOf,
  setPrincipal,
  type ApiKeysOptions,
  type GatewayMount,
  type GatewayOptions,
} from 'nestjs-fast-litellm';
import { Agent, request, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { basename } from 'node:path';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';

@Controller()
class ShopController {
  @Get(['orders', 'open/orders', 'v1/orders', 'opened'])
  orders(@Req() request: object): object {
    return { client: principalOf(request)?.limitKey ?? null };
  }

  @All('any')
  any(): string {
    return 'any';
  }

  @Post('orders')
  order(): string {
    return 'ordered';
  }
}

const MASTER = 'sk-master-0123456789';
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const crossSite = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
const codeOf = ({ text }: { readonly text: string }): string | undefined => (JSON.parse(text) as { error?: { code?: string } }).error?.code;

let gateway: GatewayApp | undefined;
/** The address that new connections appear to come from. */
let remoteAddress: string | undefined;

afterEach(async () => {
  remoteAddress = undefined;
  await gateway?.stop();
  await stopProviders();
});

async function start(
  adapter: AdapterName,
  options: GatewayOptions & GatewayMount,
  keys?: ApiKeysOptions,
  env: Readonly<Record<string, string>> = {},
  prepare = (app: INestApplication): void => app.enableCors({ origin: ['https://app.example'] }),
): Promise<GatewayApp> {
  const upstream = await provider('one');
  const router = { modelList: [deploymentOf('chat', upstream)] };
  Object.assign(process.env, env);
  try {
    gateway = await GatewayApp.start(adapter, options, {
      module: { router, rateLimit: { requestsPerSecond: 100 } },
      imports: keys === undefined ? [] : [FastLiteLLMKeysModule.forRoot(keys)],
      controllers: [ShopController],
      prepare,
    });
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
  }
  (gateway.app.getHttpServer() as Server).prependListener('connection', (socket: Socket) => {
    if (remoteAddress !== undefined) Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress });
  });
  return gateway;
}

type Handler = (request: { readonly path: string }, response: { send(body: string): void }, next: () => void) => void;
interface ExpressRouter {
  get(path: string, handler: Handler): ExpressRouter;
}
interface Express {
  (): ExpressRouter;
  Router(): ExpressRouter;
  static(folder: string): Handler;
}

// eslint-disable-next-line @typescript-eslint/no-require-imports -- it comes with Nest, without types
const express = require('express') as Express;

const adapters = Object.keys(ADAPTERS) as AdapterName[];

describe.each(adapters)('openOnLoopback, on %s', (adapter) => {
  const chat = (headers: Record<string, string> = {}, more: object = {}) =>
    (gateway as GatewayApp).post('/v1/chat/completions', { model: 'chat', messages: HELLO, ...more }, headers);

  it.each([
    ['without keys', undefined],
    ['with a keys module that has no master key', { masterKey: null }],
  ])('serves clients on this machine without a key, and rejects others, %s', async (_, keys) => {
    await start(adapter, { openOnLoopback: true }, keys);
    for (const address of [undefined, '127.8.9.1', '::1', '::ffff:127.0.0.1']) {
      remoteAddress = address;
      expect([address, (await chat()).status]).toEqual([address, 200]);
    }
    for (const address of ['203.0.113.7', '::ffff:10.0.0.1', '::', '2001:db8::1', '12.7.0.1', '128.0.0.1']) {
      remoteAddress = address;
      const denied = await chat(bearer('sk-made-up-0123456789'));
      expect([address, denied.status, codeOf(denied)]).toEqual([address, 401, 'invalid_api_key']);
      expect((await (gateway as GatewayApp).ask('/v1/models', { method: 'GET' })).status).toBe(401);
    }
  });

  it.each(['x-forwarded-for', 'Forwarded', 'Via', 'x-real-ip', 'x-forwarded-host', 'x-forwarded-proto'])(
    'takes no client of a proxy on this machine, which sends %s, for one of this machine',
    async (header) => {
      await start(adapter, { openOnLoopback: true, protectApp: {} });
      expect((await chat({ [header]: '127.0.0.1' })).status).toBe(401);
      for (const path of ['/orders', '/v1/models']) {
        const denied = await (gateway as GatewayApp).ask(path, { method: 'GET', headers: { [header]: '' } });
        expect([path, denied.status, codeOf(denied)]).toEqual([path, 401, 'invalid_api_key']);
      }
    },
  );

  it('limits a client without a key by its address, whatever key it sends', async () => {
    await start(adapter, { openOnLoopback: true, rateLimit: [{ requestsPerMinute: 2 }] });
    const statuses = [];
    for (const key of ['sk-a', 'sk-b', 'sk-c']) statuses.push((await chat(bearer(key))).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  it('rejects names of other sites, except allowed ones, only while no master key is set', async () => {
    const open = await start(adapter, { openOnLoopback: true, allowedHosts: ['Gateway.example'] });
    const status = async (from: GatewayApp, host: string, headers = {}) =>
      (await from.ask('/v1/models', { method: 'GET', headers: { host, ...headers } })).status;
    expect(await Promise.all(['evil.example', 'gateway.example', 'localhost:3000', '10.0.0.1'].map((host) => status(open, host)))).toEqual([
      403, 200, 200, 200,
    ]);
    await open.stop();
    const closed = await start(adapter, { openOnLoopback: true }, { masterKey: MASTER });
    expect([await status(closed, 'any.example', bearer(MASTER)), await status(closed, 'localhost')]).toEqual([200, 401]);
  });

  it('limits bodies without a key by maxAnonymousBodyBytes', async () => {
    await start(adapter, { openOnLoopback: true, maxAnonymousBodyBytes: 1000 }, { masterKey: null });
    expect((await chat({}, { user: 'u'.repeat(500) })).status).toBe(200);
    const large = await chat({}, { user: 'u'.repeat(1000) });
    expect([large.status, codeOf(large)]).toEqual([413, 'request_too_large']);
    await gateway?.stop();
    await start(adapter, { openOnLoopback: true, maxAnonymousBodyBytes: 1000 }, { masterKey: MASTER });
    expect((await chat(bearer(MASTER), { user: 'u'.repeat(1000) })).status).toBe(200);
  });

  it('serves every address with LiteLLM’s setting for a missing master key', async () => {
    await start(adapter, { openOnLoopback: true }, undefined, { LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true' });
    remoteAddress = '203.0.113.7';
    expect((await chat()).status).toBe(200);
    expect((await chat({ 'x-forwarded-for': '203.0.113.8' })).status).toBe(200);
  });
});

describe.each(adapters)('protectApp, on %s', (adapter) => {
  const protectApp = { withoutKey: ['open', '/opened/'], withAnyKey: ['/v1'] };
  const get = (path: string, headers: Record<string, string> = {}) => (gateway as GatewayApp).ask(path, { method: 'GET', headers });

  it('requires the master key on all paths but those listed, and any key on those for keys', async () => {
    const { app } = await start(adapter, { protectApp }, { masterKey: MASTER, keys: [{ key: 'sk-client-0123456789' }] as never });
    expect(app).toBeDefined();
    const client = bearer('sk-client-0123456789');
    const expected: [string, number, number, number][] = [
      ['/orders', 401, 401, 200],
      ['/nowhere', 401, 401, 404],
      ['/v1/orders', 401, 200, 200],
      ['/v1/models', 401, 200, 200],
      ['/v1/nowhere', 401, 404, 404],
      ['/open/orders', 200, 200, 200],
      ['/opened', 200, 200, 200],
      ['/open%2forders', 401, 401, 404],
      ['//open/orders', 401, 401, 404],
      ['/openly', 401, 401, 404],
      ['/open/../orders', 401, 401, 404],
      ['/open/%2e%2E/orders', 401, 401, 404],
      ['/open/..%2forders', 401, 401, 404],
      ['/open/.%2e\\orders', 401, 401, 404],
      ['/v1/../orders', 401, 401, 404],
      ['/OPEN/orders', 401, 401, adapter === 'Express' ? 200 : 404],
      ['/open;/../orders', 401, 401, 404],
      ['http://127.0.0.1/orders', 401, 401, 200],
      ['/orders?/open', 401, 401, 200],
    ];
    for (const [path, ...statuses] of expected) {
      const answers = [await get(path), await get(path, client), await get(path, bearer(MASTER))];
      expect([path, ...answers.map(({ status }) => status)]).toEqual([path, ...statuses]);
    }
    const denied = await get('/orders');
    expect([denied.headers['www-authenticate'], denied.headers['x-content-type-options'], codeOf(denied)]).toEqual([
      'Bearer',
      'nosniff',
      'invalid_api_key',
    ]);
    expect((await get('/v1/messages/x', { 'anthropic-version': '2023-06-01' })).text).toContain('"type":"error"');
  });

  it('requires a key of OPTIONS, HEAD and unusual methods, too, where CORS has not answered a preflight', async () => {
    await start(adapter, { protectApp }, { masterKey: MASTER });
    const own = { origin: `http://127.0.0.1:${(gateway as GatewayApp).port}`, host: `127.0.0.1:${(gateway as GatewayApp).port}` };
    for (const [method, path] of [
      ['HEAD', '/orders'],
      ['PUT', '/any'],
      ['PROPFIND', '/orders'],
    ])
      expect([method, (await (gateway as GatewayApp).ask(path, { method, headers: own })).status]).toEqual([method, 401]);
  });

  it('runs no handler for OPTIONS without a key', async () => {
    await start(adapter, { protectApp }, { masterKey: MASTER }, {}, () => {});
    const ask = (headers: Record<string, string>) => (gateway as GatewayApp).ask('/any', { method: 'OPTIONS', headers });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ 'access-control-request-method': 'POST' })).status).toBe(401);
    expect((await ask(bearer(MASTER))).text).toBe('any');
  });

  it('opens only withAnyKey to clients that the app has authenticated', async () => {
    await start(adapter, { protectApp }, { masterKey: MASTER }, {}, (app) =>
      app.use((request: object, _response: object, next: () => void) => {
        setPrincipal(request, { limitKey: 'user:1', tags: [], metadata: {}, isAdmin: false, mayCall: () => true });
        next();
      }),
    );
    expect([(await get('/orders')).status, (await get('/v1/orders')).status]).toEqual([401, 200]);
  });

  it('serves each request of a connection by its own key', async () => {
    await start(adapter, { protectApp }, { masterKey: MASTER });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const status = (headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        request({ port: (gateway as GatewayApp).port, path: '/orders', agent, headers }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode));
        })
          .on('error', reject)
          .end();
      });
    expect([await status(bearer(MASTER)), await status({}), await status(bearer(MASTER))]).toEqual([200, 401, 200]);
    agent.destroy();
  });

  it('identifies a client also on paths that need no key', async () => {
    await start(adapter, { protectApp }, { masterKey: MASTER });
    const client = async (headers = {}) => (JSON.parse((await get('/open/orders', headers)).text) as { client: string | null }).client;
    expect([await client(), await client(bearer('sk-wrong')), await client(bearer(MASTER))]).toEqual([null, null, 'key:master']);
  });

  it('rejects pages of other sites on every path, unless CORS allows them', async () => {
    await start(adapter, { openOnLoopback: true, protectApp });
    for (const path of ['/orders', '/open/orders', '/nowhere', '/v1/models']) {
      const denied = await get(path, crossSite);
      expect([path, denied.status, codeOf(denied)]).toEqual([path, 403, 'cross_site_request']);
      expect(denied.headers).not.toHaveProperty('access-control-allow-origin');
      expect((await get(path, { host: 'evil.example' })).status).toBe(403);
    }
    const allowed = { 'sec-fetch-site': 'cross-site', origin: 'https://app.example' };
    const answer = await get('/orders', allowed);
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, 'https://app.example']);
    const preflight = { ...allowed, 'access-control-request-method': 'POST' };
    expect((await (gateway as GatewayApp).ask('/orders', { method: 'OPTIONS', headers: preflight })).status).toBe(204);
  });

  it('rejects a body before it is read', async () => {
    await start(adapter, { protectApp }, { masterKey: MASTER });
    const body = 'x'.repeat(3_000_000);
    const answers = [
      await (gateway as GatewayApp).ask('/orders', { body }),
      await (gateway as GatewayApp).post('/v1/chat/completions', { body }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
  });
});

describe('protectApp, on Express, of what the app adds before it listens', () => {
  it('covers routes, routers, apps and static files, and lets middleware come first', async () => {
    const seen: string[] = [];
    const file = basename(__filename);
    await start('Express', { protectApp: { withoutKey: ['/open'] } }, { masterKey: MASTER }, {}, (app) => {
      const server = app.getHttpAdapter().getInstance() as ExpressRouter;
      const answer: Handler = (_request, response) => response.send('open');
      server.get('/docs', answer);
      app.use('/queues', express.Router().get('/', answer));
      app.use('/inner', express().get('/', answer));
      app.use(express.static(__dirname));
      app.use(((asked, _response, next) => {
        seen.push(asked.path);
        next();
      }) satisfies Handler);
      app.enableCors({ origin: ['https://app.example'] });
    });
    for (const path of ['/docs', '/queues', '/inner', `/${file}`, `/open/../${file}`, `/open/%2e%2e/${file}`]) {
      const statuses = [];
      for (const headers of [{}, bearer(MASTER)]) {
        statuses.push((await (gateway as GatewayApp).ask(path, { method: 'GET', headers })).status);
      }
      expect([path, ...statuses]).toEqual([path, 401, 200]);
    }
    expect(seen).toContain('/docs');
    const asked = { 'sec-fetch-site': 'cross-site', origin: 'https://app.example', ...bearer(MASTER) };
    expect((await (gateway as GatewayApp).ask('/docs', { method: 'GET', headers: asked })).status).toBe(200);
  });
});

describe('the options for access', () => {
  it.each<[GatewayOptions & GatewayMount, RegExp]>([
    [{ openOnLoopback: 'yes' as never }, /^gateway\.openOnLoopback: must be (a boolean|true or false), got "yes"/],
    [{ maxAnonymousBodyBytes: 0 }, /^gateway\.maxAnonymousBodyBytes: must be/],
    [{ protectApp: true }, /^gateway\.protectApp: must be an object/],
    [{ protectApp: { withKey: [] } as never }, /^gateway\.protectApp\.withKey: is not a known option/],
    [{ protectApp: { withoutKey: '/health' as never } }, /^gateway\.protectApp\.withoutKey: must be/],
    [{ protectApp: { withAnyKey: ['/v1', '/'] } }, /^gateway\.protectApp\.withAnyKey\[1\]: must be a path/],
  ])('rejects %j at the start', async (options, message) => {
    await expect(start('Express', options)).rejects.toThrow(message);
  });

  it('rejects openOnLoopback with guards, which decide who may use the gateway', async () => {
    const guards = [
      class NoGuard {
        canActivate = () => true;
      },
    ];
    await expect(start('Express', { openOnLoopback: true, guards })).rejects.toThrow(/^gateway\.openOnLoopback: cannot be combined with/);
  });
});
