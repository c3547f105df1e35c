import { Controller, Get, Inject, Injectable, Module, type INestApplication, type Type } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import {
  FastLiteLLM,
  FastLiteLLMDashboardModule,
  FastLiteLLMGatewayModule,
  FastLiteLLMHealthIndicator,
  FastLiteLLMKeysModule,
  FastLiteLLMModule,
  FeatureFlagsService,
  InvalidConfigurationError,
  LlmClient,
  TokenCounterService,
  type FastLiteLLMOptions,
  type FastLiteLLMOptionsFactory,
} from 'nestjs-fast-litellm';
import { register } from 'prom-client';
import request from 'supertest';
import { EXPECTED_HEALTH, EXPECTED_TERMINUS } from '../observability/expected-health.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };

@Controller()
class ProbeController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicator: FastLiteLLMHealthIndicator,
    private readonly tokens: TokenCounterService,
    private readonly flags: FeatureFlagsService,
  ) {}

  @Get('tokens')
  count() {
    return { tokens: this.tokens.countTokens('hello world', 'gpt-4'), canary: this.flags.isEnabled('rust_routing') };
  }

  @Get('health')
  @HealthCheck()
  check() {
    return this.health.check([() => this.indicator.isHealthy('fast_litellm')]);
  }
}

/** Its module imports nothing: what it injects has to be global. */
@Module({ controllers: [ProbeController], imports: [TerminusModule] })
class ProbeModule {}

afterEach(() => register.clear());

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('FastLiteLLMModule on %s', (_, adapter) => {
  let app: INestApplication;

  async function start(...imports: Parameters<typeof Module>[0]['imports'] & object) {
    const testing = await Test.createTestingModule({
      imports: [...imports, ProbeModule, PrometheusModule.register({ defaultMetrics: { enabled: false } })],
    }).compile();
    app = testing.createNestApplication(adapter());
    await app.init();
    if (app.getHttpAdapter().getType() === 'fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    return request(app.getHttpServer());
  }
  afterEach(() => app.close());

  it('serves counts, feature flags, health and metrics', async () => {
    const client = await start(FastLiteLLMModule.forRoot({ logger, featureFlags: { features: { rust_routing: false } } }));
    await client.get('/tokens').expect(200, { tokens: 2, canary: false });
    const { body } = (await client.get('/health').expect(200)) as { body: { status: string; details: Record<string, unknown> } };
    expect(body).toMatchObject({
      status: EXPECTED_HEALTH,
      details: { fast_litellm: { status: EXPECTED_TERMINUS, components: { token_counting: { status: 'ok' } } } },
    });
    const { text } = await client.get('/metrics').expect(200);
    expect(text).toMatch(/^fast_litellm_engine_info\{capability="token_counting",engine="(native|typescript)"\} 1$/m);
    expect(text).toContain('fast_litellm_feature_enabled{feature="rust_routing"} 0');
  });
});

describe('FastLiteLLMModule', () => {
  const compile = async (...imports: Parameters<typeof Module>[0]['imports'] & object) =>
    (await Test.createTestingModule({ imports }).compile()).init();

  it('starts without options', async () => {
    const testing = await compile(FastLiteLLMModule.forRoot());
    const llm = testing.get(FastLiteLLM);
    expect(testing.get(TokenCounterService)).toBe(llm.tokenCounter);
    expect(testing.get(FeatureFlagsService)).toBe(llm.featureFlags);
    expect(llm.tokenCounter.countTokens('hello world')).toBe(2);
    await testing.close();
  });

  const options: FastLiteLLMOptions = { logger, featureFlags: { features: { rust_routing: 'canary:7' } } };
  @Injectable()
  class OptionsFactory implements FastLiteLLMOptionsFactory {
    createFastLiteLLMOptions() {
      return Promise.resolve(options);
    }
  }
  @Module({ providers: [{ provide: 'OPTIONS', useValue: options }, OptionsFactory], exports: ['OPTIONS', OptionsFactory] })
  class ConfigModule {}

  it.each([
    [
      'useFactory',
      FastLiteLLMModule.forRootAsync({ imports: [ConfigModule], inject: ['OPTIONS'], useFactory: (o: FastLiteLLMOptions) => o }),
    ],
    ['useClass', FastLiteLLMModule.forRootAsync({ useClass: OptionsFactory })],
    ['useExisting', FastLiteLLMModule.forRootAsync({ imports: [ConfigModule], useExisting: OptionsFactory })],
  ])('reads its options from %s', async (_, module) => {
    const testing = await compile(module);
    expect(testing.get(FeatureFlagsService).getFeatureStatus().rust_routing.state).toBe('canary:7');
    await testing.close();
  });

  it.each<[string, FastLiteLLMOptions]>([
    ['tokenCoutner: is not a known option (did you mean tokenCounter?)', { ['tokenCoutner' as never]: {} }],
    ['engine: must be one of auto, native, typescript', { engine: 'rust' as never }],
    ['featureFlags.features.rust_routing: must be true, false', { featureFlags: { features: { rust_routing: 'canary:x' as never } } }],
    ['metrics: must be true, false or an object', { metrics: 'yes' }],
    ['logger.warn: must be a function', { logger: { log: () => {} } as never }],
    ['tokenCounter.', { tokenCounter: { nonsense: 1 } as never }],
  ])('fails at boot with %s', async (message, wrong) => {
    const boots = [
      compile(FastLiteLLMModule.forRoot({ logger, ...wrong })),
      compile(FastLiteLLMModule.forRootAsync({ useFactory: () => ({ logger, ...wrong }) })),
    ];
    for (const boot of await Promise.allSettled(boots)) {
      expect(boot).toMatchObject({ status: 'rejected', reason: expect.any(InvalidConfigurationError) as unknown });
      expect((boot as PromiseRejectedResult).reason).toMatchObject({ message: expect.stringContaining(message) as string });
    }
  });

  it.each([null, 5, 'text', []])('fails at boot if the factory returns %p', async (options) => {
    await expect(compile(FastLiteLLMModule.forRootAsync({ useFactory: () => options as never }))).rejects.toThrow(
      'options: must be an object',
    );
    expect(() => FastLiteLLMModule.forRoot(options as never)).toThrow('options: must be an object');
  });

  it('is global by default', async () => {
    @Injectable()
    class Consumer {
      constructor(@Inject(TokenCounterService) readonly tokens: TokenCounterService) {}
    }
    @Module({ providers: [Consumer] })
    class ConsumerModule {}
    const boot = (isGlobal?: boolean) => compile(FastLiteLLMModule.forRoot({ logger, isGlobal }), ConsumerModule);
    const testing = await boot();
    expect(testing.get(Consumer as Type<Consumer>, { strict: false }).tokens).toBeInstanceOf(TokenCounterService);
    await testing.close();
    await expect(boot(false)).rejects.toThrow(/dependencies/);
  });

  it.each([
    ['FastLiteLLMModule', FastLiteLLMModule],
    ['FastLiteLLMKeysModule', FastLiteLLMKeysModule],
    ['FastLiteLLMDashboardModule', FastLiteLLMDashboardModule],
    ['FastLiteLLMGatewayModule', FastLiteLLMGatewayModule],
  ])('says how to import %s when it is imported without forRoot', async (name, bare: Type) => {
    const others = bare === FastLiteLLMModule ? [] : [FastLiteLLMModule.forRoot({ logger, metrics: false })];
    await expect(compile(...others, bare)).rejects.toThrow(`${name}: must be imported once, with forRoot() or forRootAsync()`);
    const { forRootAsync } = bare as unknown as typeof FastLiteLLMModule;
    const wrong = (options?: object) => () => forRootAsync.call(bare, options as never);
    expect(wrong()).toThrow(`${name}.forRootAsync: must be an object`);
    expect(wrong({})).toThrow(`${name}.forRootAsync: requires exactly one of useFactory, useClass, useExisting`);
    expect(wrong({ useFactory: () => ({}), useClass: bare })).toThrow('got useFactory and useClass');
  });

  it.each([
    ['FastLiteLLMKeysModule', () => FastLiteLLMKeysModule.forRoot()],
    ['FastLiteLLMDashboardModule', () => FastLiteLLMDashboardModule.forRoot()],
    ['FastLiteLLMGatewayModule', () => FastLiteLLMGatewayModule.forRoot()],
  ])('says what to import beside %s', async (name, alone) => {
    await expect(compile(alone())).rejects.toThrow(
      `${name}: requires FastLiteLLMModule; add FastLiteLLMModule.forRoot() to the app's imports`,
    );
  });

  it('warns when an app has two of it that are global', async () => {
    const warnings: string[] = [];
    const telling = { ...logger, warn: (message: string) => warnings.push(message) };
    const own = (isGlobal: boolean) => FastLiteLLMModule.forRoot({ logger: telling, metrics: false, isGlobal });
    const other = FastLiteLLMModule.forRoot({ logger: telling, metrics: false, rateLimit: { requestsPerMinute: 5 } });
    const boot = async (...imports: Parameters<typeof compile>) => (await (await compile(...imports)).init()).close();
    const once = own(true);
    await boot(once, once, own(false));
    expect(warnings).toEqual([]);
    await boot(own(true), other);
    expect(warnings).toEqual([expect.stringContaining('FastLiteLLMModule is imported 2 times')]);
  });

  it('registers its metrics with prom-client by default, until the app closes', async () => {
    const names = () => register.getMetricsAsArray().map(({ name }) => name);
    const testing = await compile(FastLiteLLMModule.forRoot({ logger }));
    expect(names()).toContain('fast_litellm_engine_info');
    await testing.close();
    expect(names()).toEqual([]);
    await (await compile(FastLiteLLMModule.forRoot({ logger, metrics: false }))).close();
    expect(names()).toEqual([]);
  });

  it('waits at shutdown for calls outside of HTTP requests as for the others', async () => {
    const modelList = [{ model_name: 'chat', litellm_params: { model: 'openai/gpt-4o', api_key: 'sk-1' } }];
    const testing = await compile(FastLiteLLMModule.forRoot({ logger, metrics: false, router: { modelList } }));
    let answer = (_: string): void => {};
    const call = testing.get(LlmClient).execute('chat', () => new Promise<string>((resolve) => (answer = resolve)));
    const order: string[] = [];
    const closing = testing.close().then(() => order.push('closed'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    order.push('answered');
    answer('late');
    await expect(call).resolves.toBe('late');
    await closing;
    expect(order).toEqual(['answered', 'closed']);
  });

  it('can be used twice in one process', async () => {
    const [first, second] = await Promise.all([
      compile(FastLiteLLMModule.forRoot({ logger })),
      compile(FastLiteLLMModule.forRoot({ logger })),
    ]);
    await first.close();
    expect(await register.metrics()).toContain('fast_litellm_engine_info{');
    await second.close();
    expect(await register.metrics()).not.toContain('fast_litellm');
  });
});
