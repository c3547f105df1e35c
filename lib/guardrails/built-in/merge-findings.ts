import type { Finding, GuardedText } from '../guardrail.js';

/** One finding for each kind, text and action. */
export function findingsOf(
  { path }: GuardedText,
  action: Finding['action'],
  found: readonly { readonly kind: string }[],
): readonly Finding[] {
  const counts = new Map<string, number>();
  for (const { kind } of found) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => ({ kind, path, action, count }));
}
