import type { ClosableResponse } from '../cancellation.js';

/**
 * Limits how long a response can stay full, because a client that stops reading would keep the
 * provider's connection in use. On timeout it destroys the response, which ends its stream.
 */
export class WriteLimit {
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly response: { destroy?(): unknown },
    private readonly timeoutMs: number,
  ) {}

  /** The response is full. */
  full(): void {
    if (this.timeoutMs !== Infinity) this.timer ??= setTimeout(() => this.response.destroy?.(), this.timeoutMs).unref();
  }

  /** Called when the response has room again, or ends. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

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
