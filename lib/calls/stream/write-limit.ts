/**
 * Limits how long a response may stay full, because a client that stops reading would keep the
 * provider's connection in use. On timeout it destroys the response, which ends its stream.
 */
export class WriteLimit {
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor(
    private readonly response: { destroy?(): unknown },
    private readonly timeoutMs: number,
  ) {}

  /** The response is full. Returns false, as a write does. */
  full(): false {
    if (this.timeoutMs !== Infinity) this.timer ??= setTimeout(() => this.response.destroy?.(), this.timeoutMs).unref();
    return false;
  }

  /** It has room again, or is over. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
