import type { ClosableResponse } from '../cancellation.js';
import { WriteLimit } from './write-limit.js';

/**
 * Resolves when a full response has room again, or is over; `undefined`: it has room now. One that
 * stays full for `timeoutMs` is destroyed.
 */
export function drainOf(response: ClosableResponse | undefined, timeoutMs: number): Promise<void> | undefined {
  if (response?.writableNeedDrain !== true) return undefined;
  return new Promise((resolve) => {
    const limit = new WriteLimit(response, timeoutMs);
    limit.full();
    const done = (): void => {
      limit.stop();
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
