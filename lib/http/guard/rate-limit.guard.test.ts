import { Controller } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { WsException } from '@nestjs/websockets';
import { EventEmitter } from 'node:events';
import { InvalidArgumentError } from '../../common/errors.js';
import { RateLimitExceededError } from '../../common/http-errors.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import type { FastLiteLLMOptions } from '../../fast-litellm.options.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { reportUsage } from '../request-context.js';
import { RateLimit, SkipRateLimit } from '../decorators.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const limits = { requestsPerMinute: 1, limits: { chat: { tokensPerMinute: 100 } } };
const chat = { model: 'gpt-4', messages: [{ role: 'user', content: 'hello world' }], max_tokens: 60 };

class Gateway {
  plain() {}
  @RateLimit({ name: 'chat' })
  chat() {}
  @RateLimit({ maxConcurrent: 1 })
  one() {}
  @RateLimit({ name: 'chat', tokens: 40 })
  fixed() {}
  @RateLimit({ name: 'missing' })
  unknown() {}
}

function open(rateLimit: FastLiteLLMOptions['rateLimit'] = limits) {
  const llm = new FastLiteLLM({ logger, rateLimit });
  const guard = new RateLimitGuard(llm.rateLimiter, llm.tokenCounter);
  const ask = (type: string, args: unknown[], handler: () => void = Gateway.prototype.plain, of: new () => unknown = Gateway) => {
    const context = new ExecutionContextHost(args, of, handler);
    context.setType(type);
    return guard.canActivate(context);
  };
  return { llm, ask };
}

function responseOf() {
  return Object.assign(new EventEmitter(), { setHeader() {}, json() {}, statusCode: 200 });
}

describe('RateLimitGuard', () => {
  it('holds the cost that a subclass estimates, by a method or by a field', async () => {
    const { rateLimiter, tokenCounter } = new FastLiteLLM({ logger, rateLimit: { usdPerDay: 1 } });
    class ByMethod extends RateLimitGuard {
      protected override getUsd(): Promise<number> {
        return Promise.resolve(0.4);
      }
    }
    class ByField extends RateLimitGuard {
      protected override getUsd = () => Promise.resolve(0.5);
    }
    for (const [Guard, heldUsd] of [
      [ByMethod, 0.4],
      [ByField, 0.9],
    ] as const) {
      const context = new ExecutionContextHost([{ ip: '192.0.2.9', body: chat }, responseOf()], Gateway, Gateway.prototype.plain);
      await new Guard(rateLimiter, tokenCounter).canActivate(context);
      expect(rateLimiter.getBudgets('ip:192.0.2.9')).toMatchObject([{ heldUsd }]);
    }
  });

  it('finds request and response of a GraphQL context', async () => {
    const { ask } = open();
    const headers: Record<string, string> = {};
    const res = { setHeader: (name: string, value: string) => (headers[name] = value) };
    const req = { ip: '192.0.2.1' };
    await expect(ask('graphql', [{}, {}, { req, res }, {}])).resolves.toBe(true);
    expect(headers.ratelimit).toBe('"default";r=0;t=60');
    await expect(ask('graphql', [{}, {}, { req, res }, {}])).rejects.toThrow(RateLimitExceededError);
    expect(headers['retry-after']).toMatch(/^\d+$/);
    const reply = { request: { ip: '192.0.2.2' }, header: (name: string, value: string) => (headers[name] = value) };
    await expect(ask('graphql', [{}, {}, { reply }, {}])).resolves.toBe(true);
    await expect(ask('graphql', [{}, {}, {}, {}])).resolves.toBe(true);
    await expect(ask('graphql', [{}, {}, undefined, {}])).rejects.toThrow(RateLimitExceededError);
  });

  it('settles a GraphQL operation by its request although its context has no response', async () => {
    const { llm, ask } = open();
    const req = { ip: '192.0.2.3', body: { query: '{ answer }' } };
    const other = { ...req, body: { ...req.body } };
    for (const each of [req, other]) await ask('graphql', [{}, {}, { req: each }, {}], Gateway.prototype.fixed);
    reportUsage(req, 7);
    expect(llm.rateLimiter.peek('ip:192.0.2.3', { limit: 'chat' }).remainingTokens).toBe(100 - 7 - 40);
  });

  it.each([
    ['ws', { _socket: { remoteAddress: '192.0.2.1' } }, 'ip:192.0.2.1'],
    ['socket.io', { handshake: { address: '192.0.2.2', headers: {} } }, 'ip:192.0.2.2'],
    ['nothing known', undefined, 'ip:unknown'],
  ])('counts a WebSocket message under its client: %s', async (_, client, key) => {
    const { llm, ask } = open();
    await expect(ask('ws', [client, { any: 'message' }])).resolves.toBe(true);
    const refusal = expect.objectContaining({ cause: expect.any(RateLimitExceededError) }) as WsException;
    await expect(ask('ws', [client, {}])).rejects.toThrow(WsException);
    await expect(ask('ws', [client, {}])).rejects.toThrow(refusal);
    expect(llm.rateLimiter.getRemaining(key)).toBe(0);
  });

  it('ignores an address in a microservice message, which its sender wrote', async () => {
    const { llm, ask } = open();
    await expect(ask('rpc', [{ handshake: { address: '192.0.2.1' } }, {}])).resolves.toBe(true);
    await expect(ask('rpc', [{ handshake: { address: '192.0.2.2' } }, {}])).rejects.toThrow();
    expect(llm.rateLimiter.getRemaining('ip:unknown')).toBe(0);
  });

  it('reserves tokens for a message, and settles the usage that its handler reports', async () => {
    const { llm, ask } = open();
    const client = { handshake: { address: '192.0.2.2', headers: { authorization: 'Bearer a' } } };
    const [first, second] = [{ ...chat }, { ...chat }];
    await expect(ask('ws', [client, first], Gateway.prototype.chat)).resolves.toBe(true);
    await expect(ask('ws', [client, second], Gateway.prototype.chat)).rejects.toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ exceeded: 'tokens' }) as unknown }) as Error,
    );
    reportUsage(first, 20);
    await expect(ask('ws', [client, second], Gateway.prototype.chat)).resolves.toBe(true);
    expect(llm.rateLimiter.getStats()).toMatchObject({ allowedCount: 2, deniedCount: 1 });
  });

  it.each([
    ['requestsPerMinute', 'minute'],
    ['tokensPerMinute', 'tokens'],
    ['maxConcurrent', 'concurrency'],
  ])('denies every request under a limit of 0 (%s)', async (field, exceeded) => {
    class Closed {
      ask() {}
    }
    RateLimit({ [field]: 0 })(Closed);
    const { ask } = open();
    const post = ask('http', [{ ip: '192.0.2.9', body: chat }, responseOf()], Closed.prototype.ask, Closed);
    await expect(post).rejects.toMatchObject({ exceeded, limit: 0 });
  });

  it('counts nothing for a rule whose cost and tokens are 0', async () => {
    class Free {
      @RateLimit({ requestsPerMinute: 1, tokensPerMinute: 1, cost: 0, tokens: 0 })
      ask() {}
    }
    const { ask } = open();
    const post = () => ask('http', [{ ip: '192.0.2.9', body: chat }, responseOf()], Free.prototype.ask, Free);
    for (let calls = 0; calls < 3; calls++) await expect(post()).resolves.toBe(true);
  });

  it('awaits a key and an estimate that a guard of the app finds asynchronously', async () => {
    const llm = new FastLiteLLM({ logger, rateLimit: limits });
    class Slow extends RateLimitGuard {
      protected override getKey(): Promise<string> {
        return Promise.resolve('tenant');
      }
      protected override getTokens(): Promise<number> {
        return Promise.resolve(70);
      }
    }
    const guard = new Slow(llm.rateLimiter, llm.tokenCounter);
    const context = () => new ExecutionContextHost([{ body: chat }, responseOf()], Gateway, Gateway.prototype.chat);
    await expect(guard.canActivate(context())).resolves.toBe(true);
    await expect(guard.canActivate(context())).rejects.toMatchObject({ exceeded: 'tokens' });
    expect(llm.rateLimiter.peek('tenant', { limit: 'chat' }).remainingTokens).toBe(30);
  });

  it('does not count the prompt of a caller who is over the request limit', async () => {
    class Chat {
      @RateLimit({ requestsPerMinute: 1, tokensPerMinute: 1_000_000 })
      ask() {}
    }
    const { llm, ask } = open();
    const count = jest.spyOn(llm.tokenCounter, 'estimatePromptAsync');
    const body = { ...chat, messages: [{ role: 'user', content: 'hello '.repeat(10_000) }] };
    const post = () => ask('http', [{ ip: '192.0.2.9', body }, responseOf()], Chat.prototype.ask, Chat);
    await expect(post()).resolves.toBe(true);
    await expect(post()).rejects.toMatchObject({ exceeded: 'minute' });
    expect(count).toHaveBeenCalledTimes(1);
  });

  it('stops counting a prompt when it exceeds the tokens left', async () => {
    const { llm, ask } = open();
    const count = jest.spyOn(llm.tokenCounter, 'estimatePromptAsync');
    const body = { ...chat, messages: [{ role: 'user', content: 'hello '.repeat(100_000) }] };
    const post = ask('http', [{ ip: '192.0.2.9', body }, responseOf()], Gateway.prototype.chat);
    await expect(post).rejects.toMatchObject({ exceeded: 'tokens', limit: 100 });
    expect(count).toHaveBeenCalledTimes(1);
    expect(llm.rateLimiter.getStats()).toMatchObject({ allowedCount: 0, deniedCount: 1 });
  });

  it.each(['ws', 'graphql', 'rpc'])('rejects a body that exceeds the JSON bounds before it counts it: %s', async (type) => {
    const { llm, ask } = open();
    const count = jest.spyOn(llm.tokenCounter, 'estimatePromptAsync');
    const body = { ...chat, messages: Array.from({ length: 200_000 }, () => ({})) };
    const args = { ws: [undefined, body], rpc: [body], graphql: [{}, {}, { req: { body } }, {}] }[type] as unknown[];
    const message = 'messages: must have at most 200000 objects and arrays (maxContainers)';
    await expect(ask(type, args, Gateway.prototype.chat)).rejects.toMatchObject(
      type === 'graphql' ? { message, extensions: { http: { status: 400 } } } : { error: { status: 'error', message } },
    );
    expect(count).not.toHaveBeenCalled();
  });

  it('settles reported usage of a request without a prompt, and ignores the usage in its answer', async () => {
    const { llm, ask } = open();
    const left = () => llm.rateLimiter.peek('ip:192.0.2.3', { limit: 'chat', cost: 0 }).remainingTokens;
    const get = async (): Promise<{ request: object; response: ReturnType<typeof responseOf> }> => {
      const response = responseOf();
      const request = { ip: '192.0.2.3', body: { question: 'hello world' } };
      await expect(ask('http', [request, response], Gateway.prototype.chat)).resolves.toBe(true);
      return { request, response };
    };
    const lookedUp = await get();
    (lookedUp.response.json as (body: object) => void)({ usage: { total_tokens: 50 } });
    lookedUp.response.emit('close');
    expect(left()).toBe(100);
    const asked = await get();
    reportUsage(asked.request, 40);
    asked.response.emit('close');
    expect(left()).toBe(60);
  });

  it('releases and rejects when the answer began before the guard was done', async () => {
    const { llm, ask } = open({ requestsPerMinute: 1 });
    class Late {
      @RateLimit({ name: 'late', maxConcurrent: 1, key: () => Promise.resolve('a') })
      get() {}
    }
    const http = new EventEmitter();
    const setHeader = () => {
      throw new Error('ERR_HTTP_HEADERS_SENT');
    };
    const response = Object.assign(http, { setHeader, headersSent: true, statusCode: 503 });
    await expect(ask('http', [{}, response], Late.prototype.get, Late)).resolves.toBe(true);
    response.emit('close');
    expect(llm.rateLimiter.peek('a', { limit: 'late', limits: { maxConcurrent: 1 } }).allowed).toBe(true);
    await expect(ask('http', [{}, response])).resolves.toBe(true);
    await expect(ask('http', [{}, response])).rejects.toThrow(RateLimitExceededError);
  });

  it('rejects maxConcurrent where no response would free the slot', async () => {
    await expect(open().ask('ws', [{}, {}], Gateway.prototype.one)).rejects.toThrow(InvalidArgumentError);
  });

  it('rejects a rule that names unknown limits', async () => {
    await expect(open().ask('http', [{}, {}], Gateway.prototype.unknown)).rejects.toThrow(/missing/);
  });

  it('reads the decorators of an inherited handler for each class', async () => {
    class Base {
      get() {}
    }
    @RateLimit({ requestsPerMinute: 2 })
    class Two extends Base {}
    @SkipRateLimit()
    class Free extends Base {}
    @SkipRateLimit('default')
    class FreeToo extends Base {}
    class FreeAsWell extends Free {}
    @RateLimit({ requestsPerMinute: 3 })
    class LimitedAgain extends Free {}
    const { ask } = open();
    const count = async (of: new () => unknown) => {
      let passed = 0;
      try {
        while (passed < 5 && (await ask('http', [{}, { setHeader() {} }], Base.prototype.get, of))) passed++;
      } catch (error) {
        expect(error).toBeInstanceOf(RateLimitExceededError);
      }
      return passed;
    };
    const counts = [];
    for (const type of [Base, Two, Free, FreeToo, FreeAsWell, LimitedAgain]) counts.push(await count(type));
    expect(counts).toEqual([1, 2, 5, 5, 5, 3]);
  });

  it('applies only the rules whose key is not false', async () => {
    const only = (tier: string) => (request: { tier: string; late?: boolean }) => {
      const key = request.tier === tier ? undefined : (false as const);
      return request.late ? Promise.resolve(key) : key;
    };
    class Tiered {
      @RateLimit({ name: 'free', requestsPerMinute: 1, key: only('free') }, { name: 'pro', requestsPerMinute: 2, key: only('pro') })
      get() {}
    }
    const { ask } = open();
    const headers: Record<string, string> = {};
    const get = (request: object) =>
      ask('http', [request, { header: (n: string, v: string) => (headers[n] = v) }], Tiered.prototype.get, Tiered);
    await expect(get({ tier: 'pro' })).resolves.toBe(true);
    expect(headers).toMatchObject({ 'ratelimit-policy': '"pro";q=2;w=60', ratelimit: '"pro";r=1;t=60' });
    await expect(get({ tier: 'pro', late: true })).resolves.toBe(true);
    await expect(get({ tier: 'pro' })).rejects.toThrow(expect.objectContaining({ limitName: 'pro' }) as Error);
    await expect(get({ tier: 'free' })).resolves.toBe(true);
    await expect(get({ tier: 'free', late: true })).rejects.toMatchObject({ limitName: 'free' });
    for (let i = 0; i < 5; i++) await expect(get({ tier: 'unlimited' })).resolves.toBe(true);
  });

  it('counts each unnamed rule by itself', async () => {
    const of = (what: string) => (request: Record<string, string>) => request[what];
    class Two {
      @RateLimit({ requestsPerMinute: 1, key: of('user') }, { requestsPerMinute: 3, key: of('team') })
      get() {}
    }
    const { ask } = open();
    const headers: Record<string, string> = {};
    const get = (user: string, team: string) =>
      ask('http', [{ user, team }, { setHeader: (n: string, v: string) => (headers[n] = v) }], Two.prototype.get, Two);
    await expect(get('7', '7')).resolves.toBe(true);
    expect(headers.ratelimit).toBe('"default";r=0;t=60, "default-2";r=2;t=60');
    expect([await get('1', '7'), await get('2', '7')]).toEqual([true, true]);
    await expect(get('3', '7')).rejects.toThrow(expect.objectContaining({ limitName: 'default-2' }) as Error);
    await expect(get('3', '1')).resolves.toBe(true);
  });

  it('replaces a rule of the base class by that of the derived class', async () => {
    @RateLimit({ requestsPerMinute: 2 }, { name: 'daily', requestsPerDay: 4 })
    class Base {
      get() {}
    }
    @RateLimit({ requestsPerMinute: 3 })
    class More extends Base {}
    @RateLimit({ name: 'daily', requestsPerDay: 1 })
    class Less extends Base {}
    const { ask } = open();
    const passes = async (of: new () => unknown, ip: string) => {
      let passed = 0;
      while (passed < 9) {
        try {
          await ask('http', [{ ip }, { setHeader() {} }], Base.prototype.get, of);
        } catch {
          break;
        }
        passed++;
      }
      return passed;
    };
    expect([await passes(Base, 'a'), await passes(More, 'b'), await passes(Less, 'c')]).toEqual([2, 3, 1]);
  });

  it('counts two classes of one name apart when their paths, hosts or versions differ', async () => {
    const controllers = [undefined, 'v1/chat', 'v1.chat', { path: 'chat', version: '2' }, { path: 'chat', host: ':tenant.example.org' }];
    const types = controllers.map((options) => {
      @Controller(options as string)
      class ChatController {
        @RateLimit({ requestsPerMinute: 1 })
        ['création de réponses']() {}
      }
      return ChatController;
    });
    const { ask } = open();
    const get = (of: (typeof types)[number]) => ask('http', [{ ip: 'a' }, { setHeader() {} }], of.prototype['création de réponses'], of);
    expect(await Promise.all(types.map(get))).toEqual(types.map(() => true));
    for (const type of types) await expect(get(type)).rejects.toThrow(RateLimitExceededError);
  });

  it('rejects a key function’s result that is not a key', async () => {
    class Wrong {
      @RateLimit({ requestsPerMinute: 1, key: () => ({}) as string })
      get() {}
    }
    await expect(open().ask('http', [{}, {}], Wrong.prototype.get, Wrong)).rejects.toThrow('@RateLimit.key: must return a string');
  });

  it('rejects two rules of a route that both set cost', async () => {
    class Twice {
      @RateLimit({ name: 'a', requestsPerMinute: 1, cost: 1 }, { name: 'b', requestsPerMinute: 1, cost: 2 })
      get() {}
    }
    await expect(open().ask('http', [{}, {}], Twice.prototype.get, Twice)).rejects.toThrow(
      '@RateLimit.cost: must be set by only one rule of a route',
    );
  });
});

describe('@RateLimit', () => {
  it.each([
    [[]],
    [[{}]],
    [[{ requestsPerMinut: 1 }]],
    [[{ requestsPerMinute: -1 }]],
    [[{ name: 'a b' }]],
    [[{ requestsPerMinute: 1, key: 'ip' }]],
    [[{ requestsPerMinute: 1, cost: 0.5 }]],
    [[{ requestsPerMinute: 1, cost: 2 ** 31 + 1 }]],
    [[{ burst: 1 }]],
  ])('rejects %j when the class is defined', (rules) => {
    expect(() => RateLimit(...(rules as never[]))).toThrow(InvalidArgumentError);
    expect(() => SkipRateLimit('a b')).toThrow(InvalidArgumentError);
  });

  it('corrects estimates by the prompt tokens of a reported usage', async () => {
    const { llm, ask } = open({ requestsPerMinute: 1000, limits: { chat: { tokensPerMinute: 1_000_000 } } });
    const observed = (): number | undefined =>
      llm.tokenCounter.metrics().find(({ name }) => name === 'token_estimates_observations_total')?.value;
    const messages = [{ role: 'user', content: 'one two three four '.repeat(20) }];
    for (const model of ['claude-sonnet-4-5', 'gpt-4']) {
      const request = { ip: '192.0.2.1', body: { model, messages } };
      await ask('http', [request, responseOf()], Gateway.prototype.chat);
      reportUsage(request, { prompt_tokens: 120, completion_tokens: 5 });
      reportUsage(request, { prompt_tokens: 120, completion_tokens: 9 });
      reportUsage(request, 200);
    }
    expect(observed()).toBe(1);
  });
});
