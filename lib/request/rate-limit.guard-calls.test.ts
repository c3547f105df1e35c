import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimit } from './request.decorators.js';

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
});
