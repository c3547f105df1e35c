import { InvalidConfigurationError } from '../common/errors.js';
import { checkInteger, checkKnownKeys, checkObject, checkString, optional, refuseOption } from '../common/options.js';

/** Injection token of what the dashboard's routes work with. */
export const DASHBOARD_DESK = Symbol('FastLiteLLMDashboardDesk');

/** Options of the dashboard. */
export interface DashboardOptions {
  /**
   * Grants access, by `Authorization: Bearer` or the log-in form. Required if `NODE_ENV` is
   * `production`; otherwise, without it, everyone who reaches the app has access.
   */
  readonly token?: string | undefined;
  /** Interval of updates to open pages, in milliseconds. Default 2000, at least 250. */
  readonly intervalMs?: number;
  /** Heading of the page. Default `Control room`. */
  readonly title?: string;
}

/** The checked options, with defaults. */
export interface ResolvedDashboardOptions {
  readonly token: string | null;
  readonly intervalMs: number;
  readonly title: string;
}

const KNOWN: readonly (keyof DashboardOptions)[] = ['token', 'intervalMs', 'title'];

/**
 * @throws InvalidConfigurationError naming the option; in production also when there is no token.
 */
export function resolveDashboardOptions(options: DashboardOptions = {}, nodeEnv = process.env.NODE_ENV): ResolvedDashboardOptions {
  const input = checkObject('dashboard', options);
  checkKnownKeys('dashboard', input, KNOWN);
  if (input.token === undefined && nodeEnv === 'production') {
    throw new InvalidConfigurationError('dashboard.token', 'must be set where NODE_ENV is production: the page shows how the app is doing');
  }
  return {
    token: optional(input.token, null, checkToken),
    intervalMs: optional(input.intervalMs, 2000, (value) => checkInteger('dashboard.intervalMs', value, { min: 250, max: 3_600_000 })),
    title: optional(input.title, 'Control room', (value) => checkString('dashboard.title', value)),
  };
}

/** Not `checkString`, whose message would quote the token. */
function checkToken(token: unknown): string {
  if (typeof token === 'string' && token.trim() === token && token !== '') return token;
  throw new InvalidConfigurationError('dashboard.token', 'must be a string without spaces around it, one character at least');
}

/**
 * The path that the page is served at: `/dashboard`, `/ops/llm`.
 * @throws InvalidConfigurationError
 */
export function checkDashboardPath(path: unknown): string {
  const given = checkString('dashboard.path', path);
  if (/^\/?(?:[\w.~-]+\/)*[\w.~-]+\/?$/.test(given)) return given.replace(/^\/|\/$/g, '');
  throw refuseOption('dashboard.path', path, 'must be a path of letters, digits, _ . ~ - and /');
}
