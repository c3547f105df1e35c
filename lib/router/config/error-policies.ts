import { checkKnownKeys, checkObject, joinPath, type Refuse } from '../../common/options.js';
import { checkAmounts } from './file-values.js';
import { ERROR_CLASSES } from '../health/failures.js';

/** Ending of the names of error classes in LiteLLM's policies: `RateLimitErrorRetries`. */
export type PolicyEnding = 'Retries' | 'AllowedFails';

/**
 * @throws what `refuse` makes for an unknown error class, because a misspelled policy would do
 * nothing, and for a value that is not an amount.
 */
export function checkErrorPolicy(path: string, value: unknown, ending: PolicyEnding, refuse: Refuse): Readonly<Record<string, number>> {
  checkKnownKeys(path, checkObject(path, value, refuse), namesEnding(ending), refuse);
  return checkAmounts(path, value, refuse);
}

/**
 * Leaves unknown error classes out of a policy of LiteLLM, whose newer versions may have more.
 * `warn` receives them.
 */
export function knownErrorPolicy(path: string, value: unknown, ending: PolicyEnding, warn: (message: string) => unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const known = namesEnding(ending);
  return Object.fromEntries(
    Object.entries(value).filter(([name]) => {
      const isKnown = known.includes(name);
      if (!isKnown) warn(`unknown option ignored: ${joinPath(path, name)}`);
      return isKnown;
    }),
  );
}

function namesEnding(ending: PolicyEnding): readonly string[] {
  const names = ERROR_CLASSES.map((name) => `${name}${ending}`);
  return ending === 'Retries' ? [...names, 'DefaultRetries'] : names;
}
