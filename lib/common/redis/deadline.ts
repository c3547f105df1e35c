/**
 * Calls `expired` after `timeoutMs`, unless the returned function is called before. When the event
 * loop was blocked past the deadline, sockets are read once more first: an answer that already
 * arrived is not late because this process was busy.
 * @param keepsProcess Whether the timer keeps the process alive.
 */
export function startDeadline(timeoutMs: number, expired: () => void, keepsProcess = true): () => void {
  let afterReading: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => (afterReading = setImmediate(expired)), timeoutMs);
  if (!keepsProcess) timer.unref();
  return () => {
    clearTimeout(timer);
    clearImmediate(afterReading);
  };
}

/**
 * The promise's value, or an error after `timeoutMs`. For work in the background: it does not keep
 * the process alive.
 */
export function withinTime<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = startDeadline(timeoutMs, () => reject(new Error(timeoutReason(timeoutMs))), false);
    promise.then(resolve, reject).finally(end);
  });
}

export function timeoutReason(timeoutMs: number): string {
  return `no response from Redis within ${timeoutMs} ms`;
}
