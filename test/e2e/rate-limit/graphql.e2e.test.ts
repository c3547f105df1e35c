import type { INestApplication } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  AbstractGraphQLDriver,
  Args,
  Context,
  Field,
  GraphQLModule,
  Info,
  Int,
  ObjectType,
  Query,
  Resolver,
  type GqlModuleOptions,
} from '@nestjs/graphql';
import { MercuriusDriver } from '@nestjs/mercurius';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { graphql, type GraphQLSchema } from 'graphql';
import type { EventEmitter } from 'node:events';
import { FastLiteLLMModule, RateLimit, RateLimitGuard, RateLimiterService, reportUsage, SkipRateLimit } from 'nestjs-fast-litellm';
import request, { type Response } from 'supertest';
import { logger } from './limited-routes.js';
import { until } from '../../support/until.js';

/** Executes what is posted to Express: a guard needs no more of a GraphQL server. */
class ExpressDriver extends AbstractGraphQLDriver {
  start({ schema }: GqlModuleOptions): Promise<void> {
    const http = this.httpAdapterHost.httpAdapter;
    http.post('/graphql', async (req: { body: { query: string } }, res: { json(body: unknown): void }) => {
      res.json(await graphql({ schema: schema as GraphQLSchema, source: req.body.query, contextValue: { req, res } }));
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

@ObjectType()
class Answer {
  @Field()
  text: string = '';

  @Field(() => Int)
  length: number = 0;
}

interface GraphQLContext {
  readonly req?: object;
  readonly res?: EventEmitter;
  readonly reply?: { readonly request: object; readonly raw: EventEmitter };
}

/** Listeners to the end of a response: Node warns of a leak from the eleventh on. */
let mostListeners = 0;

@Resolver(() => Answer)
class AnswerResolver {
  @Query(() => Answer)
  plain(): Answer {
    return { text: 'plain', length: 5 };
  }

  @Query(() => Answer)
  @SkipRateLimit()
  free(): Answer {
    return { text: 'free', length: 4 };
  }

  @Query(() => Answer)
  @RateLimit({ name: 'chat', tokens: 60 })
  chat(@Context() { req, reply }: GraphQLContext): Answer {
    reportUsage(req ?? reply?.request ?? {}, { total_tokens: 25 });
    return { text: 'chat', length: 4 };
  }

  @Query(() => Answer)
  @RateLimit({ name: 'fields', tokens: 60 })
  field(@Args('used', { type: () => Int }) used: number, @Info() info: object, @Context() { res, reply }: GraphQLContext): Answer {
    mostListeners = Math.max(mostListeners, (res ?? reply?.raw)?.listenerCount('close') ?? Infinity);
    reportUsage(info, 1);
    reportUsage(info, used);
    return { text: 'field', length: used };
  }

  @Query(() => Answer)
  @RateLimit({ name: 'fields', tokens: 60 })
  whole(@Args('used', { type: () => Int }) used: number, @Context() { req, reply }: GraphQLContext): Answer {
    reportUsage(req ?? reply?.request ?? {}, used);
    return { text: 'whole', length: used };
  }
}

// Without its cache mercurius imports nothing that Jest could not.
const adapters = {
  Express: { driver: ExpressDriver, adapter: () => new ExpressAdapter(), options: {} },
  Fastify: {
    driver: MercuriusDriver,
    adapter: () => new FastifyAdapter() as unknown as ExpressAdapter,
    options: { graphiql: false, cache: false },
  },
};

const limits = { requestsPerMinute: 2, limits: { chat: { tokensPerMinute: 100 }, fields: { tokensPerMinute: 1000 } } };

describe.each(Object.entries(adapters))('RateLimitGuard on GraphQL, %s', (_, { driver, adapter, options }) => {
  let app: INestApplication;
  let ask: (query: string) => Promise<Response>;

  beforeEach(async () => {
    const testing = await Test.createTestingModule({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit: limits }),
        GraphQLModule.forRoot({ driver: driver as never, autoSchemaFile: true, ...options }),
      ],
      providers: [AnswerResolver, { provide: APP_GUARD, useClass: RateLimitGuard }],
    }).compile();
    app = testing.createNestApplication(adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    ask = (query) =>
      request(app.getHttpServer())
        .post('/graphql')
        .send({ query })
        .then((answer) => answer);
  });

  afterEach(() => app.close());

  it('rejects a query over a limit with code and retry time, and sets the headers', async () => {
    const first = await ask('{ plain { text length } }');
    expect(first.body).toEqual({ data: { plain: { text: 'plain', length: 5 } } });
    expect(first.headers).toMatchObject({ ratelimit: '"default";r=1;t=60', 'ratelimit-policy': '"default";q=2;w=60' });
    // Each query of a document is one request; the third is rejected.
    const second = await ask('{ a: plain { text } free { text } }');
    expect(second.body).toEqual({ data: { a: { text: 'plain' }, free: { text: 'free' } } });
    const refused = await ask('{ plain { text } }');
    expect(refused.headers['retry-after']).toMatch(/^(59|60)$/);
    const { data, errors } = refused.body as { data: unknown; errors: { message: string; path: string[]; extensions: object }[] };
    expect(data).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors[0].message).toMatch(/^Rate limit reached: 2 requests per minute \(default\)\. Please try again in \d\d s\.$/);
    expect(errors[0].path).toEqual(['plain']);
    expect(errors[0].extensions).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', exceeded: 'minute', limit: 2, http: { status: 429 } });
    expect((errors[0].extensions as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(30_000);
    await expect(ask('{ free { text } }')).resolves.toMatchObject({ body: { data: { free: { text: 'free' } } } });
  });

  it('settles the usage that the resolver reports when the response ends', async () => {
    const limiter = app.get(RateLimiterService);
    const left = (): number | undefined => limiter.peek('ip:127.0.0.1', { limit: 'chat', cost: 0 }).remainingTokens;
    const { body } = await ask('{ chat { text } }');
    expect(body).toEqual({ data: { chat: { text: 'chat' } } });
    await until(() => left() === 75);
    // 60 of 75, and not another 60 of what is left.
    const both = await ask('{ a: chat { text } b: chat { text } }');
    const { errors } = both.body as { errors: { path: string[]; extensions: object }[] };
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ path: ['b'], extensions: { code: 'RATE_LIMIT_EXCEEDED', exceeded: 'tokens', limit: 100 } });
  });

  it.each([
    ['by the usage of each', '{ a: field(used: 25) { text } b: field(used: 300) { text } c: field(used: 5) { text } }', 670],
    ['by the usage of the whole request, once', '{ a: whole(used: 40) { text } b: whole(used: 40) { text } }', 960],
    [
      'some by their own usage, the others by that of the request',
      '{ a: field(used: 25) { text } b: whole(used: 40) { text } c: whole(used: 40) { text } }',
      935,
    ],
    ['many at once, with one listener', `{ ${Array.from({ length: 15 }, (_, i) => `f${i}: field(used: ${i}) { text }`).join(' ')} }`, 895],
  ])('settles fields of one query %s', async (_, query, expected) => {
    mostListeners = 0;
    const limiter = app.get(RateLimiterService);
    const left = (): number | undefined => limiter.peek('ip:127.0.0.1', { limit: 'fields', cost: 0 }).remainingTokens;
    const { body } = await ask(query);
    expect(body).not.toHaveProperty('errors');
    await until(() => left() === expected);
    expect(mostListeners).toBeLessThan(10);
  });
});
