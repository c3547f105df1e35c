/** Silence before an event is sent, in ms: at most twice that. Proxies cut after 30 s and more. */
const SILENCE_MS = 10_000;

/** Writes events into a silent stream, so that neither a proxy nor the client closes it. */
export class KeepAlive {
  private isSilent = false;
  private readonly timer = setInterval(() => this.tick(), SILENCE_MS).unref();

  /**
   * @param ping the event; empty if none may be written
   * @param write into the stream
   */
  constructor(
    private readonly ping: () => Buffer,
    private readonly write: (event: Buffer) => unknown,
  ) {}

  /** Something was written. */
  heard(): void {
    this.isSilent = false;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const event = this.isSilent ? this.ping() : undefined;
    this.isSilent = true;
    if (event !== undefined && event.length > 0) this.write(event);
  }
}
