/**
 * Calls `expired` after `timeoutMs`, unless the function that it returns is called before. After a turn of the event loop that took longer, what has come
 * meanwhile is read first: an answer that lies in the socket is not late because this process was busy.
 */
export function startDeadline(timeoutMs: number, expired: () => void): () => void {
  let afterReading: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => (afterReading = setImmediate(expired)), timeoutMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(afterReading);
  };
}

/** The promise's value, or an error when it has none within `timeoutMs`. */
export function withinTime<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = startDeadline(timeoutMs, () => reject(new Error(timeoutReason(timeoutMs))));
    promise.then(resolve, reject).finally(end);
  });
}

export function timeoutReason(timeoutMs: number): string {
  return `no answer from Redis within ${timeoutMs} ms`;
}
