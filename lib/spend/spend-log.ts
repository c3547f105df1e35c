import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { counted } from '../common/plural.js';
import type { CallRecord } from '../common/call-record.js';
import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { steadyNow } from '../common/clock.js';
import { errorMessage } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { SpillFiles, type SpilledLines } from '../common/spill-files.js';
import { callRow, rowHead, type BodySettings } from './call-row.js';
import { FlushDurations } from './flush-durations.js';
import { RowBatch } from './row-batch.js';
import type { ResolvedSpendLogOptions } from './spend-log.options.js';
import { monthsBefore } from './months.js';
import type { SpendStore } from './spend-store.js';

/** Minimum interval between two statements of one process. */
const LEAST_MS = 100;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
/** After this time, a statement counts as unanswered. */
const SLOW_MS = 1_000;
/** Maximum bytes per statement. PostgreSQL accepts 1 GB, at the cost of its memory. */
const BATCH_BYTES = 8 * 1024 * 1024;
/** Interval of looking for files of processes that no longer run. */
const TEND_MS = 30_000;
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
  private readonly rowHead = rowHead(this.processId);
  private readonly bodies: BodySettings | undefined;
  private readonly spill: SpillFiles | undefined;
  /** Batches of up to `batchRows` rows, oldest first. */
  private pending: RowBatch[] = [];
  private pendingBytes = 0;
  /** The batch of the running statement, unless its rows are in a file. */
  private flying: RowBatch | undefined = undefined;
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
  private maintenance: NodeJS.Timeout | undefined = undefined;
  private isClosing = false;
  private failure: string | undefined = undefined;
  private hasDiskFailed = false;
  private readonly counts = { written: 0, duplicate: 0, rejected: 0, dropped: 0 };
  private reportedDrops = 0;
  private hasReportedFault = false;
  private readonly durations = new FlushDurations();

  constructor(
    private readonly options: ResolvedSpendLogOptions,
    private readonly log: LogSink,
    private readonly nowMs: () => number = Date.now,
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
    const row = callRow(call, this.rowHead, this.bodies);
    const { flushMs, maxPendingBytes } = this.options;
    if (this.pendingBytes + row.length > maxPendingBytes) {
      this.counts.dropped++;
      return;
    }
    const { pending } = this;
    let batch = pending.at(-1);
    const isFirst = batch === undefined;
    if (batch === undefined || this.isFull(batch)) pending.push((batch = new RowBatch()));
    this.pendingBytes += batch.add(row);
    if (this.retryMs > 0) return;
    if (this.isFull(batch)) this.wakeIn(0);
    // A timer may be set for later, to look for files.
    else if (isFirst) this.wakeIn(flushMs);
  }

  /** Number of rows not yet in the database. */
  get backlog(): number {
    return this.pendingRows + this.moving + (this.spill?.lines ?? 0);
  }

  /** Rows in memory. */
  private get pendingRows(): number {
    return this.pending.reduce((sum, { count }) => sum + count, this.flying?.count ?? 0);
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
    const lost = this.pendingRows;
    if (lost > 0)
      this.log.error(`Spend log: lost ${counted(lost, 'call')} at shutdown (${this.failure ?? 'spend.closeTimeoutMs has elapsed'})`);
    else if (this.backlog > 0)
      this.log.warn(
        `Spend log: left ${counted(this.backlog, 'call')} in ${this.options.spillFile} (${this.failure ?? 'spend.closeTimeoutMs has elapsed'}); the next process writes them to PostgreSQL`,
      );
    await this.spill?.close();
  }

  health(): CapabilityHealth {
    const { failure, backlog } = this;
    const { dropped, rejected } = this.counts;
    const lost = dropped + rejected;
    const reason = failure ?? (lost > 0 ? `${lost} calls were lost since the start` : this.store.fault?.());
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
    else if (this.spill?.isEmpty === false || this.pendingRows >= Math.min(batchRows, this.rowsAtOnce)) this.wakeIn(0);
    else if (this.pending.length > 0) this.wakeIn(flushMs);
    else if (this.spill !== undefined) this.wakeIn(TEND_MS);
  }

  /** Runs at most one statement. Never rejects. */
  private async step(): Promise<void> {
    this.reportDrops();
    try {
      await this.tend();
      if (this.retryMs > 0 && steadyNow() < this.retryAtMs && !this.isClosing) {
        await this.spillAll();
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

  private async writeSpilled(spilled: SpilledLines): Promise<void> {
    const { lines } = spilled;
    if (lines.length > 0 && !(await this.write(lines, lines.length))) return;
    const damaged = await spilled.done();
    if (damaged === 0) return;
    this.counts.dropped += damaged;
    this.reportedDrops += damaged;
    this.log.error(
      `Spend log: lost ${counted(damaged, 'call')} (damaged lines in the files of ${this.options.spillFile}; a process was killed while it wrote them)`,
    );
  }

  private async writePending(): Promise<void> {
    const batch = this.takeBatch();
    this.flying = batch;
    // Bounds the loss to a second if the process is killed while the statement hangs.
    const slow = setInterval(() => void this.spillAll(), SLOW_MS).unref();
    const isWritten = await this.write(batch.json(), batch.count).finally(() => clearInterval(slow));
    if (isWritten) {
      if (this.flying !== undefined) this.pendingBytes -= batch.size;
      batch.recycle();
    } else if (this.flying !== undefined) this.pending.unshift(batch);
    this.flying = undefined;
    if (!isWritten && this.retryMs > 0) await this.spillAll();
  }

  /** Takes the oldest batch, or its first rows if it is too large. */
  private takeBatch(): RowBatch {
    const { pending, rowsAtOnce } = this;
    const batch = pending.shift() as RowBatch;
    if (batch.count <= rowsAtOnce) return batch;
    const rows = batch.rows();
    const parts = [rows.slice(0, rowsAtOnce), rows.slice(rowsAtOnce)].map((part) => RowBatch.of(part));
    this.pendingBytes += parts[0].size + parts[1].size - batch.size;
    pending.unshift(parts[1]);
    return parts[0];
  }

  /** @returns whether the rows are done and need not be sent again. */
  private async write(rows: Buffer | readonly string[], count: number): Promise<boolean> {
    const startMs = (this.lastStartMs = steadyNow());
    try {
      const written = await this.store.write(rows);
      this.counts.written += written;
      this.counts.duplicate += count - written;
      this.rowsAtOnce = Math.min(this.options.batchRows, this.rowsAtOnce * 2);
      if (this.failure !== undefined) this.log.log('Spend log: PostgreSQL recovered; writing the waiting calls');
      this.failure = undefined;
      this.retryMs = 0;
      this.reportFault();
      return true;
    } catch (error) {
      if (!this.store.isRejection(error)) this.failed(error);
      else if (count > 1) this.rowsAtOnce = Math.ceil(count / 2);
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
      const where = this.spill === undefined ? 'wait in memory' : `wait in ${this.options.spillFile}`;
      this.log.warn(`Spend log: cannot write calls (${reason}); until PostgreSQL recovers, calls ${where}`);
    }
    this.failure = reason;
    this.retryMs = Math.min(LAST_RETRY_MS, Math.max(FIRST_RETRY_MS, this.retryMs * 2));
    // Random, so that processes do not all retry at once.
    this.retryAtMs = steadyNow() + this.retryMs * (0.5 + Math.random() / 2);
  }

  /** Moves all rows in memory to the file, those of a running statement included. */
  private async spillAll(): Promise<void> {
    const { spill, flying, pending } = this;
    if (spill === undefined || (flying === undefined && pending.length === 0)) return;
    const batches = flying === undefined ? pending : [flying, ...pending];
    const rows = batches.flatMap((batch) => batch.rows());
    this.flying = undefined;
    this.pending = [];
    this.pendingBytes = 0;
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
    const kept = this.batchesOf(rows.slice(count));
    this.pending.unshift(...kept);
    for (const { size } of kept) this.pendingBytes += size;
  }

  private batchesOf(rows: readonly string[]): RowBatch[] {
    const batches: RowBatch[] = [];
    for (const row of rows) {
      const last = batches.at(-1);
      if (last === undefined || this.isFull(last)) batches.push(RowBatch.of([row]));
      else last.add(row);
    }
    return batches;
  }

  private isFull({ count, size }: RowBatch): boolean {
    return count >= this.options.batchRows || size >= BATCH_BYTES;
  }

  private diskFailed(error: unknown): void {
    if (this.hasDiskFailed) return;
    this.hasDiskFailed = true;
    this.log.error(
      `Spend log: cannot use ${this.options.spillFile} (${errorMessage(error)}); until the file is usable, calls wait in memory`,
    );
  }

  private async tend(): Promise<void> {
    const count = await this.spill?.tend().catch((error: unknown) => {
      this.diskFailed(error);
      return 0;
    });
    if (count !== undefined && count > 0) this.log.log(`Spend log: took over ${counted(count, 'spill file')} of processes that have ended`);
  }

  private reportFault(): void {
    const fault = this.store.fault?.();
    if (fault !== undefined && !this.hasReportedFault) this.log.error(`Spend log: ${fault}`);
    this.hasReportedFault = fault !== undefined;
  }

  private reportDrops(): void {
    const { dropped } = this.counts;
    if (dropped === this.reportedDrops) return;
    this.log.error(
      `Spend log: dropped ${counted(dropped - this.reportedDrops, 'call')} (spend.maxPendingBytes or spend.maxSpillBytes is reached); restore PostgreSQL, or raise the limit`,
    );
    this.reportedDrops = dropped;
  }

  private async maintain(): Promise<void> {
    const { retentionMonths } = this.options;
    try {
      const now = new Date(this.nowMs());
      await this.store.createMonths(now);
      if (retentionMonths === undefined) return;
      const dropped = await this.store.dropBefore(monthsBefore(now, retentionMonths));
      if (dropped.length > 0) this.log.log(`Spend log: dropped ${dropped.join(', ')} (spend.retentionMonths)`);
    } catch (error) {
      // Writing a row creates its month if needed; retention is retried in a few hours.
      this.log.warn(
        `Spend log: cannot create or drop monthly partitions (${errorMessage(error)}); retrying in ${MAINTENANCE_MS / 3_600_000} hours`,
      );
    }
  }
}
