import type { RateLimitRule, RateLimits } from 'nestjs-fast-litellm';

/** Who knows no key of ours, and who pays: two tiers, each a name of `rateLimit.limits`. */
export const TIERS = {
  free: { requestsPerSecond: 20, burst: 100, requestsPerMinute: 600 },
  pro: { requestsPerSecond: 200, burst: 1000, requestsPerMinute: 6000 },
} as const satisfies Readonly<Record<string, RateLimits>>;

type Tier = keyof typeof TIERS;

/** The same for calls of models, which cost tokens too. */
export const CHAT_TIERS = {
  free: { ...TIERS.free, tokensPerMinute: 200_000 },
  pro: { ...TIERS.pro, tokensPerMinute: 5_000_000 },
} as const satisfies Readonly<Record<Tier, RateLimits>>;

/** All limits of the app, by name. */
export const LIMITS = { ...TIERS, 'free-chat': CHAT_TIERS.free, 'pro-chat': CHAT_TIERS.pro };

interface Request {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** The keys of those who pay, `PRO_API_KEYS=sk-a,sk-b`. A real app asks its database, in a guard of its own before this one. */
const proKeys = new Set((process.env.PRO_API_KEYS ?? 'sk-pro-demo').split(','));

function tierOf({ headers }: Request): Tier {
  const [, key = ''] = /^bearer (.+)$/i.exec(headers.authorization ?? '') ?? [];
  return proKeys.has(key) ? 'pro' : 'free';
}

/**
 * A key as nobody made it up: only a known one is worth a counter of its own. Everybody else is one client per address, whatever key
 * they show: or each request would bring another.
 */
function rule(tier: Tier, name: keyof typeof LIMITS): RateLimitRule {
  return {
    name,
    // `false`: the rule is not for this request. Nothing: the guard's own key, which is the hash of the API key.
    key: (request: Request & { readonly ip: string }) => {
      if (tierOf(request) !== tier) return false;
      return tier === 'free' ? `ip:${request.ip}` : undefined;
    },
  };
}

/** For `@RateLimit(...TIER_RULES)`: of the two, the one that a request belongs to applies. */
export const TIER_RULES: readonly RateLimitRule[] = [rule('free', 'free'), rule('pro', 'pro')];

/** The same for routes that call models. */
export const CHAT_RULES: readonly RateLimitRule[] = [rule('free', 'free-chat'), rule('pro', 'pro-chat')];
