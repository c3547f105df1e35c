import { Pool } from 'undici';

/** What became of a request. */
export type Outcome = 'answered' | 'streamed' | 'refused' | 'broken off, and said so' | 'left by its client' | 'failed otherwise';

const messages = [{ role: 'user', content: 'Hello' }];
/** Longer than all time limits together. */
const STUCK_MS = 20_000;

/** Keeps a number of requests of all kinds in flight until it is stopped. */
export class Load {
  readonly outcomes: Partial<Record<Outcome, number>> = {};
  readonly surprises: string[] = [];
  private readonly pool: Pool;
  private stopped = false;

  constructor(
    url: string,
    private readonly inFlight: number,
    private readonly random: () => number,
  ) {
    this.pool = new Pool(url, { connections: inFlight, headersTimeout: STUCK_MS, bodyTimeout: STUCK_MS });
  }

  /** Runs until `stop`, or for so many requests. */
  async run(requests = Infinity): Promise<void> {
    let left = requests;
    const worker = async (): Promise<void> => {
      while (!this.stopped && left-- > 0) {
        const outcome = await this.one();
        this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: this.inFlight }, worker));
  }

  stop(): void {
    this.stopped = true;
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private async one(): Promise<Outcome> {
    const kind = this.random();
    if (kind < 0.1) return this.send('/embeddings', { model: 'm', input: 'Hello' });
    const stream = kind < 0.6;
    const leaves = this.random() < 0.1 ? this.random() * 60 : undefined;
    return this.send('/chat', { model: 'm', messages, ...(stream && { stream }) }, leaves);
  }

  private async send(path: string, body: object, leavesAfterMs?: number): Promise<Outcome> {
    const controller = leavesAfterMs === undefined ? undefined : new AbortController();
    const timer = controller && setTimeout(() => controller.abort(), leavesAfterMs);
    try {
      const answer = await this.pool.request({ path, method: 'POST', body: JSON.stringify(body), signal: controller?.signal });
      const text = await answer.body.text();
      return this.judge(answer.statusCode, String(answer.headers['content-type']), text);
    } catch (error) {
      if (controller?.signal.aborted) return 'left by its client';
      this.surprises.push(String(error));
      return 'failed otherwise';
    } finally {
      clearTimeout(timer);
    }
  }

  private judge(status: number, contentType: string, text: string): Outcome {
    if (status >= 400) return this.isError(text) ? 'refused' : this.surprise(`${status}: ${text.slice(0, 200)}`);
    if (!contentType.startsWith('text/event-stream')) {
      const { object } = JSON.parse(text) as { object?: string };
      return object === 'chat.completion' || object === 'list' ? 'answered' : this.surprise(text.slice(0, 200));
    }
    const events = text.trim().split(/\n\n+/);
    const last = events[events.length - 1];
    if (last === 'data: [DONE]') return 'streamed';
    return this.isError(last.slice(5)) ? 'broken off, and said so' : this.surprise(`a stream that ends with ${last.slice(0, 200)}`);
  }

  private isError(text: string): boolean {
    try {
      return typeof (JSON.parse(text) as { error?: { message?: unknown } }).error?.message === 'string';
    } catch {
      return false;
    }
  }

  private surprise(what: string): Outcome {
    this.surprises.push(what);
    return 'failed otherwise';
  }
}
