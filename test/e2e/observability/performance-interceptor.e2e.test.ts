import {
  Controller,
  Get,
  HttpException,
  Injectable,
  Post,
  Res,
  StreamableFile,
  UseGuards,
  type CanActivate,
  type INestApplication,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLMModule,
  PerformanceInterceptor,
  PerformanceMonitorService,
  SkipPerformance,
  type FastLiteLLMOptions,
} from 'nestjs-fast-litellm';
import { get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import request from 'supertest';

const say = (): void => {};
const logger = { log: say, warn: say, error: say };
const STREAM_MS = 120;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

@Injectable()
class Denying implements CanActivate {
  canActivate(): never {
    throw new HttpException('not you', 403);
  }
}

@Controller('api')
class Routes {
  @Get('items/:id')
  one() {
    return { ok: true };
  }

  @Get('probe')
  @SkipPerformance()
  probe() {
    return 'up';
  }

  @Post('items')
  make() {
    return { ok: true };
  }

  @Get(['first', 'second'])
  either() {
    return 'either';
  }

  @Get('teapot')
  teapot() {
    throw new HttpException('short and stout', 418);
  }

  @Get('broken')
  broken() {
    throw new Error('broken');
  }

  @Get('denied')
  @UseGuards(Denying)
  denied() {
    return 'never';
  }

  @Get('stream')
  stream() {
    const chunks = async function* () {
      yield 'a';
      await pause(STREAM_MS);
      yield 'b';
    };
    return new StreamableFile(Readable.from(chunks()));
  }

  /** Goes on until its client is gone. */
  @Get('endless')
  endless(@Res() response: ServerResponse & { raw?: ServerResponse; hijack?: () => void }) {
    response.hijack?.();
    const raw = response.raw ?? response;
    raw.write('a');
  }
}

const adapters: [string, (builder: ReturnType<typeof Test.createTestingModule>) => Promise<INestApplication>][] = [
  [
    'Express',
    async (builder) => (await builder.compile()).createNestApplication<NestExpressApplication>(new ExpressAdapter(), { logger: false }),
  ],
  [
    'Fastify',
    async (builder) => (await builder.compile()).createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false }),
  ],
];

describe.each(adapters)('PerformanceInterceptor on %s', (_, create) => {
  let app: INestApplication;
  let monitor: PerformanceMonitorService;
  let port: number;

  async function open(options: FastLiteLLMOptions = {}): Promise<void> {
    app = await create(
      Test.createTestingModule({
        imports: [FastLiteLLMModule.forRoot({ logger, ...options })],
        controllers: [Routes],
        providers: [{ provide: APP_INTERCEPTOR, useClass: PerformanceInterceptor }],
      }),
    );
    app.setGlobalPrefix('v0');
    await app.listen(0, '127.0.0.1');
    port = (app.getHttpServer() as unknown as { address(): AddressInfo }).address().port;
    monitor = app.get(PerformanceMonitorService);
  }

  const ask = () => request(`http://127.0.0.1:${port}/v0/api`);
  const operations = () => monitor.getPerformanceStats('http').http?.operations ?? {};
  /** The response may close a moment after the client has it. */
  async function recorded(route: string, calls = 1) {
    while ((operations()[route]?.totalCalls ?? 0) < calls) await pause(2);
    return operations()[route];
  }

  afterEach(() => app.close());

  it('records every request under its pattern, never its URL', async () => {
    await open({ monitor: { sampleRate: 0 } });
    for (let id = 0; id < 5; id++) await ask().get(`/items/${id}?secret=s`).expect(200);
    // Taken out, from the first request on.
    for (let i = 0; i < 2; i++) await ask().get('/probe').expect(200, 'up');
    await ask().post('/items').send({ some: 'thing' }).expect(201);
    await ask().get('/first').expect(200);
    await ask().get('/second').expect(200);
    await ask().get('/first').expect(200);
    expect(await recorded('GET /v0/api/items/:id', 5)).toMatchObject({ totalCalls: 5, errorCount: 0, totalInputSize: 0 });
    expect(await recorded('POST /v0/api/items')).toMatchObject({ totalInputSize: '{"some":"thing"}'.length });
    await recorded('GET /v0/api/first', 2);
    await recorded('GET /v0/api/second');
    expect(Object.keys(operations())).toHaveLength(4);
  });

  it('counts only a 5xx as failed', async () => {
    await open();
    await ask().get('/teapot').expect(418);
    await ask().get('/broken').expect(500);
    expect((await recorded('GET /v0/api/teapot')).errorCount).toBe(0);
    expect((await recorded('GET /v0/api/broken')).errorCount).toBe(1);
  });

  it('measures a stream until its end', async () => {
    await open();
    await ask().get('/stream').expect(200);
    const { minDurationMs, errorCount } = await recorded('GET /v0/api/stream');
    // Timers may be a millisecond early.
    expect(minDurationMs).toBeGreaterThanOrEqual(STREAM_MS - 2);
    expect(errorCount).toBe(0);
  });

  it('counts a disconnected client as failed', async () => {
    await open();
    await new Promise<void>((resolve) => {
      const call = get({ port, path: '/v0/api/endless' }, (response) => {
        response.once('data', () => {
          call.destroy();
          resolve();
        });
        response.on('error', () => {});
      });
      call.on('error', () => {});
    });
    expect(await recorded('GET /v0/api/endless')).toMatchObject({ totalCalls: 1, errorCount: 1 });
  });

  it('does not measure requests that a guard rejects', async () => {
    await open();
    await ask().get('/denied').expect(403);
    await ask().get('/items/1').expect(200);
    await recorded('GET /v0/api/items/:id');
    expect(Object.keys(operations())).toEqual(['GET /v0/api/items/:id']);
  });

  it('records nothing while the flag is off', async () => {
    await open({ featureFlags: { features: { performance_monitoring: false } } });
    await ask().get('/items/1').expect(200);
    await pause(20);
    expect(monitor.getPerformanceStats()).toEqual({});
  });
});
