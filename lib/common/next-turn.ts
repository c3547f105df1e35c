/** Resolves in the next turn of the event loop: what waits for this one gets its time first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
