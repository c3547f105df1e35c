import type { ProxyOptions } from './proxies.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLES: Readonly<Record<keyof ProxyOptions, string>> = { http: 'HTTP_PROXY', https: 'HTTPS_PROXY', noProxy: 'NO_PROXY' };

/** The proxies that the environment names, and by which variables. Small letters go first, as everywhere. */
export function proxiesIn(env: Environment): { options: ProxyOptions; names: Readonly<Record<keyof ProxyOptions, string>> } {
  const name = (key: keyof ProxyOptions): string => {
    const small = VARIABLES[key].toLowerCase();
    return env[small] === undefined ? VARIABLES[key] : small;
  };
  const names = { http: name('http'), https: name('https'), noProxy: name('noProxy') };
  return { options: { http: env[names.http], https: env[names.https], noProxy: env[names.noProxy] }, names };
}
