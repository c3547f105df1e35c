import type { ClosableResponse } from '../call/cancellation.js';

/** When a response that has more waiting than it should takes more, or is over; `undefined` where there is nothing to wait for. */
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
