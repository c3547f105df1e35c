import { checkKnownKeys, checkObject, joinPath, type Refuse } from '../../common/options.js';
import { checkAmounts } from './numeric-options.js';
import { ERROR_CLASSES } from '../health/failures.js';

/** How LiteLLM's policies end the names of error classes: `RateLimitErrorRetries`. */
export type PolicyEnding = 'Retries' | 'AllowedFails';

/** @throws what `refuse` makes, for a name that no failure has (a policy that is misspelled would do nothing) and for what is no amount. */
export function checkErrorPolicy(path: string, value: unknown, ending: PolicyEnding, refuse: Refuse): Readonly<Record<string, number>> {
  checkKnownKeys(path, checkObject(path, value, refuse), namesEnding(ending), refuse);
  return checkAmounts(path, value, refuse);
}

/** A policy of a LiteLLM file without the names that are not known here, of which `warn` hears: newer versions may have more. */
export function knownErrorPolicy(path: string, value: unknown, ending: PolicyEnding, warn: (message: string) => unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const known = namesEnding(ending);
  return Object.fromEntries(
    Object.entries(value).filter(([name]) => {
      const isKnown = known.includes(name);
      if (!isKnown) warn(`${joinPath(path, name)} is not known here, and has no effect`);
      return isKnown;
    }),
  );
}

function namesEnding(ending: PolicyEnding): readonly string[] {
  const names = ERROR_CLASSES.map((name) => `${name}${ending}`);
  return ending === 'Retries' ? [...names, 'DefaultRetries'] : names;
}
