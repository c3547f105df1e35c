import type { Placed } from './priority-tier.js';

/** Deployments with this tag take requests that fit no other deployment's tags. */
const DEFAULT_TAG = 'default';

/**
 * Returns the deployments that fit a request's tags: one of them, or all; `!tag` excludes, `&tag`
 * is required. Where none fits, those tagged `default`. A request without tags gets those tagged
 * `default` or, where there are none, all.
 */
export function matchingTags(placed: readonly Placed[], tags: readonly string[], matchAll: boolean): readonly Placed[] {
  const excluded = tags.filter((tag) => tag.startsWith('!')).map((tag) => tag.slice(1));
  const required = tags.filter((tag) => tag.startsWith('&')).map((tag) => tag.slice(1));
  const wanted = tags.filter((tag) => !/^[!&]/.test(tag));
  const has = ({ deployment }: Placed, tag: string): boolean => deployment.tags.includes(tag);
  const possible = placed.filter((entry) => !excluded.some((tag) => has(entry, tag)) && required.every((tag) => has(entry, tag)));
  const byDefault = possible.filter((entry) => has(entry, DEFAULT_TAG));
  if (wanted.length === 0) return byDefault.length > 0 && required.length === 0 ? byDefault : possible;
  const fitting = possible.filter((entry) => (matchAll ? wanted.every((tag) => has(entry, tag)) : wanted.some((tag) => has(entry, tag))));
  return fitting.length > 0 ? fitting : byDefault;
}
