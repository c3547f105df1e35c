/**
 * Proxies by the protocol of the endpoint. Their URLs may hold a user and a password, which are
 * never logged.
 */
export interface ProxyOptions {
  /** For `http:` endpoints: requests are sent to it with the full URL. */
  readonly http?: string;
  /** For `https:` endpoints: a tunnel is opened through it. */
  readonly https?: string;
  /** Hosts that are reached directly, separated by commas, as in `NO_PROXY`; `*` is all. */
  readonly noProxy?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLES: Readonly<Record<keyof ProxyOptions, string>> = { http: 'HTTP_PROXY', https: 'HTTPS_PROXY', noProxy: 'NO_PROXY' };

/**
 * The proxies of the environment, and the names of the variables. Lower-case names take precedence.
 */
export function proxiesIn(env: Environment): { options: ProxyOptions; names: Readonly<Record<keyof ProxyOptions, string>> } {
  const name = (key: keyof ProxyOptions): string => {
    const small = VARIABLES[key].toLowerCase();
    return env[small] === undefined ? VARIABLES[key] : small;
  };
  const names = { http: name('http'), https: name('https'), noProxy: name('noProxy') };
  return { options: { http: env[names.http], https: env[names.https], noProxy: env[names.noProxy] }, names };
}
