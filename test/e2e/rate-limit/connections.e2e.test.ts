import { Controller, Get, Module, UseGuards, UseInterceptors, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLMModule,
  PerformanceInterceptor,
  PerformanceMonitorService,
  RateLimit,
  RateLimitGuard,
  RateLimiterService,
} from 'nestjs-fast-litellm';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Stream } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { logger } from './limited-routes.js';
import { until } from '../../support/until.js';

const places = { limit: 'places', limits: { maxConcurrent: 2 } };
const rule = { name: places.limit, ...places.limits };
/** Keys that are waited for, and requests that run: to be called to go on. */
const keys: (() => void)[] = [];
const running: (() => void)[] = [];
const later = (list: (() => void)[]) => new Promise<void>((resolve) => list.push(resolve));

@Controller()
@UseGuards(RateLimitGuard)
@UseInterceptors(PerformanceInterceptor)
class PlacesController {
  @Get('quick')
  @RateLimit({ ...rule, key: () => 'all' })
  quick(): object {
    return {};
  }

  @Get('slow')
  @RateLimit({ ...rule, key: () => 'all' })
  async slow(): Promise<object> {
    await later(running);
    return {};
  }

  @Get('late')
  @RateLimit({ ...rule, key: () => later(keys).then(() => 'all') })
  late(): object {
    return {};
  }
}

@Module({ imports: [FastLiteLLMModule.forRoot({ logger, metrics: false })], controllers: [PlacesController] })
class PlacesModule {}

describe('slots of requests whose connection ends', () => {
  let app: INestApplication;
  let port: number;

  async function start(adapter: ExpressAdapter): Promise<void> {
    app = (await Test.createTestingModule({ imports: [PlacesModule] }).compile()).createNestApplication(adapter, { logger: false });
    await app.listen(0, '127.0.0.1');
    ({ port } = (app.getHttpServer() as Server).address() as AddressInfo);
  }
  afterEach(() => app.close());

  const free = (): number => {
    const limiter = app.get(RateLimiterService);
    const taken = [1, 2].map(() => limiter.reserve('all', places)).filter(({ allowed }) => allowed);
    for (const reservation of taken) limiter.release(reservation);
    return taken.length;
  };

  const adapters = { Express: () => new ExpressAdapter(), Fastify: () => new FastifyAdapter() as unknown as ExpressAdapter };
  it.each(Object.entries(adapters))('are freed when a pipelined request was still waiting for its turn, on %s', async (_, adapter) => {
    await start(adapter());
    const socket = connect(port, '127.0.0.1');
    const request = 'GET /slow HTTP/1.1\r\nhost: places\r\n\r\n';
    socket.write(request + request);
    await until(() => running.length === 2);
    expect(free()).toBe(0);
    socket.destroy();
    await until(() => free() === 2);
    running.splice(0).forEach((go) => go());
  });

  it('are freed over HTTP/2, and requests that were answered count as successes', async () => {
    await start(new FastifyAdapter({ http2: true } as object) as unknown as ExpressAdapter);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const get = (path: string): ClientHttp2Stream =>
      session
        .request({ ':path': path })
        .on('error', () => {})
        .resume();
    await once(get('/quick'), 'close');
    await until(() => free() === 2);
    const late = get('/late');
    await until(() => keys.length === 1);
    late.close();
    await once(late, 'close');
    await once(get('/quick'), 'close');
    keys.splice(0).forEach((go) => go());
    await until(() => free() === 2);
    session.destroy();
    const { http } = app.get(PerformanceMonitorService).getPerformanceStats();
    expect(http.operations['GET /quick']).toMatchObject({ totalCalls: 2, errorCount: 0 });
  });
});
