import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { RateLimitExceededError } from '../../common/http-errors.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimit } from '../decorators.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const { rateLimiter, tokenCounter } = new FastLiteLLM({ logger, rateLimit: { requestsPerMinute: 3 } });

function contextOf(type: new () => object, handler: () => void): ExecutionContextHost {
  const context = new ExecutionContextHost([{}, { setHeader: () => {} }], type, handler);
  context.setType('http');
  return context;
}

describe('RateLimitGuard', () => {
  it('hears of a late failure though another function has failed by then', async () => {
    const late = jest.fn(() => Promise.reject(new Error('no database')));
    const soon = (): never => {
      throw new Error('no user');
    };
    class Failing {
      @RateLimit({ name: 'a', requestsPerMinute: 1, key: late }, { name: 'b', requestsPerMinute: 1, key: soon })
      keys() {}
      @RateLimit({ tokensPerMinute: 1, cost: late, tokens: soon })
      amounts() {}
    }
    const guard = new RateLimitGuard(rateLimiter, tokenCounter);
    const unheard = jest.fn();
    process.on('unhandledRejection', unheard);
    try {
      for (const handler of [Failing.prototype.keys, Failing.prototype.amounts]) {
        expect(() => guard.canActivate(contextOf(Failing, handler))).toThrow('no user');
      }
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', unheard);
    }
    expect(late).toHaveBeenCalledTimes(2);
    expect(unheard).not.toHaveBeenCalled();
  });

  it('takes once for a call, however often it stands on the route; others, and other limiters, take for themselves', () => {
    class Twice {
      get() {}
    }
    class ByUser extends RateLimitGuard {
      protected override getKey(): string {
        return 'user';
      }
    }
    const other = new FastLiteLLM({ logger, rateLimit: { requestsPerMinute: 3 } }).rateLimiter;
    const guards = [
      new RateLimitGuard(rateLimiter, tokenCounter),
      new RateLimitGuard(rateLimiter, tokenCounter),
      new ByUser(rateLimiter, tokenCounter),
      new ByUser(rateLimiter, tokenCounter),
      new RateLimitGuard(other, tokenCounter),
    ];
    const call = (): boolean => {
      const context = contextOf(Twice, Twice.prototype.get);
      return guards.every((guard) => guard.canActivate(context) === true);
    };
    for (let calls = 1; calls <= 3; calls++) {
      expect(call()).toBe(true);
      const left = [rateLimiter.getRemaining('ip:unknown'), rateLimiter.getRemaining('user'), other.getRemaining('ip:unknown')];
      expect(left).toEqual([3 - calls, 3 - calls, 3 - calls]);
    }
    const context = contextOf(Twice, Twice.prototype.get);
    for (const guard of guards.slice(0, 2)) expect(() => guard.canActivate(context)).toThrow(RateLimitExceededError);
  });
});
