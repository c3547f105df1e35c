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
  it('handles the late rejection of one rule when another rule has thrown', async () => {
    const late = jest.fn(() => Promise.reject(new Error('no database')));
    const soon = (): never => {
      throw new Error('no user');
    };
    class Failing {
      @RateLimit({ name: 'a', requestsPerMinute: 1, key: late }, { name: 'b', requestsPerMinute: 1, key: soon })
      keys() {}
    }
    const guard = new RateLimitGuard(rateLimiter, tokenCounter);
    const unheard = jest.fn();
    process.on('unhandledRejection', unheard);
    try {
      await expect(guard.canActivate(contextOf(Failing, Failing.prototype.keys))).rejects.toThrow('no user');
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', unheard);
    }
    expect(late).toHaveBeenCalledTimes(1);
    expect(unheard).not.toHaveBeenCalled();
  });

  it('counts a request once, however often the guard is on the route; other guards and limiters count it themselves', async () => {
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
    const call = async (): Promise<void> => {
      const context = contextOf(Twice, Twice.prototype.get);
      for (const guard of guards) expect(await guard.canActivate(context)).toBe(true);
    };
    for (let calls = 1; calls <= 3; calls++) {
      await call();
      const left = [rateLimiter.getRemaining('ip:unknown'), rateLimiter.getRemaining('user'), other.getRemaining('ip:unknown')];
      expect(left).toEqual([3 - calls, 3 - calls, 3 - calls]);
    }
    const context = contextOf(Twice, Twice.prototype.get);
    for (const guard of guards.slice(0, 2)) await expect(guard.canActivate(context)).rejects.toThrow(RateLimitExceededError);
  });
});
