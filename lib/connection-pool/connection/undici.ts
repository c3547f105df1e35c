import type * as Undici from 'undici';

let loaded: typeof Undici | undefined;

/** undici, loaded with the first connection: it takes as long to load as all of this package. */
export function undici(): typeof Undici {
  return (loaded ??= require('undici') as typeof Undici);
}
