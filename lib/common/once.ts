/** Work that is done once at most. */
export class Once {
  private running: Promise<void> | undefined = undefined;
  private over = false;

  constructor(private readonly work: () => Promise<void>) {}

  /** Whether it is done, or was called off. */
  get isOver(): boolean {
    return this.over;
  }

  /** Begins it, or waits for it with those who have asked before; `undefined` when it is over. */
  run(): Promise<void> | undefined {
    if (this.over) return undefined;
    return (this.running ??= this.work().finally(() => this.end()));
  }

  /** Calls it off: it is not begun any more, and what it comes to is for nobody. */
  end(): void {
    this.over = true;
  }
}
