import {
  Body,
  Controller,
  Get,
  HttpCode,
  Injectable,
  Post,
  Req,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AbstractGraphQLDriver, Args, GraphQLModule, Query, Resolver, type GqlModuleOptions } from '@nestjs/graphql';
import { MercuriusDriver } from '@nestjs/mercurius';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { graphql, type GraphQLSchema } from 'graphql';
import {
  ApiKey,
  ApiKeyGuard,
  ApiKeyService,
  FastLiteLLMKeysModule,
  FastLiteLLMModule,
  principalOf,
  RateLimit,
  RateLimitGuard,
  RateLimiterService,
  setPrincipal,
  type Principal,
} from 'nestjs-fast-litellm';
import request from 'supertest';
import { MemoryKeyStore } from '../../support/memory-key-store.js';
import { oneOrAll } from '../../support/long.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const MASTER = 'sk-the-master-key-0123';

/** Who asks, as a handler may show it. */
const shown = (principal: Principal | undefined) => ({ keyId: principal?.keyId, team: principal?.team, isAdmin: principal?.isAdmin });

@Controller('guarded')
@UseGuards(ApiKeyGuard, RateLimitGuard)
class GuardedController {
  @Get()
  who(@ApiKey() principal: Principal, @Req() incoming: object): object {
    return { ...shown(principal), isSame: principalOf(incoming) === principal };
  }

  @Post()
  @HttpCode(200)
  @RateLimit(
    { requestsPerMinute: 3 },
    { name: 'team', requestsPerMinute: 4, key: (incoming: object) => principalOf(incoming)?.team ?? false },
  )
  call(@Body() { model }: { readonly model?: string }): object {
    return { model: model ?? null };
  }
}

/** As an app's guard of tokens does. */
@Injectable()
class TokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const incoming = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    const user = incoming.headers['x-token'];
    if (user === undefined) return true;
    const own = { limits: { requestsPerMinute: 1 }, tags: [], metadata: {}, isAdmin: false };
    setPrincipal(incoming, { ...own, limitKey: `user:${user}`, user, mayCall: (model) => model !== 'secret' });
    return true;
  }
}

@Controller('tokens')
@UseGuards(TokenGuard, ApiKeyGuard, RateLimitGuard)
class TokenController {
  @Post()
  @HttpCode(200)
  call(@ApiKey() { user }: Principal): object {
    return { user };
  }
}

@Controller('open')
class OpenController {
  @Get()
  who(@ApiKey() principal: Principal | undefined): object {
    return { isKnown: principal !== undefined };
  }
}

/** Executes what is posted to Express: a guard needs no more of a GraphQL server. */
class ExpressDriver extends AbstractGraphQLDriver {
  start({ schema }: GqlModuleOptions): Promise<void> {
    this.httpAdapterHost.httpAdapter.post('/graphql', async (req: { body: { query: string } }, res: { json(body: unknown): void }) => {
      res.json(await graphql({ schema: schema as GraphQLSchema, source: req.body.query, contextValue: { req, res } }));
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

@Resolver()
@UseGuards(ApiKeyGuard, RateLimitGuard)
class WhoResolver {
  @Query(() => String)
  who(@ApiKey() principal: Principal, @Args('model') model: string): string {
    return `${principal.team} ${model}`;
  }
}

describe.each(oneOrAll(['Express', 'Fastify']))('ApiKeyGuard on %s', (adapter) => {
  let app: INestApplication;
  let keys: ApiKeyService;

  async function start(...guards: object[]): Promise<void> {
    // Without its cache mercurius imports nothing that Jest could not.
    const driver = adapter === 'Express' ? { driver: ExpressDriver } : { driver: MercuriusDriver, cache: false };
    const testing = await Test.createTestingModule({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false, telemetry: false, rateLimit: { requestsPerMinute: 100 } }),
        FastLiteLLMKeysModule.forRoot({ store: new MemoryKeyStore(), masterKey: MASTER }),
        GraphQLModule.forRoot({ ...driver, autoSchemaFile: true } as never),
      ],
      controllers: [GuardedController, TokenController, OpenController],
      providers: [TokenGuard, WhoResolver, ...(guards as never[])],
    }).compile();
    app = testing.createNestApplication(adapter === 'Express' ? new ExpressAdapter() : (new FastifyAdapter() as never), { logger: false });
    await app.listen(0, '127.0.0.1');
    if (adapter === 'Fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    keys = app.get(ApiKeyService, { strict: false });
  }
  afterEach(() => app.close());
  const get = (path: string, key?: string) => {
    const sent = request(app.getHttpServer()).get(path);
    return key === undefined ? sent : sent.set('authorization', `Bearer ${key}`);
  };
  const post = (path: string, key: string, body: object = {}) =>
    request(app.getHttpServer()).post(path).set('authorization', `Bearer ${key}`).send(body);

  it('gives the handler who asks, and refuses others in the shape of OpenAI', async () => {
    await start();
    const { key, record } = await keys.create({ team: 'red' });
    const known = await get('/guarded', key).expect(200);
    expect(known.body).toEqual({ keyId: record.publicId, team: 'red', isAdmin: false, isSame: true });
    expect((await get('/guarded', MASTER).expect(200)).body).toEqual({ isAdmin: true, isSame: true });
    const missing = await get('/guarded').expect(401);
    expect(missing.body).toEqual({
      error: {
        message: expect.stringContaining('No API key') as string,
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_api_key',
      },
    });
    expect(missing.headers['www-authenticate']).toBe('Bearer');
    await get('/guarded', 'sk-other').expect(401);
    await keys.update(record.publicId, { blocked: true });
    expect((await get('/guarded', key).expect(403)).body).toMatchObject({ error: { code: 'api_key_blocked' } });
    expect((await get('/open', key).expect(200)).body).toEqual({ isKnown: false });
  });

  it('checks the model of a body, and reads nothing else of it', async () => {
    await start();
    const { key } = await keys.create({ models: ['gpt-4o*'] });
    await post('/guarded', key, { model: 'gpt-4o-mini' }).expect(200);
    const refused = await post('/guarded', key, { model: 'claude', api_key: MASTER, key: MASTER }).expect(403);
    expect(refused.body).toMatchObject({ error: { code: 'model_not_allowed', param: 'model' } });
    await post('/guarded', 'sk-none', { api_key: key, authorization: `Bearer ${key}` }).expect(401);
  });

  it('makes the key the default key of limits, and lets rules count by team', async () => {
    await start();
    const [first, second] = [await keys.create({ team: 'red' }), await keys.create({ team: 'red' })];
    for (let i = 0; i < 3; i++) await post('/guarded', first.key).expect(200);
    expect((await post('/guarded', first.key).expect(429)).body).toMatchObject({
      error: { message: expect.stringContaining('(default)') as string },
    });
    await post('/guarded', second.key).expect(200);
    expect((await post('/guarded', second.key).expect(429)).body).toMatchObject({
      error: { message: expect.stringContaining('(team)') as string },
    });
  });

  it('takes nothing where the own limit of a key denies, and all where each allows', async () => {
    await start();
    const { key, record } = await keys.create({ limits: { requestsPerMinute: 2 } });
    for (let i = 0; i < 2; i++) await get('/guarded', key).expect(200);
    const denied = await get('/guarded', key).expect(429);
    expect(denied.body).toMatchObject({ error: { message: expect.stringContaining('2 requests per minute (api-key)') as string } });
    expect(denied.headers['ratelimit-policy']).toBe('"default";q=100;w=60, "api-key";q=2;w=60');
    const limiter = app.get(RateLimiterService, { strict: false });
    expect(limiter.peek(`key:${record.publicId}`, { cost: 0 }).remainingRequests).toBe(98);
  });

  it('leaves requests to a guard of the app that has said who asks', async () => {
    await start();
    const asUser = (user: string, body: object = {}) => request(app.getHttpServer()).post('/tokens').set('x-token', user).send(body);
    expect((await asUser('ann').expect(200)).body).toEqual({ user: 'ann' });
    await asUser('ann').expect(429);
    await asUser('bob', { model: 'secret' }).expect(403);
    await request(app.getHttpServer()).post('/tokens').expect(401);
  });

  it('works as a global guard, before the global rate limit guard', async () => {
    await start({ provide: APP_GUARD, useExisting: ApiKeyGuard }, { provide: APP_GUARD, useClass: RateLimitGuard });
    const { key } = await keys.create({ limits: { requestsPerMinute: 1 } });
    expect((await get('/open', key).expect(200)).body).toEqual({ isKnown: true });
    await get('/open', key).expect(429);
    await get('/open').expect(401);
  });

  it('guards fields of GraphQL', async () => {
    await start();
    const { key } = await keys.create({ team: 'red', limits: { requestsPerMinute: 2 } });
    const ask = (sent: string) => post('/graphql', sent, { query: '{ who(model: "gpt-4o") }' });
    expect((await ask(key)).body).toEqual({ data: { who: 'red gpt-4o' } });
    const { body } = (await ask('sk-other')) as { body: { errors: { message: string; extensions: object }[] } };
    expect(body.errors[0]).toMatchObject({ message: 'Incorrect API key provided.', extensions: { code: 'API_KEY_UNKNOWN' } });
    await ask(key);
    const denied = (await ask(key)) as { body: { errors: { extensions: object }[] } };
    expect(denied.body.errors[0].extensions).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', limitName: 'api-key' });
  });
});
