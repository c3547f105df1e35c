import { Controller, HttpCode, Post, Req, UseGuards, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLMModule,
  RateLimit,
  RateLimitGuard,
  rateLimitPrecheck,
  RateLimiterService,
  redisRateLimitStore,
  reportUsage,
  type BudgetQueueOptions,
  type RateLimitOptions,
} from 'nestjs-fast-litellm';
import { request as open, type ClientRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { usuallyOrLong } from '../../support/long.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { sleep, until } from '../../support/until.js';
import { logger } from './limited-routes.js';

interface PaidRequest {
  readonly headers: Readonly<Record<string, string>>;
}

/** Requests in their handler, by name, in the order in which they came. */
const running = new Map<string, (usd: number) => void>();
const ran: string[] = [];
const end = (name: string, usd: number): void => running.get(name)?.(usd);

@Controller()
@UseGuards(RateLimitGuard)
class PaidController {
  @Post('paid')
  @HttpCode(200)
  @RateLimit({ name: 'paid', key: ({ headers }: PaidRequest) => headers.who, usd: ({ headers }: PaidRequest) => Number(headers.usd) })
  async paid(@Req() incoming: PaidRequest): Promise<object> {
    const { name } = incoming.headers;
    ran.push(name);
    const usd = await new Promise<number>((resolve) => running.set(name, resolve));
    running.delete(name);
    reportUsage(incoming, 1, usd);
    return { name };
  }
}

interface Sent {
  readonly request: ClientRequest;
  readonly answer: Promise<{ status: number; headers: IncomingHttpHeaders; body: { error?: Record<string, unknown> } }>;
}

const apps: INestApplication[] = [];
afterEach(async () => {
  let isClosed = false;
  const closed = Promise.all(apps.splice(0).map((app) => app.close())).then(() => (isClosed = true));
  // The end of one lets another one run.
  await until(() => {
    for (const name of running.keys()) end(name, 0);
    return isClosed;
  });
  await closed;
  ran.length = 0;
});

/** An app whose limit `paid` is 1 USD a day, and a way to send requests to it. */
async function start(
  queue: BudgetQueueOptions | undefined,
  { adapter = 'Express', rateLimit = {} }: { readonly adapter?: string; readonly rateLimit?: RateLimitOptions } = {},
) {
  const module = await Test.createTestingModule({
    imports: [FastLiteLLMModule.forRoot({ logger, rateLimit: { limits: { paid: { usdPerDay: 1 } }, budgets: { queue }, ...rateLimit } })],
    controllers: [PaidController],
  }).compile();
  const app = module.createNestApplication(adapter === 'Express' ? new ExpressAdapter() : (new FastifyAdapter() as never), {
    logger: false,
  });
  apps.push(app);
  if (adapter === 'Express') app.use('/paid', rateLimitPrecheck(app, PaidController, 'paid'));
  await app.listen(0, '127.0.0.1');
  if (adapter === 'Fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  const limiter = module.get(RateLimiterService);
  const send = (name: string, usd: number, headers: Record<string, string> = {}, body = '{}'): Sent => {
    const more = { who: 'a', name, usd: String(usd), 'content-type': 'application/json', ...headers };
    const request = open({ port, method: 'POST', path: '/paid', headers: more, agent: false });
    const answer = new Promise<Awaited<Sent['answer']>>((resolve, reject) => {
      request.on('error', reject).on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) as never }));
      });
    });
    answer.catch(() => {});
    request.end(body);
    return { request, answer };
  };
  const metric = (name: string, label?: string): number =>
    limiter
      .metrics()
      .filter(
        (each) => each.name === `rate_limit_queue_${name}` && (label === undefined || Object.values(each.labels ?? {}).includes(label)),
      )
      .reduce((sum, { value }) => sum + value, 0);
  const isWaiting = (count: number): Promise<void> => until(() => metric('length') === count);
  const isRunning = (...names: string[]): Promise<void> => until(() => names.every((name) => running.has(name)));
  const budget = async (key = 'a') => (await limiter.getBudgetsAsync(key, { limit: 'paid' }))[0];
  return { limiter, send, metric, isWaiting, isRunning, budget };
}

describe.each(['Express', 'Fastify'])('requests that wait for a budget on %s', (adapter) => {
  it('go when a settlement has returned enough, without a poll, and with no header of a denial', async () => {
    // At the end of a wait it would be asked about, too.
    const { send, isWaiting, isRunning, budget, metric } = await start({ maxWaitMs: 600_000 }, { adapter });
    send('first', 0.7);
    await isRunning('first');
    const second = send('second', 0.5);
    await isWaiting(1);
    await sleep(60);
    expect(running.has('second')).toBe(false);
    expect(await budget()).toMatchObject({ heldUsd: 0.7 });
    end('first', 0.2);
    await isRunning('second');
    end('second', 0.1);
    const { status, headers } = await second.answer;
    expect([status, headers['retry-after'], headers['x-should-retry']]).toEqual([200, undefined, undefined]);
    await until(async () => (await budget()).heldUsd === 0);
    expect(await budget()).toMatchObject({ spentUsd: 0.3 });
    expect([metric('length'), metric('left_total', 'served')]).toEqual([0, 1]);
  });

  it('are denied at once by what is spent, also while they wait', async () => {
    const { send, isWaiting, isRunning } = await start({}, { adapter });
    send('first', 0.7);
    await isRunning('first');
    const second = send('second', 0.5);
    await isWaiting(1);
    end('first', 0.7);
    expect(await second.answer).toMatchObject({
      status: 429,
      headers: { 'x-should-retry': 'false' },
      body: { error: { code: 'budget_exhausted' } },
    });
    expect(await send('third', 0.5).answer).toMatchObject({ status: 429, body: { error: { code: 'budget_exhausted' } } });
    expect(await send('fourth', 2).answer).toMatchObject({ status: 429, body: { error: { code: 'request_exceeds_budget' } } });
  });

  it('are forgotten when their client leaves', async () => {
    const { send, isWaiting, isRunning, budget, metric } = await start({}, { adapter });
    send('first', 0.7);
    await isRunning('first');
    const second = send('second', 0.5);
    await isWaiting(1);
    second.request.destroy();
    await isWaiting(0);
    end('first', 0);
    await until(async () => (await budget()).heldUsd === 0);
    await sleep(20);
    expect([ran, metric('left_total', 'cancelled')]).toEqual([['first'], 1]);
  });
});

describe('the queue of a budget', () => {
  it('is off by default', async () => {
    const { send, isRunning } = await start(undefined);
    send('first', 0.7);
    await isRunning('first');
    const { status, headers, body } = await send('second', 0.5).answer;
    expect([status, headers['retry-after'], body.error?.code]).toEqual([429, '1', 'budget_held']);
  });

  it('is bounded in count, by tenant and in time, and tells when to come again', async () => {
    const { send, isWaiting, isRunning } = await start({ maxRequests: 3, maxRequestsPerTenant: 2, maxWaitMs: 300 });
    send('first', 0.7);
    await isRunning('first');
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    const late = send('late', 0.5, as('sk-1'));
    await isWaiting(1);
    send('2', 0.5, as('sk-1'));
    await isWaiting(2);
    const ofTenant = await send('3', 0.5, as('sk-1')).answer;
    send('4', 0.5, as('sk-2'));
    await isWaiting(3);
    for (const { status, headers, body } of [ofTenant, await send('5', 0.5, as('sk-3')).answer, await late.answer]) {
      expect([status, headers['retry-after'], body.error?.code]).toEqual([429, '60', 'budget_held']);
    }
    // Another budget has money: a full queue is no matter of it.
    send('other', 0.5, { who: 'b', ...as('sk-4') });
    await isRunning('other');
    expect(ran).toEqual(['first', 'other']);
  });

  it('lets the more urgent class go first; a header can lower a request, not raise it', async () => {
    const { send, isWaiting, isRunning } = await start({});
    send('first', 1);
    await isRunning('first');
    send('batch', 0.6, { 'x-litellm-priority': 'batch' });
    await isWaiting(1);
    send('plain', 0.6);
    await isWaiting(2);
    send('liar', 0.6, { 'x-litellm-priority': 'critical' });
    await isWaiting(3);
    for (const [over, next] of [
      ['first', 'plain'],
      ['plain', 'liar'],
      ['liar', 'batch'],
    ]) {
      end(over, 0);
      await isRunning(next);
      expect(running.size).toBe(1);
    }
  });

  it('serves the class batch a tenth of the requests while usual ones keep the queue full', async () => {
    const { send, isWaiting, isRunning } = await start({ maxRequests: 40, maxRequestsPerTenant: 40, maxWaitMs: 600_000 });
    send('first', 1);
    await isRunning('first');
    for (let i = 0; i < 30; i++) send(`usual ${i}`, 1);
    for (let i = 0; i < 10; i++) send(`batch ${i}`, 1, { 'x-litellm-priority': 'batch' });
    await isWaiting(40);
    for (let over = 'first'; ran.length <= 30; over = ran[ran.length - 1]) {
      const before = ran.length;
      end(over, 0);
      await until(() => ran.length > before && running.has(ran[ran.length - 1]));
      send(`usual ${29 + before}`, 1);
      await isWaiting(40);
    }
    expect(ran.slice(1).filter((name) => name.startsWith('batch'))).toHaveLength(3);
  });

  it('lets a small request go past a large one that does not fit, and shares a budget between tenants', async () => {
    const { send, isWaiting, isRunning } = await start({});
    send('first', 0.6);
    send('second', 0.4);
    await isRunning('first', 'second');
    send('large', 0.9);
    await isWaiting(1);
    send('small', 0.3);
    await isWaiting(2);
    end('second', 0);
    await isRunning('small');
    end('small', 0);
    end('first', 0);
    await isRunning('large');
  });

  it('counts a large body that may wait, and refuses it before that where the queue is full', async () => {
    const { send, isWaiting, isRunning, metric } = await start({ maxRequests: 1 });
    send('first', 1);
    await isRunning('first');
    const body = JSON.stringify({ model: 'gpt-4', messages: [{ role: 'user', content: 'word '.repeat(20_000) }] });
    const large = send('large', 0.5, {}, body);
    await isWaiting(1);
    expect((await send('more', 0.5, {}, body).answer).status).toBe(429);
    expect(metric('length')).toBe(1);
    end('first', 0);
    await isRunning('large');
    end('large', 0);
    expect((await large.answer).status).toBe(200);
  });

  it('is woken by an operator who raises the budget or forgets a key', async () => {
    const { send, isWaiting, isRunning, limiter } = await start({});
    send('first', 1);
    await isRunning('first');
    send('second', 0.5);
    await isWaiting(1);
    await limiter.raiseBudget('a', 0.5, { limit: 'paid' });
    await isRunning('second');
    send('third', 0.5);
    await isWaiting(1);
    limiter.reset('a', { limit: 'paid' });
    await isRunning('third');
  });

  it('does not wait for a rate, and takes no request of one that waits in vain', async () => {
    const rateLimit = { limits: { paid: { usdPerDay: 1, requestsPerMinute: 2 } } };
    const { send, isWaiting, isRunning, limiter } = await start({ maxWaitMs: 150 }, { rateLimit });
    send('first', 1);
    await isRunning('first');
    const late = send('late', 0.5);
    await isWaiting(1);
    expect((await late.answer).body.error?.code).toBe('budget_held');
    expect(limiter.getRemaining('a', { limit: 'paid' })).toBe(1);
    end('first', 0);
    send('second', 0.5);
    await isRunning('second');
    const { headers, body } = await send('third', 0.1).answer;
    expect([body.error?.code, headers['x-should-retry']]).toEqual(['rate_limit_exceeded', undefined]);
  });

  it('leaves nothing behind after random departures', async () => {
    const { send, isRunning, budget, metric } = await start({ maxRequests: 10_000, maxRequestsPerTenant: 10_000 });
    const count = usuallyOrLong(150, 2_000);
    send('first', 1);
    await isRunning('first');
    const sent = Array.from({ length: count }, (_, i) => send(`r${i}`, 0.2 + (i % 5) / 10, { authorization: `Bearer sk-${i % 7}` }));
    await until(() => metric('length') === count);
    const isOver = (): boolean => metric('length') === 0 && running.size === 0;
    const leave = (async () => {
      for (const [i, { request }] of sent.entries()) {
        if (i % 2 === 0) request.destroy();
        if (i % 20 === 0) await sleep(1);
      }
    })();
    await until(() => {
      for (const name of running.keys()) end(name, 0);
      return isOver();
    });
    await leave;
    await until(async () => (await budget()).heldUsd === 0);
    expect(await budget()).toMatchObject({ spentUsd: 0 });
    const left = ['served', 'cancelled', 'timeout', 'full'].map((outcome) => metric('left_total', outcome));
    expect(left.reduce((sum, each) => sum + each, 0)).toBe(count);
    expect(left.slice(2)).toEqual([0, 0]);
  });
});

(hasRedis ? describe : describe.skip)('the queue of a budget over Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  it('is woken by settlements of its own process, and looks for those of others', async () => {
    const rateLimit = { limits: { paid: { usdPerDay: 1 } }, budgets: { queue: {} } };
    const shared = () => ({ ...rateLimit, store: redisRateLimitStore({ url: server.url, onStoreError: 'deny', timeoutMs: 10_000 }) });
    const [one, two] = [await start({}, { rateLimit: shared() }), await start({}, { rateLimit: shared() })];
    one.send('first', 0.7);
    await one.isRunning('first');
    const second = one.send('second', 0.5);
    await one.isWaiting(1);
    end('first', 0);
    await one.isRunning('second');
    const third = two.send('third', 0.8);
    await two.isWaiting(1);
    end('second', 0);
    await two.isRunning('third');
    end('third', 0);
    expect((await Promise.all([second.answer, third.answer])).map(({ status }) => status)).toEqual([200, 200]);
    const leaver = one.send('fourth', 0.5);
    await one.isRunning('fourth');
    const left = two.send('fifth', 0.8);
    await two.isWaiting(1);
    left.request.destroy();
    await two.isWaiting(0);
    leaver.request.destroy();
    end('fourth', 0);
    await until(async () => (await one.budget()).heldUsd === 0);
    expect(ran).not.toContain('fifth');
  });
});
