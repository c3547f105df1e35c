import type { ClosableResponse } from '../call/cancellation.js';

/** Resolves when a full response has room again, or is over; `undefined`: it has room now. */
export function drainOf(response: ClosableResponse | undefined): Promise<void> | undefined {
  if (response?.writableNeedDrain !== true) return undefined;
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
