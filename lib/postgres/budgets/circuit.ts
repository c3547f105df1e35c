import type { DatabaseError } from '../../common/errors.js';
import { StoreFailure } from '../../rate-limit/outage/store-failure.js';
import type { Database } from '../database.js';
import type { SqlRow } from '../sql-client.js';

const FAILURES_TO_OPEN = 3;
const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 5_000;
/** The statement was never sent. */
const NOT_SENT = /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN|; (?:57P03|53300|28|3D)/;

/**
 * Sends statements. After three consecutive failures it sends none until a background check
 * succeeds, so that a lost database causes a few timeouts and not one per request.
 */
export class DatabaseCircuit {
  /** Number of statements so far. */
  calls = 0;
  private failures = 0;
  private reason = '';
  private delayMs = FIRST_DELAY_MS;
  /** Set while the circuit is open. */
  private probe: NodeJS.Timeout | undefined = undefined;
  private isClosed = false;

  constructor(readonly database: Database) {}

  /** Why the circuit is open; `undefined` if statements are sent. */
  refusal(): string | undefined {
    return this.probe === undefined ? undefined : this.reason;
  }

  /** Runs a statement. Rejects with a `StoreFailure`. */
  async rows(sql: string, params: unknown[]): Promise<readonly SqlRow[]> {
    const refusal = this.refusal();
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by the store, and no stack is wanted
    if (refusal !== undefined) throw new StoreFailure('connection', refusal, '');
    this.calls++;
    try {
      const rows = await this.database.rows(sql, params);
      this.failures = 0;
      return rows;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === 'reply') this.failures = 0;
      else this.failed(failure.reason);
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught by the store, and no stack is wanted
      throw failure;
    }
  }

  /** Checks the database; returns the problem. */
  async fault(): Promise<string | undefined> {
    try {
      await this.database.rows('SELECT 1');
      this.resume();
      return undefined;
    } catch (error) {
      return (this.reason = failureOf(error).reason);
    }
  }

  close(): void {
    this.isClosed = true;
    this.resume();
  }

  private failed(reason: string): void {
    this.reason = reason;
    if (++this.failures < FAILURES_TO_OPEN || this.probe !== undefined || this.isClosed) return;
    this.delayMs = FIRST_DELAY_MS;
    this.schedule();
  }

  private schedule(): void {
    // Random, so that processes do not all retry at the same time.
    this.probe = setTimeout(() => void this.ping(), this.delayMs * (0.5 + Math.random() / 2));
    this.probe.unref();
    this.delayMs = Math.min(LAST_DELAY_MS, this.delayMs * 2);
  }

  private async ping(): Promise<void> {
    const { probe } = this;
    if ((await this.fault()) !== undefined && this.probe === probe && probe !== undefined) this.schedule();
  }

  private resume(): void {
    this.failures = 0;
    clearTimeout(this.probe);
    this.probe = undefined;
  }
}

function failureOf(error: unknown): StoreFailure {
  const { code, message } = error as DatabaseError;
  const reason = message.replace(/^PostgreSQL: /, '');
  if (code !== 'DATABASE_UNAVAILABLE') return new StoreFailure('reply', reason, '');
  return new StoreFailure(/^no answer/.test(reason) ? 'timeout' : 'connection', reason, '', !NOT_SENT.test(reason));
}
