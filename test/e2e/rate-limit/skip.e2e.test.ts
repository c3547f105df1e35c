import { Controller, ForbiddenException, Get, Module, type ExecutionContext, type INestApplication } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import {
  FastLiteLLM,
  FastLiteLLMDashboardModule,
  FastLiteLLMModule,
  InvalidArgumentError,
  InvalidConfigurationError,
  RateLimit,
  RateLimitGuard,
  type SkipIf,
} from 'nestjs-fast-litellm';
import { PrometheusController, PrometheusModule } from '@willsoto/nestjs-prometheus';
import { register } from 'prom-client';
import { adapters, logger, startModule } from './limited-routes.js';
import { oneOrAll } from '../../support/long.js';

@Controller('health')
class ProbeController {
  constructor(private readonly health: HealthCheckService) {}

  @Get()
  @HealthCheck()
  check(): Promise<unknown> {
    return this.health.check([]);
  }
}

const isVip = (context: ExecutionContext): boolean =>
  context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-vip'] === '1';

@Controller()
class PlainController {
  @Get('plain')
  plain(): object {
    return { ok: true };
  }

  @Get('tiers')
  @RateLimit({ name: 'strict', requestsPerMinute: 1, skipIf: isVip }, { name: 'loose', requestsPerMinute: 3 })
  tiers(): object {
    return { ok: true };
  }
}

describe.each(oneOrAll(adapters))('skipIf of the rate limits on %s', (adapter) => {
  let app: INestApplication;
  afterEach(async () => {
    await app.close();
    register.clear();
  });

  async function start(skipIf?: SkipIf) {
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit: { requestsPerMinute: 1, ...(skipIf && { skipIf }) } }),
        FastLiteLLMDashboardModule.forRoot(),
        PrometheusModule.register({ defaultMetrics: { enabled: false } }),
        TerminusModule,
      ],
      controllers: [ProbeController, PlainController],
      providers: [{ provide: APP_GUARD, useClass: RateLimitGuard }],
    })
    class AppModule {}
    const started = await startModule(adapter, AppModule);
    app = started.app;
    return started.client;
  }

  it('skips the dashboard without any option', async () => {
    const client = await start();
    for (let i = 0; i < 3; i++) {
      await client.get('/dashboard').expect(200);
      await client.get('/dashboard/data').expect(200);
      await client.get('/dashboard/app.css').expect(200);
    }
    await client.get('/plain').expect(200);
    await client.get('/plain').expect(429);
  });

  it.each([
    ['synchronously', (late: boolean) => late],
    ['with a promise', (late: boolean) => Promise.resolve(late)],
  ])('skips controllers of other packages %s', async (_, answer) => {
    const client = await start((context) => answer(context.getClass() === PrometheusController || context.getClass() === ProbeController));
    for (let i = 0; i < 3; i++) {
      const metrics = await client.get('/metrics').expect(200);
      expect(metrics.headers).not.toHaveProperty('ratelimit');
      await client.get('/health').expect(200);
    }
    const first = await client.get('/plain').expect(200);
    expect(first.headers.ratelimit).toBe('"default";r=0;t=60');
    await client.get('/plain').expect(429);
  });

  it('skips one rule of a request and applies the others', async () => {
    const client = await start();
    const vip = () => client.get('/tiers').set('x-vip', '1');
    expect((await vip().expect(200)).headers.ratelimit).toBe('"loose";r=2;t=60');
    await vip().expect(200);
    await client.get('/tiers').expect(200);
    await vip().expect(429);
  });

  it.each<[string, SkipIf, number]>([
    ['throws', () => raise(new TypeError('no user')), 500],
    ['rejects', () => Promise.reject(new TypeError('no user')), 500],
    ['throws an error of this package', () => raise(new InvalidArgumentError('x', 1, 'must be y')), 500],
    ['throws an HttpException', () => raise(new ForbiddenException()), 403],
    ['returns no boolean', () => 'yes' as never, 500],
    ['resolves to no boolean', () => Promise.resolve(1 as never), 500],
  ])('fails a request whose skipIf %s', async (_, skipIf, status) => {
    const client = await start(skipIf);
    await client.get('/plain').expect(status);
  });

  it('does not skip when skipIf returns nothing', async () => {
    const client = await start(() => undefined);
    await client.get('/plain').expect(200);
    await client.get('/plain').expect(429);
  });
});

describe('skipIf', () => {
  it('rejects anything but a function, at boot and when a class is defined', () => {
    expect(() => new FastLiteLLM({ logger, rateLimit: { skipIf: true as never } })).toThrow(InvalidConfigurationError);
    expect(() => new FastLiteLLM({ logger, rateLimit: { skipIf: true as never } })).toThrow(
      'rateLimit.skipIf: must be a function, got true',
    );
    expect(() => RateLimit({ requestsPerMinute: 1, skipIf: 'always' as never })).toThrow('@RateLimit[0].skipIf: must be a function');
  });

  it('names the function and its error', async () => {
    const llm = new FastLiteLLM({ logger, rateLimit: { requestsPerMinute: 1, skipIf: () => raise(new Error('no user')) } });
    const guard = new RateLimitGuard(llm.rateLimiter, llm.tokenCounter);
    const context = { getClass: () => PlainController, getHandler: () => PlainController.prototype.plain } as unknown as ExecutionContext;
    await expect(guard.canActivate(context)).rejects.toThrow(
      expect.objectContaining({ code: 'SKIP_IF_FAILED', message: 'rateLimit.skipIf: the function threw an error (no user)' }) as Error,
    );
    await llm.close();
  });
});

function raise(error: Error): never {
  throw error;
}
