/**
 * Calls `expired` after `timeoutMs`, unless the function that it returns is called before. After a turn of the event loop that took longer, what has come
 * meanwhile is read first: an answer that lies in the socket is not late because this process was busy.
 * @param keepsProcess Whether the process runs until then, as somebody waits for it.
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

/** The promise's value, or an error when it has none within `timeoutMs`. For what goes on in the background: it keeps no process alive. */
export function withinTime<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = startDeadline(timeoutMs, () => reject(new Error(timeoutReason(timeoutMs))), false);
    promise.then(resolve, reject).finally(end);
  });
}

export function timeoutReason(timeoutMs: number): string {
  return `no answer from Redis within ${timeoutMs} ms`;
}
