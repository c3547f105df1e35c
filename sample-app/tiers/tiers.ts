import { addressKey, type RateLimitRule, type RateLimits } from 'nestjs-fast-litellm';
import type { IncomingHttpHeaders } from 'node:http';
import { visitorOf, type Tier } from '../access/visitors.js';

/** Two tiers, with and without a known key, each a name of `rateLimit.limits`. */
export const TIERS = {
  free: { requestsPerSecond: 20, burst: 100, requestsPerMinute: 600 },
  pro: { requestsPerSecond: 200, burst: 1000, requestsPerMinute: 6000 },
} as const satisfies Readonly<Record<Tier, RateLimits>>;

/** The same for calls of models, which also limit tokens. */
export const CHAT_TIERS = {
  free: { ...TIERS.free, tokensPerMinute: 200_000 },
  pro: { ...TIERS.pro, tokensPerMinute: 5_000_000 },
} as const satisfies Readonly<Record<Tier, RateLimits>>;

/** All limits of the app, by name. */
export const LIMITS = { ...TIERS, 'free-chat': CHAT_TIERS.free, 'pro-chat': CHAT_TIERS.pro };

interface Request {
  readonly headers: IncomingHttpHeaders;
  readonly ip: string;
}

/**
 * The key under which a request counts. Only known keys get a counter of their own; other clients
 * count by address, because a client could send a new key with each request.
 */
function rule(tier: Tier, name: keyof typeof LIMITS): RateLimitRule {
  return {
    name,
    // `false`: the rule does not apply to this request.
    key: (request: Request) => {
      const visitor = visitorOf(request);
      return visitor.tier === tier && (visitor.key ?? addressKey(request.ip));
    },
  };
}

/** For `@RateLimit(...TIER_RULES)`: the rule of the request's tier applies. */
export const TIER_RULES: readonly RateLimitRule[] = [rule('free', 'free'), rule('pro', 'pro')];

/** The same for routes that call models. */
export const CHAT_RULES: readonly RateLimitRule[] = [rule('free', 'free-chat'), rule('pro', 'pro-chat')];
