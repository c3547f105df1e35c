/** Resolves in the next turn of the event loop: what waits for this one gets its time first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Work of one turn, so that requests in flight wait no longer. */
const MS_PER_TURN = 1;

/** Runs steps of well below a millisecond to their end in turns of about a millisecond. */
export async function inTurns<T>(steps: Iterator<unknown, T>): Promise<T> {
  let until = performance.now() + MS_PER_TURN;
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) {
    if (performance.now() < until) continue;
    await nextTurn();
    until = performance.now() + MS_PER_TURN;
  }
  return step.value;
}

/** Runs the same steps at once. */
export function atOnce<T>(steps: Iterator<unknown, T>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}
