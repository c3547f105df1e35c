import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallRecord } from '../common/call-record.js';
import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { steadyNow } from '../common/clock.js';
import { errorMessage } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { callRow, type BodySettings } from './call-row.js';
import { FlushDurations } from './flush-durations.js';
import type { ResolvedSpendLogOptions } from './spend-log.options.js';
import { monthsBefore } from './months.js';
import type { SpendStore } from './spend-store.js';
import { SpillFiles, type SpilledRows } from './spill-files.js';

/** Minimum interval between two statements of one process. */
const LEAST_MS = 100;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
/** After this time, a statement counts as unanswered. */
const SLOW_MS = 1_000;
/** Maximum bytes per statement. PostgreSQL accepts 1 GB, at the cost of its memory. */
const BATCH_BYTES = 8 * 1024 * 1024;
const ADOPT_MS = 30_000;
const MAINTENANCE_MS = 6 * 3_600_000;
const SAMPLES = samplesOf('spend_log');

/**
 * Writes a row for each call, in batches and without making requests wait: a call costs its record
 * and one line of JSON. While the database is unavailable, lines are appended to a file and written
 * from there in order. If the answer to a batch is lost, the batch is sent again and counts once.
 */
export class SpendLog implements Capability {
  readonly capability = 'spend_log';
  readonly processId = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;

  private readonly store: SpendStore;
  private readonly bodies: BodySettings | undefined;
  private readonly spill: SpillFiles | undefined;
  private pending: string[] = [];
  private pendingBytes = 0;
  /** Rows of the running statement, unless they are in a file. */
  private flying: readonly string[] = [];
  private flyingBytes = 0;
  /** Rows that are being written to a file. */
  private moving = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerAtMs = Infinity;
  private working: Promise<void> | undefined = undefined;
  private lastStartMs = -Infinity;
  /** Above 0 while the database is unavailable. */
  private retryMs = 0;
  private retryAtMs = 0;
  /** Below `batchRows` after a rejected row, to isolate it. */
  private rowsAtOnce: number;
  private adoptedMs = -Infinity;
  private maintenance: NodeJS.Timeout | undefined = undefined;
  private isClosing = false;
  private failure: string | undefined = undefined;
  private hasDiskFailed = false;
  private readonly counts = { written: 0, duplicate: 0, rejected: 0, dropped: 0 };
  private reportedDrops = 0;
  private readonly durations = new FlushDurations();

  constructor(
    private readonly options: ResolvedSpendLogOptions,
    private readonly log: LogSink,
  ) {
    const { store, bodies, maxBodyBytes, spillFile, maxSpillBytes, batchRows } = options;
    this.store = store.spend;
    this.bodies = bodies ? { maxBodyBytes } : undefined;
    this.spill = spillFile === undefined ? undefined : new SpillFiles(spillFile, maxSpillBytes);
    this.rowsAtOnce = batchRows;
  }

  /** Creates partitions, applies retention, and writes rows left by former processes. */
  start(): void {
    void this.maintain();
    this.maintenance = setInterval(() => void this.maintain(), MAINTENANCE_MS).unref();
    if (this.spill !== undefined) this.wakeIn(0);
  }

  add(call: CallRecord): void {
    const row = flat(callRow(call, this.processId, this.bodies));
    if (this.pendingBytes + this.flyingBytes + row.length > this.options.maxPendingBytes) {
      this.counts.dropped++;
      return;
    }
    this.pending.push(row);
    this.pendingBytes += row.length;
    const { flushMs, batchRows } = this.options;
    if (this.retryMs > 0) return;
    if (this.pending.length >= batchRows || this.pendingBytes >= BATCH_BYTES) this.wakeIn(0);
    // A timer may be set for later, to look for files.
    else if (this.pending.length === 1) this.wakeIn(flushMs);
  }

  /** Number of rows not yet in the database. */
  get backlog(): number {
    return this.pending.length + this.flying.length + this.moving + (this.spill?.rows ?? 0);
  }

  /** Writes waiting rows; those that the database does not accept in time go to the file. */
  async close(): Promise<void> {
    if (this.isClosing) return;
    this.isClosing = true;
    clearInterval(this.maintenance);
    this.stopTimer();
    const endMs = steadyNow() + this.options.closeTimeoutMs;
    const left = (): number => Math.max(0, endMs - steadyNow());
    await Promise.race([this.working, sleep(left(), undefined, { ref: false })]);
    while (this.working === undefined && this.backlog > 0 && left() > 0) {
      this.working = this.step().finally(() => (this.working = undefined));
      await Promise.race([this.working, sleep(left(), undefined, { ref: false })]);
      // Rows in a file need not wait for the database.
      if (this.failure !== undefined && this.spill !== undefined) break;
      if (this.failure !== undefined) await sleep(Math.min(LEAST_MS, left()));
    }
    await this.spillAll();
    const lost = this.pending.length + this.flying.length;
    if (lost > 0) this.log.error(`Spend log: ${lost} calls were lost at shutdown (${this.failure ?? 'no time left'})`);
    else if (this.backlog > 0)
      this.log.warn(`Spend log: ${this.backlog} calls wait in ${this.options.spillFile}; the next process writes them`);
  }

  health(): CapabilityHealth {
    const { failure, backlog } = this;
    const { dropped, rejected } = this.counts;
    const lost = dropped + rejected;
    const reason = failure ?? (lost > 0 ? `${lost} calls were lost since the start` : undefined);
    const base = { engine: 'typescript', backlog, spilledBytes: this.spill?.bytes ?? 0, dropped, rejected } as const;
    return reason === undefined ? { status: 'ok', ...base } : { status: 'degraded', reason, ...base };
  }

  metrics(): readonly MetricSample[] {
    const rows = 'Calls of the spend log by the result of writing them';
    return [
      ...Object.entries(this.counts).map(([result, count]) => SAMPLES('rows_total', rows, 'counter', count, { result })),
      SAMPLES('backlog', 'Calls not yet in the database', 'gauge', this.backlog),
      SAMPLES('spilled_bytes', 'Size of the files with calls not yet in the database', 'gauge', this.spill?.bytes ?? 0),
      ...this.durations.samples(),
    ];
  }

  private wakeIn(ms: number): void {
    if (this.isClosing) return;
    const atMs = Math.max(steadyNow() + ms, this.lastStartMs + LEAST_MS);
    if (this.working !== undefined || atMs >= this.timerAtMs) return;
    this.stopTimer();
    this.timerAtMs = atMs;
    this.timer = setTimeout(() => {
      this.stopTimer();
      this.working = this.step().finally(() => {
        this.working = undefined;
        this.wakeAgain();
      });
    }, atMs - steadyNow());
    // `close` writes the waiting calls.
    this.timer.unref();
  }

  private stopTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.timerAtMs = Infinity;
  }

  private wakeAgain(): void {
    const { flushMs, batchRows } = this.options;
    if (this.retryMs > 0) this.wakeIn(Math.min(this.retryAtMs - steadyNow(), this.spill === undefined ? Infinity : flushMs));
    else if (this.spill?.isEmpty === false || this.pending.length >= Math.min(batchRows, this.rowsAtOnce)) this.wakeIn(0);
    else if (this.pending.length > 0) this.wakeIn(flushMs);
    else if (this.spill !== undefined) this.wakeIn(ADOPT_MS);
  }

  /** Runs at most one statement. Never rejects. */
  private async step(): Promise<void> {
    this.reportDrops();
    try {
      await this.adopt();
      if (this.retryMs > 0 && steadyNow() < this.retryAtMs && !this.isClosing) {
        await this.spillAll();
        await this.spill?.touch();
        return;
      }
      // Rows on disk are older.
      if (this.spill?.isEmpty === false) await this.spillAll();
      const spilled = await this.spill?.next(this.rowsAtOnce);
      if (spilled !== undefined) await this.writeSpilled(spilled);
      else if (this.pending.length > 0) await this.writePending();
    } catch (error) {
      this.failed(error);
    }
  }

  private async writeSpilled(spilled: SpilledRows): Promise<void> {
    const { rows } = spilled;
    // Also while the database is away: otherwise its file looks abandoned.
    await this.spill?.touch();
    if (rows.length > 0 && !(await this.write(rows))) return;
    await spilled.done();
  }

  private async writePending(): Promise<void> {
    const batch = this.takeBatch();
    // Bounds the loss to a second if the process is killed while the statement hangs.
    const slow = setInterval(() => void this.spillAll(), SLOW_MS).unref();
    const isWritten = await this.write(batch).finally(() => clearInterval(slow));
    if (!isWritten) {
      this.pending = [...this.flying, ...this.pending];
      this.pendingBytes += this.flyingBytes;
    }
    this.flying = [];
    this.flyingBytes = 0;
    if (!isWritten && this.retryMs > 0) await this.spillAll();
  }

  private takeBatch(): readonly string[] {
    const { pending, rowsAtOnce } = this;
    let count = 0;
    let bytes = 0;
    while (count < Math.min(rowsAtOnce, pending.length) && (count === 0 || bytes + pending[count].length <= BATCH_BYTES))
      bytes += pending[count++].length;
    this.flying = count === pending.length ? pending : pending.slice(0, count);
    this.pending = count === pending.length ? [] : pending.slice(count);
    this.flyingBytes = bytes;
    this.pendingBytes -= bytes;
    return this.flying;
  }

  /** @returns whether the rows are done and need not be sent again. */
  private async write(rows: readonly string[]): Promise<boolean> {
    const startMs = (this.lastStartMs = steadyNow());
    try {
      const written = await this.store.write(rows);
      this.counts.written += written;
      this.counts.duplicate += rows.length - written;
      this.rowsAtOnce = Math.min(this.options.batchRows, this.rowsAtOnce * 2);
      if (this.failure !== undefined) this.log.log('Spend log: PostgreSQL recovered; waiting calls are being written');
      this.failure = undefined;
      this.retryMs = 0;
      return true;
    } catch (error) {
      if (!this.store.isRejection(error)) this.failed(error);
      else if (rows.length > 1) this.rowsAtOnce = Math.ceil(rows.length / 2);
      else return this.rejected(error);
      return false;
    } finally {
      this.durations.add((steadyNow() - startMs) / 1_000);
    }
  }

  /** A row that the database rejects must not block the others. */
  private rejected(error: unknown): true {
    this.counts.rejected++;
    this.log.error(`Spend log: PostgreSQL rejected the row of a call (${errorMessage(error)}); the call is not logged`);
    return true;
  }

  private failed(error: unknown): void {
    const reason = errorMessage(error);
    if (this.failure === undefined) {
      const where = this.spill === undefined ? 'wait in memory' : `are written to ${this.options.spillFile}`;
      this.log.warn(`Spend log: cannot write calls (${reason}); until it recovers, they ${where}`);
    }
    this.failure = reason;
    this.retryMs = Math.min(LAST_RETRY_MS, Math.max(FIRST_RETRY_MS, this.retryMs * 2));
    // Random, so that processes do not all retry at once.
    this.retryAtMs = steadyNow() + this.retryMs * (0.5 + Math.random() / 2);
  }

  /** Moves all rows in memory to the file, those of a running statement included. */
  private async spillAll(): Promise<void> {
    const { spill, flying, pending } = this;
    if (spill === undefined || flying.length + pending.length === 0) return;
    const [flyingBytes, pendingBytes] = [this.flyingBytes, this.pendingBytes];
    this.flying = [];
    this.pending = [];
    this.flyingBytes = 0;
    this.pendingBytes = 0;
    const rows = [...flying, ...pending];
    let count = 0;
    this.moving += rows.length;
    try {
      count = await spill.append(rows);
    } catch (error) {
      this.diskFailed(error);
    }
    this.moving -= rows.length;
    if (count > 0) this.hasDiskFailed = false;
    if (count === rows.length) return;
    const kept = rows.slice(count);
    this.pending = [...kept, ...this.pending];
    this.pendingBytes += count === 0 ? flyingBytes + pendingBytes : kept.reduce((sum, row) => sum + row.length, 0);
  }

  private diskFailed(error: unknown): void {
    if (this.hasDiskFailed) return;
    this.hasDiskFailed = true;
    this.log.error(`Spend log: cannot use ${this.options.spillFile} (${errorMessage(error)}); calls wait in memory`);
  }

  private async adopt(): Promise<void> {
    const { spill } = this;
    if (spill === undefined || steadyNow() - this.adoptedMs < ADOPT_MS) return;
    this.adoptedMs = steadyNow();
    const count = await spill.adopt().catch((error: unknown) => {
      this.diskFailed(error);
      return 0;
    });
    if (count > 0) this.log.log(`Spend log: took over ${count} files of processes that no longer run`);
  }

  private reportDrops(): void {
    const { dropped } = this.counts;
    if (dropped === this.reportedDrops) return;
    this.log.error(
      `Spend log: dropped ${dropped - this.reportedDrops} calls, because spend.maxPendingBytes or spend.maxSpillBytes is reached`,
    );
    this.reportedDrops = dropped;
  }

  private async maintain(): Promise<void> {
    const { retentionMonths } = this.options;
    try {
      await this.store.createMonths();
      if (retentionMonths === undefined) return;
      const dropped = await this.store.dropBefore(monthsBefore(new Date(), retentionMonths));
      if (dropped.length > 0) this.log.log(`Spend log: retention dropped ${dropped.join(', ')}`);
    } catch (error) {
      // Writing a row creates its month if needed; retention is retried in a few hours.
      this.log.warn(`Spend log: cannot maintain partitions (${errorMessage(error)})`);
    }
  }
}

/**
 * Flattens a string. V8 represents a concatenation as a tree of its parts, which the garbage
 * collector would copy until the row is sent.
 */
function flat(text: string): string {
  text.charCodeAt(0);
  return text;
}
