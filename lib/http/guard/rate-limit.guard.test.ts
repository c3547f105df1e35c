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
  @RateLimit({ name: 'nobody' })
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

describe('RateLimitGuard', () => {
  it('finds request and response of GraphQL', () => {
    const { ask } = open();
    const headers: Record<string, string> = {};
    const res = { setHeader: (name: string, value: string) => (headers[name] = value) };
    const req = { ip: '192.0.2.1' };
    expect(ask('graphql', [{}, {}, { req, res }, {}])).toBe(true);
    expect(headers.ratelimit).toBe('"default";r=0;t=60');
    expect(() => ask('graphql', [{}, {}, { req, res }, {}])).toThrow(RateLimitExceededError);
    expect(headers['retry-after']).toMatch(/^\d+$/);
    const reply = { request: { ip: '192.0.2.2' }, header: (name: string, value: string) => (headers[name] = value) };
    expect(ask('graphql', [{}, {}, { reply }, {}])).toBe(true);
    expect(ask('graphql', [{}, {}, {}, {}])).toBe(true);
    expect(() => ask('graphql', [{}, {}, undefined, {}])).toThrow(RateLimitExceededError);
  });

  it.each([
    ['ws', { _socket: { remoteAddress: '192.0.2.1' } }, 'ip:192.0.2.1'],
    ['socket.io', { handshake: { address: '192.0.2.2', headers: {} } }, 'ip:192.0.2.2'],
    ['nothing known', undefined, 'ip:unknown'],
  ])('finds the client of a WebSocket: %s', (_, client, key) => {
    const { llm, ask } = open();
    expect(ask('ws', [client, { any: 'message' }])).toBe(true);
    const refusal = expect.objectContaining({ cause: expect.any(RateLimitExceededError) }) as WsException;
    expect(() => ask('ws', [client, {}])).toThrow(WsException);
    expect(() => ask('ws', [client, {}])).toThrow(refusal);
    expect(llm.rateLimiter.getRemaining(key)).toBe(0);
  });

  it('takes no address from what the sender of a message between services has written', () => {
    const { llm, ask } = open();
    expect(ask('rpc', [{ handshake: { address: '192.0.2.1' } }, {}])).toBe(true);
    expect(() => ask('rpc', [{ handshake: { address: '192.0.2.2' } }, {}])).toThrow();
    expect(llm.rateLimiter.getRemaining('ip:unknown')).toBe(0);
  });

  it('reserves for a message, and settles what its handler reports', () => {
    const { llm, ask } = open();
    const client = { handshake: { address: '192.0.2.2', headers: { authorization: 'Bearer a' } } };
    const [first, second] = [{ ...chat }, { ...chat }];
    expect(ask('ws', [client, first], Gateway.prototype.chat)).toBe(true);
    expect(() => ask('ws', [client, second], Gateway.prototype.chat)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ exceeded: 'tokens' }) as unknown }) as Error,
    );
    reportUsage(first, 20);
    expect(ask('ws', [client, second], Gateway.prototype.chat)).toBe(true);
    expect(llm.rateLimiter.getStats()).toMatchObject({ allowedCount: 2, deniedCount: 1 });
  });

  it('settles what is reported of a request without a prompt, and takes no answer that has a usage for it', () => {
    const { llm, ask } = open();
    const left = () => llm.rateLimiter.peek('ip:192.0.2.3', { limit: 'chat', cost: 0 }).remainingTokens;
    const get = (): { request: object; response: EventEmitter & { json(body: object): void } } => {
      const response = Object.assign(new EventEmitter(), { setHeader() {}, json() {}, statusCode: 200 });
      const request = { ip: '192.0.2.3', body: { question: 'hello world' } };
      expect(ask('http', [request, response], Gateway.prototype.chat)).toBe(true);
      return { request, response };
    };
    const lookedUp = get();
    lookedUp.response.json({ usage: { total_tokens: 50 } });
    lookedUp.response.emit('close');
    expect(left()).toBe(100);
    const asked = get();
    reportUsage(asked.request, 40);
    asked.response.emit('close');
    expect(left()).toBe(60);
  });

  it('holds what it has taken, and refuses, also where the answer has begun without it', async () => {
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
    expect(ask('http', [{}, response])).toBe(true);
    expect(() => ask('http', [{}, response])).toThrow(RateLimitExceededError);
  });

  it('takes no place that nothing would free', () => {
    expect(() => open().ask('ws', [{}, {}], Gateway.prototype.one)).toThrow(InvalidArgumentError);
  });

  it('does not guess what an unknown name means', () => {
    expect(() => open().ask('http', [{}, {}], Gateway.prototype.unknown)).toThrow(/nobody/);
  });

  it('reads decorators of a handler for each class that has it', () => {
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
    const count = (of: new () => unknown) => {
      let passed = 0;
      try {
        while (passed < 5 && ask('http', [{}, { setHeader() {} }], Base.prototype.get, of)) passed++;
      } catch (error) {
        expect(error).toBeInstanceOf(RateLimitExceededError);
      }
      return passed;
    };
    expect([Base, Two, Free, FreeToo, FreeAsWell, LimitedAgain].map(count)).toEqual([1, 2, 5, 5, 5, 3]);
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
    expect(get({ tier: 'pro' })).toBe(true);
    expect(headers).toMatchObject({ 'ratelimit-policy': '"pro";q=2;w=60', ratelimit: '"pro";r=1;t=60' });
    await expect(get({ tier: 'pro', late: true })).resolves.toBe(true);
    expect(() => get({ tier: 'pro' })).toThrow(expect.objectContaining({ limitName: 'pro' }) as Error);
    expect(get({ tier: 'free' })).toBe(true);
    await expect(get({ tier: 'free', late: true })).rejects.toMatchObject({ limitName: 'free' });
    for (let i = 0; i < 5; i++) expect(get({ tier: 'unlimited' })).toBe(true);
  });

  it('counts each rule without a name by itself', () => {
    const of = (what: string) => (request: Record<string, string>) => request[what];
    class Two {
      @RateLimit({ requestsPerMinute: 1, key: of('user') }, { requestsPerMinute: 3, key: of('team') })
      get() {}
    }
    const { ask } = open();
    const headers: Record<string, string> = {};
    const get = (user: string, team: string) =>
      ask('http', [{ user, team }, { setHeader: (n: string, v: string) => (headers[n] = v) }], Two.prototype.get, Two);
    expect(get('7', '7')).toBe(true);
    expect(headers.ratelimit).toBe('"default";r=0;t=60, "default-2";r=2;t=60');
    expect([get('1', '7'), get('2', '7')]).toEqual([true, true]);
    expect(() => get('3', '7')).toThrow(expect.objectContaining({ limitName: 'default-2' }) as Error);
    expect(get('3', '1')).toBe(true);
  });

  it('counts a rule of a class that extends another instead of the rule that it replaces', () => {
    @RateLimit({ requestsPerMinute: 2 }, { name: 'daily', requestsPerDay: 4 })
    class Base {
      get() {}
    }
    @RateLimit({ requestsPerMinute: 3 })
    class More extends Base {}
    @RateLimit({ name: 'daily', requestsPerDay: 1 })
    class Less extends Base {}
    const { ask } = open();
    const passes = (of: new () => unknown, ip: string) => {
      let passed = 0;
      while (passed < 9) {
        try {
          void ask('http', [{ ip }, { setHeader() {} }], Base.prototype.get, of);
        } catch {
          break;
        }
        passed++;
      }
      return passed;
    };
    expect([passes(Base, 'a'), passes(More, 'b'), passes(Less, 'c')]).toEqual([2, 3, 1]);
  });

  it('counts classes of one name apart that are not in one place', () => {
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
    expect(types.map(get)).toEqual(types.map(() => true));
    for (const type of types) expect(() => get(type)).toThrow(RateLimitExceededError);
  });

  it('refuses what a key function gives that is no key', () => {
    class Wrong {
      @RateLimit({ requestsPerMinute: 1, key: () => ({}) as string })
      get() {}
    }
    expect(() => open().ask('http', [{}, {}], Wrong.prototype.get, Wrong)).toThrow('@RateLimit.key: must give a string');
  });

  it('asks nothing twice for what may be set once', () => {
    class Twice {
      @RateLimit({ name: 'a', requestsPerMinute: 1, cost: 1 }, { name: 'b', requestsPerMinute: 1, cost: 2 })
      get() {}
    }
    expect(() => open().ask('http', [{}, {}], Twice.prototype.get, Twice)).toThrow(
      '@RateLimit.cost: must be set by one rule of a route only',
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
  ])('refuses %j when the class is defined', (rules) => {
    expect(() => RateLimit(...(rules as never[]))).toThrow(InvalidArgumentError);
    expect(() => SkipRateLimit('a b')).toThrow(InvalidArgumentError);
  });
});
