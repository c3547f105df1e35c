/** Whether a stream is still read, for what yields its events. */
export interface LoopState {
  /** The reader has left the loop, so the end of the stream is not an error. */
  readonly hasLeft: boolean;
}

/**
 * The iterator of a stream whose reader can stop at any time. A generator alone would ignore a stop
 * before the first event, and would wait for an event that is being read.
 */
export class LoopReader<T> implements AsyncGenerator<T, void, undefined>, LoopState {
  hasLeft = false;
  private readonly events: AsyncGenerator<T, void, undefined>;

  /** @param leave Ends the stream; called even if it has already ended. */
  constructor(
    read: (reader: LoopState) => AsyncGenerator<T, void, undefined>,
    private readonly leave: (reader: LoopState) => void,
  ) {
    this.events = read(this);
  }

  next(): Promise<IteratorResult<T, void>> {
    return this.events.next();
  }

  return(): Promise<IteratorResult<T, void>> {
    this.hasLeft = true;
    this.leave(this);
    return this.events.return();
  }

  throw(error: unknown): Promise<IteratorResult<T, void>> {
    this.leave(this);
    return this.events.throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
