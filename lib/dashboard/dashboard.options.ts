import { InvalidConfigurationError } from '../common/errors.js';
import { custom, integer, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';

/** Injection token of the services that the dashboard's routes use. */
export const DASHBOARD_SERVICES = Symbol('FastLiteLLMDashboardServices');

/** Injection token of the spend log, in an app that has one. */
export const SPENDING_SOURCE = Symbol('FastLiteLLMSpendingSource');

export const DASHBOARD = {
  /**
   * Token that grants access, with `Authorization: Bearer` or the login form. If the app has a
   * master key, that grants access, too, and the token only reads. Required without a master key if
   * `NODE_ENV` is `production`; otherwise everyone who can reach the app can read without it.
   */
  token: custom<string | undefined, string | null>('string', checkToken, null),
  /** Interval of updates to open pages, in milliseconds. Default 2,000. */
  intervalMs: integer({ min: 250, max: 3_600_000, default: 2_000 }),
  /** Heading of the page. Default `Control room`. */
  title: string({ default: 'Control room' }),
};

/** Options of the dashboard. */
export interface DashboardOptions extends OptionsOf<typeof DASHBOARD> {}

/**
 * @param hasMasterKey whether the app has a master key, which grants access
 * @throws InvalidConfigurationError naming the option; in production also without a token and a
 * master key.
 */
export function resolveDashboardOptions(
  options: DashboardOptions = {},
  hasMasterKey = false,
  nodeEnv = process.env.NODE_ENV,
): Resolved<typeof DASHBOARD> {
  const resolved = resolveOptions(DASHBOARD, 'dashboard', options);
  if (resolved.token !== null || hasMasterKey || nodeEnv !== 'production') return resolved;
  throw new InvalidConfigurationError(
    'dashboard.token',
    'must be set if NODE_ENV is production and there is no master key, because the page shows internals of the app',
  );
}

/** Not `checkString`, whose message would quote the token. */
function checkToken(path: string, token: unknown): string {
  if (typeof token === 'string' && token.trim() === token && token !== '') return token;
  throw new InvalidConfigurationError(path, 'must be a non-empty string without leading or trailing spaces');
}
