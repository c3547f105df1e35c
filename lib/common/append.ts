/** Adds items to a list. `push(...items)` fails for more than about 100,000. */
export function append<T>(target: T[], items: Iterable<T>): void {
  for (const item of items) target.push(item);
}
