/** Settings of a batch queue. */
export interface BatchSettings<Request, Answer> {
  /** Sends requests and returns their answers, in order. */
  readonly send: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  /** Maximum number of batches in flight. */
  readonly mostInFlight: number;
}

/** Maximum number of requests per batch, whose locks are held until it ends. */
const MOST_IN_BATCH = 128;

interface Waiting<Request, Answer> {
  readonly request: Request;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
}

/**
 * Sends the requests of one turn of the event loop as a batch. Requests that arrive while the
 * maximum number of batches is in flight join the next one, so under load many share a statement
 * and its commit.
 */
export class BatchQueue<Request, Answer> {
  private waiting: Waiting<Request, Answer>[] = [];
  private inFlight = 0;
  private isScheduled = false;
  private idle: (() => void)[] = [];

  constructor(private readonly settings: BatchSettings<Request, Answer>) {}

  /** Resolves with the answer; rejects with the failure of its batch. */
  ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ request, resolve, reject });
      this.schedule();
    });
  }

  /** Resolves when all requests are answered. */
  async drain(): Promise<void> {
    if (this.waiting.length === 0 && this.inFlight === 0) return;
    await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private schedule(): void {
    if (this.isScheduled || this.inFlight >= this.settings.mostInFlight) return;
    this.isScheduled = true;
    setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    this.isScheduled = false;
    while (this.waiting.length > 0 && this.inFlight < this.settings.mostInFlight) void this.start(this.waiting.splice(0, MOST_IN_BATCH));
  };

  private async start(batch: readonly Waiting<Request, Answer>[]): Promise<void> {
    this.inFlight++;
    try {
      const answers = await this.settings.send(batch.map(({ request }) => request));
      batch.forEach((each, place) => each.resolve(answers[place]));
    } catch (failure) {
      for (const each of batch) each.reject(failure);
    } finally {
      this.inFlight--;
      if (this.waiting.length > 0) this.schedule();
      else if (this.inFlight === 0) for (const resolve of this.idle.splice(0)) resolve();
    }
  }
}
