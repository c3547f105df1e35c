import type { INestApplication } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  AbstractGraphQLDriver,
  Args,
  Context,
  Field,
  GraphQLModule,
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
import {
  FastLiteLLMModule,
  LlmClient,
  RateLimit,
  RateLimitGuard,
  RateLimiterService,
  reportUsage,
  SkipRateLimit,
} from 'nestjs-fast-litellm';
import request, { type Response } from 'supertest';
import { logger } from './limited-routes.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

interface Operation {
  readonly query: string;
}

/** Executes what is posted to Express: a guard needs no more of a GraphQL server. */
class ExpressDriver extends AbstractGraphQLDriver {
  start({ schema }: GqlModuleOptions): Promise<void> {
    const http = this.httpAdapterHost.httpAdapter;
    http.post('/graphql', async (req: { body: Operation | Operation[] }, res: { json(body: unknown): void }) => {
      const run = ({ query: source }: Operation) => graphql({ schema: schema as GraphQLSchema, source, contextValue: { req, res } });
      res.json(Array.isArray(req.body) ? await Promise.all(req.body.map(run)) : await run(req.body));
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
  constructor(private readonly client: LlmClient) {}

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
  whole(@Args('used', { type: () => Int }) used: number, @Context() { req, res, reply }: GraphQLContext): Answer {
    mostListeners = Math.max(mostListeners, (res ?? reply?.raw)?.listenerCount('close') ?? Infinity);
    reportUsage(req ?? reply?.request ?? {}, used);
    return { text: 'whole', length: used };
  }

  @Query(() => Answer)
  @RateLimit({ name: 'fields', tokens: 60 }, { name: 'money', usd: 0.1 })
  async asked(@Args('maxTokens', { type: () => Int }) maxTokens: number, @Context() { req, reply }: GraphQLContext): Promise<Answer> {
    const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], max_tokens: maxTokens };
    const answer = await this.client.chat(body, { request: req ?? reply?.request });
    const text = answer.json().choices[0].message.content ?? '';
    return { text, length: text.length };
  }
}

// Without its cache mercurius imports nothing that Jest could not.
const adapters = {
  Express: { driver: ExpressDriver, adapter: () => new ExpressAdapter(), options: {} },
  Fastify: {
    driver: MercuriusDriver,
    adapter: () => new FastifyAdapter() as unknown as ExpressAdapter,
    options: { graphiql: false, cache: false, allowBatchedQueries: true },
  },
};

const limits = {
  requestsPerMinute: 2,
  limits: { chat: { tokensPerMinute: 100 }, fields: { tokensPerMinute: 1000 }, money: { usdPerDay: 1 } },
};
/** USD for a token of output. */
const PRICE = 0.001;

describe.each(Object.entries(adapters))('RateLimitGuard on GraphQL, %s', (_, { driver, adapter, options }) => {
  let app: INestApplication;
  let ask: (query: string | readonly string[]) => Promise<Response>;
  /** USD that the operation holds when each of its calls reaches the provider. */
  let held: number[];

  beforeEach(async () => {
    held = [];
    const provider = await testProvider('openai', {
      script: ({ body }) => {
        held.push(app.get(RateLimiterService).getBudgets('ip:127.0.0.1', { limit: 'money' })[0].heldUsd);
        if (body.max_tokens === 1) return { status: 400 };
        return { text: 'Hello', usage: { promptTokens: 20, completionTokens: 30 } };
      },
    });
    const testing = await Test.createTestingModule({
      imports: [
        FastLiteLLMModule.forRoot({
          logger,
          metrics: false,
          rateLimit: limits,
          router: { modelList: [provider.deployment('m', { input_cost_per_token: 0, output_cost_per_token: PRICE })] },
        }),
        GraphQLModule.forRoot({ driver: driver as never, autoSchemaFile: true, ...options }),
      ],
      providers: [AnswerResolver, { provide: APP_GUARD, useClass: RateLimitGuard }],
    }).compile();
    app = testing.createNestApplication(adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    ask = (query) =>
      request(app.getHttpServer())
        .post('/graphql')
        .send(typeof query === 'string' ? { query } : query.map((each) => ({ query: each })))
        .then((answer) => answer);
  });

  afterEach(async () => {
    await app.close();
    await stopProviders();
  });

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

  const standing = () => {
    const limiter = app.get(RateLimiterService);
    const [{ spentUsd, heldUsd }] = limiter.getBudgets('ip:127.0.0.1', { limit: 'money' });
    return { tokens: limiter.peek('ip:127.0.0.1', { limit: 'fields', cost: 0 }).remainingTokens, spentUsd, heldUsd };
  };

  it('settles all fields of an operation once, by what was reported for its request', async () => {
    mostListeners = 0;
    const { body } = await ask(`{ ${Array.from({ length: 15 }, (_, i) => `f${i}: whole(used: 40) { text }`).join(' ')} }`);
    expect(body).not.toHaveProperty('errors');
    await until(() => standing().tokens === 960);
    expect(mostListeners).toBeLessThan(10);
  });

  it.each([
    ['one operation', '{ a: asked(maxTokens: 150) { text } b: asked(maxTokens: 150) { text } }'],
    ['a batch', ['{ asked(maxTokens: 150) { text } }', '{ asked(maxTokens: 150) { text } }']],
  ])('adds up the LLM calls of several resolvers in one settlement: %s', async (_, query) => {
    const { body } = await ask(query);
    expect(JSON.stringify(body)).not.toContain('errors');
    await until(() => standing().tokens === 900);
    expect(standing()).toEqual({ tokens: 900, spentUsd: 0.06, heldUsd: 0 });
    // The guard held 0.1 for each field; both calls together need 0.3.
    expect(Math.max(...held)).toBeCloseTo(0.3);
  });

  it('denies a call that the money of the operation does not cover, and settles the others', async () => {
    const { body } = await ask('{ a: asked(maxTokens: 950) { text } b: asked(maxTokens: 950) { text } }');
    const { errors } = body as { errors: { message: string; path: string[] }[] };
    expect(errors.map(({ path, message }) => [path, message.slice(0, 6)])).toEqual([[['b'], 'Budget']]);
    await until(() => standing().heldUsd === 0);
    expect(standing()).toEqual({ tokens: 950, spentUsd: 0.03, heldUsd: 0 });
    expect(held).toHaveLength(1);
  });

  it('charges nothing for a field whose call failed beside others', async () => {
    const { body } = await ask('{ a: asked(maxTokens: 1) { text } b: asked(maxTokens: 150) { text } }');
    const { errors } = body as { errors: { path: string[] }[] };
    expect(errors.map(({ path }) => path)).toEqual([['a']]);
    await until(() => standing().heldUsd === 0);
    expect(standing()).toEqual({ tokens: 950, spentUsd: 0.03, heldUsd: 0 });
  });
});
