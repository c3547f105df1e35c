import { Module, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLM,
  FastLiteLLMDashboardModule,
  FastLiteLLMModule,
  InvalidConfigurationError,
  type DashboardMount,
  type DashboardOptions,
} from 'nestjs-fast-litellm';
import { createHash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { EXPECTED_PILL } from '../observability/expected-health.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const SECRET = 'sk-live-1234567890abcdef';

function behindProxy(adapter: ExpressAdapter): ExpressAdapter {
  adapter.set('trust proxy', true);
  return adapter;
}

describe.each([
  ['Express', () => behindProxy(new ExpressAdapter())],
  ['Fastify', () => new FastifyAdapter({ forceCloseConnections: true, trustProxy: true } as never)],
])('the dashboard on %s', (_, adapter) => {
  let app: INestApplication;

  async function start(options: DashboardOptions & DashboardMount = {}, prefix?: string) {
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit: { requestsPerMinute: 4 } }),
        FastLiteLLMDashboardModule.forRoot(options),
      ],
    })
    class AppModule {}
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = testing.createNestApplication(adapter(), { logger: false });
    if (prefix !== undefined) app.setGlobalPrefix(prefix);
    await app.listen(0, '127.0.0.1');
    if (app.getHttpAdapter().getType() === 'fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    return request(app.getHttpServer());
  }
  afterEach(() => app.close());

  /** Opens the stream and reads messages as they come. */
  async function follow(path: string, headers: Record<string, string> = {}) {
    const { port } = app.getHttpServer().address() as AddressInfo;
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      get({ host: '127.0.0.1', port, path, headers, agent: false }, resolve).on('error', reject),
    );
    let text = '';
    const ended = new Promise<void>((resolve) => response.once('close', resolve));
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const messages = () => [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json) as { panels: Record<string, string> });
    const message = async (index: number) => {
      while (messages().length <= index) await new Promise((resolve) => response.once('data', resolve));
      return messages()[index];
    };
    return { response, message, ended };
  }

  it('serves a page that works without JavaScript, and its assets', async () => {
    const client = await start({ title: 'Ops <b>' });
    const { text, headers } = await client.get('/dashboard').expect(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(text).toContain('>Ops &lt;b&gt;</a>');
    for (const shown of [EXPECTED_PILL, 'Denied by limits', 'Needs attention']) expect(text).toContain(shown);
    // Features that are off have no panels and no pages.
    for (const absent of ['Calls waiting', 'dashboard/keys', 'dashboard/spending']) expect(text).not.toContain(absent);
    for (const path of ['keys', 'spending', 'nothing']) await client.get(`/dashboard/${path}`).expect(404);
    expect(text).not.toMatch(/<script(?! src=)|<style|\sstyle=|\son\w+=|https?:\/\/(?!127)/);

    const links = [...text.matchAll(/(?:src|href)="(dashboard\/[^"]+\.\w+)"/g)].map(([, link]) => link);
    expect(links.sort()).toEqual(['app.css', 'app.js', 'icon.svg', 'uplot.css', 'uplot.js'].map((name) => `dashboard/${name}`));
    for (const link of links)
      expect((await client.get(`/${link}`).expect(200)).headers['content-type']).toMatch(/^(text\/(css|javascript)|image\/svg)/);
    const pages = [...text.matchAll(/<li><a href="(dashboard\/[^"]+)"/g)].map(([, link]) => link);
    expect(pages).toEqual(['dashboard/models', 'dashboard/calls', 'dashboard/diagnostics']);
    for (const page of pages) expect((await client.get(`/${page}`).expect(200)).text).toMatch(/<a href="[^"]+" aria-current="page">/);
    const { text: diagnostics } = await client.get('/dashboard/diagnostics').expect(200);
    for (const shown of ['token counting', 'rust_<wbr />routing', 'Requests denied']) expect(diagnostics).toContain(shown);
    await client.get('/dashboard/../../package.json').expect(404);
    await client.get('/dashboard/app.ts').expect(404);
    await client.get('/dashboard/toString').expect(404);
  });

  it('hides the keys of limits', async () => {
    const client = await start();
    const llm = app.get(FastLiteLLM);
    for (let i = 0; i < 6; i++) llm.rateLimiter.check(SECRET);
    const { body } = (await client.get('/dashboard/data').expect(200)) as { body: { limits: { keyHash: string; remaining: number }[] } };
    expect(body.limits).toMatchObject([{ limit: 'default', unit: 'requests', total: 4, remaining: 0 }]);
    const { text } = await client.get('/dashboard').expect(200);
    expect(text).toContain(body.limits[0].keyHash);
    for (const said of [text, JSON.stringify(body)]) {
      expect(said).not.toContain(SECRET);
      expect(said).not.toContain(createHash('sha256').update(SECRET).digest('hex').slice(0, 10));
    }
  });

  it('streams everything at first, then changes, and ends when the app closes', async () => {
    await start({ intervalMs: 250 });
    const { message, response, ended } = await follow('/dashboard/events?page=diagnostics');
    expect(response.headers['content-type']).toContain('text/event-stream');
    expect(Object.keys((await message(0)).panels)).toEqual(expect.arrayContaining(['status', 'counters', 'engines']));
    app.get(FastLiteLLM).tokenCounter.countTokens('hello world', 'gpt-4');
    let counters: string | undefined;
    for (let i = 1; counters?.includes('<dd>2') !== true; i++) counters = (await message(i)).panels.counters ?? counters;
    await app.close();
    await ended;
  });

  it('accepts its token by form or header, and deletes the session on log-out', async () => {
    const client = await start({ token: 's3cret-token' });
    const { text } = await client.get('/dashboard').expect(401);
    expect(text).toContain('<form class="card" method="post" action="dashboard/login">');
    expect(text).not.toContain('rust_');
    await client.get('/dashboard/data').expect(401);
    await client.get('/dashboard/events').expect(401);
    await client.get('/dashboard/app.css').expect(200);
    await client.get('/dashboard/data').set('Authorization', 'Bearer wrong').expect(401);
    await client.get('/dashboard/data').set('Authorization', 'Bearer s3cret-token').expect(200);

    const wrong = await client.post('/dashboard/login').type('form').send({ token: 'wrong' }).expect(401);
    expect(wrong.text).toContain('Wrong token.');
    expect(wrong.headers).not.toHaveProperty('set-cookie');
    const { headers } = await client.post('/dashboard/login').type('form').send({ token: 's3cret-token' }).expect(303);
    expect(headers.location).toBe('../dashboard');
    const [cookie] = headers['set-cookie'] as unknown as string[];
    expect(cookie).toMatch(/^fast_litellm_dashboard=\d+\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    const [session] = cookie.split(';');
    await client.get('/dashboard').set('Cookie', session).expect(200);
    await client.get('/dashboard/data').set('Cookie', session).expect(200);
    const { response } = await follow('/dashboard/events', { cookie: session });
    expect(response.statusCode).toBe(200);
    response.destroy();
    const left = await client.post('/dashboard/logout').set('Cookie', session).expect(303);
    expect(left.headers['set-cookie'][0]).toMatch(/^fast_litellm_dashboard=; .*Max-Age=0$/);
  });

  it.each(['/dashboard/data', '/dashboard'])(
    'lets an address try so many tokens at %s and no more; who has a session goes on',
    async (path) => {
      const client = await start({ token: 's3cret-token' });
      const { headers } = await client.post('/dashboard/login').type('form').send({ token: 's3cret-token' }).expect(303);
      const [session] = headers['set-cookie'][0].split(';');
      for (let i = 0; i < 20; i++) await client.get(path).set('Authorization', `Bearer guess-${i}`).expect(401);
      await client.get(path).set('Authorization', 'Bearer s3cret-token').expect(429);
      await client.get('/dashboard/data').set('Authorization', 'Bearer s3cret-token').expect(429);
      await client.post('/dashboard/login').type('form').send({ token: 's3cret-token' }).expect(429);
      await client.get('/dashboard/data').set('Cookie', session).expect(200);
    },
  );

  it('takes the addresses of a network of IPv6 for one that tries tokens', async () => {
    const client = await start({ token: 's3cret-token' });
    const logIn = (from: string, token: string) =>
      client.post('/dashboard/login').set('X-Forwarded-For', from).type('form').send({ token });
    for (let i = 0; i < 20; i++) await logIn(`2001:db8:1:2:${i}::${i}`, `guess-${i}`).expect(401);
    await logIn('2001:db8:1:2:ffff::1', 's3cret-token').expect(429);
    await client.get('/dashboard/data').set({ 'X-Forwarded-For': '2001:db8:1:2::1', authorization: 'Bearer s3cret-token' }).expect(429);
    await logIn('2001:db8:1:3::1', 's3cret-token').expect(303);
  });

  it('ends a session on log-out, with copies of its cookie and its streams', async () => {
    const client = await start({ token: 's3cret-token' });
    const logIn = async (): Promise<string> => {
      const { headers } = await client.post('/dashboard/login').type('form').send({ token: 's3cret-token' }).expect(303);
      return headers['set-cookie'][0].split(';')[0];
    };
    const [mine, other] = [await logIn(), await logIn()];
    expect(mine).not.toBe(other);
    const [left, stays] = [await follow('/dashboard/events', { cookie: mine }), await follow('/dashboard/events', { cookie: other })];
    await Promise.all([left.message(0), stays.message(0)]);
    await client.post('/dashboard/logout').set('Cookie', mine).expect(303);
    await left.ended;
    for (const path of ['/dashboard', '/dashboard/data', '/dashboard/events']) await client.get(path).set('Cookie', mine).expect(401);
    await client.get('/dashboard/data').set('Cookie', other).expect(200);
    expect(stays.response.complete).toBe(false);
    // Without a session there is nothing to end.
    await client.post('/dashboard/logout').set('Cookie', mine).expect(303);
    await client.post('/dashboard/logout').expect(303);
    await client.get('/dashboard/data').set('Cookie', other).expect(200);
    stays.response.destroy();
  });

  it('opens at most ten streams for a session', async () => {
    const client = await start({ token: 's3cret-token' });
    const { headers } = await client.post('/dashboard/login').type('form').send({ token: 's3cret-token' }).expect(303);
    const [cookie] = headers['set-cookie'][0].split(';');
    const streams = await Promise.all(Array.from({ length: 10 }, () => follow('/dashboard/events', { cookie })));
    await Promise.all(streams.map((stream) => stream.message(0)));
    await client.get('/dashboard/events').set('Cookie', cookie).expect(429);
    const byToken = await follow('/dashboard/events', { authorization: 'Bearer s3cret-token' });
    await byToken.message(0);
    streams[0].response.destroy();
    const deadline = Date.now() + 10_000;
    for (let status = 429; status !== 200;) {
      if (Date.now() > deadline) throw new Error('no room for another stream');
      const next = await follow('/dashboard/events', { cookie });
      status = next.response.statusCode ?? 0;
      streams.push(next);
    }
    for (const { response } of [...streams, byToken]) response.destroy();
  });

  it('works under any path, also with a prefix and a trailing slash', async () => {
    const client = await start({ path: 'ops/llm' }, 'api');
    const bare = await client.get('/api/ops/llm').expect(200);
    expect(bare.text).toContain('src="llm/app.js"');
    await client.get('/api/ops/llm/app.js').expect(200);
    await client.get('/dashboard').expect(404);
  });
});

describe('FastLiteLLMDashboardModule', () => {
  const boot = (...dashboards: Parameters<typeof Module>[0]['imports'] & object) =>
    Test.createTestingModule({ imports: [FastLiteLLMModule.forRoot({ logger, metrics: false }), ...dashboards] }).compile();

  it('does not start in production without a token', async () => {
    const before = process.env.NODE_ENV;
    process.env.NODE_ENV = 'production';
    try {
      await expect(boot(FastLiteLLMDashboardModule.forRoot())).rejects.toMatchObject({
        code: 'INVALID_CONFIGURATION',
        path: 'dashboard.token',
      });
      await (await boot(FastLiteLLMDashboardModule.forRoot({ token: 'given' }))).close();
    } finally {
      process.env.NODE_ENV = before;
    }
  });

  it('takes its options from a factory, and its path beside it', async () => {
    const testing = await boot(FastLiteLLMDashboardModule.forRootAsync({ path: 'board', useFactory: () => ({ token: 'later' }) }));
    const app = testing.createNestApplication(new ExpressAdapter(), { logger: false });
    await app.init();
    await request(app.getHttpServer()).get('/board/data').expect(401);
    await request(app.getHttpServer()).get('/board/data').set('Authorization', 'Bearer later').expect(200);
    await app.close();
  });

  it('rejects an invalid path', () => {
    expect(() => FastLiteLLMDashboardModule.forRoot({ path: 'a b' })).toThrow(InvalidConfigurationError);
  });
});
