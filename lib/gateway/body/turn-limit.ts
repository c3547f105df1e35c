/** The real one: the turns of the loop go on where a test has replaced the timers. */
const afterPolling = setImmediate;

/**
 * Limits how many pieces of work begin in each turn of the event loop, in order of arrival, so that
 * other work, such as the chunks of streams, runs in between.
 */
export class TurnLimit {
  private begun = 0;
  private isWatching = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly perTurn: number) {}

  /** Resolves in the turn in which the work may begin; `undefined`: it may begin now. */
  begin(): Promise<void> | undefined {
    if (!this.isWatching) this.watch();
    if (this.begun < this.perTurn) {
      this.begun++;
      return undefined;
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private watch(): void {
    this.isWatching = true;
    afterPolling(this.nextTurn);
  }

  private readonly nextTurn = (): void => {
    this.isWatching = false;
    const next = this.waiting.splice(0, this.perTurn);
    this.begun = next.length;
    if (this.begun > 0) this.watch();
    for (const begin of next) begin();
  };
}
