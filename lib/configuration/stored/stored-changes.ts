import type { Fields } from '../../common/objects.js';
import { addressKeyOf, divided, isSet, masked } from './stored-values.js';

/** Names of secrets that a change deletes. */
export type Discarded = readonly string[];

/** Facts that the store itself keeps. */
const OWN_FACTS: ReadonlySet<string> = new Set('db_model created_at created_by updated_at updated_by'.split(' '));

/**
 * Applies changes to values: `undefined` keeps, `null` removes, and a masked secret keeps the
 * secret. If the address or the provider changes, secrets that are not sent again are deleted.
 */
export function changedValues(before: Fields, changes: Fields): { readonly values: Fields; readonly discarded: Discarded } {
  const values: Record<string, unknown> = { ...before };
  const { secret } = divided(before);
  const sent = new Set<string>();
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || (name in secret && value === masked(secret[name]))) continue;
    sent.add(name);
    if (isSet(value)) values[name] = value;
    else delete values[name];
  }
  if (addressKeyOf(before) === addressKeyOf(values)) return { values, discarded: [] };
  const discarded = Object.keys(secret).filter((name) => !sent.has(name));
  for (const name of discarded) delete values[name];
  return { values, discarded };
}

/** The same for facts, which have no secrets. */
export function changedInfo(before: Fields, changes: Fields): Fields {
  const entries = Object.entries(changes).filter(([name, value]) => value !== undefined && !OWN_FACTS.has(name));
  const merged = { ...before, ...Object.fromEntries(entries) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}
