import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { counted } from '../../common/plural.js';
import type { LogSink } from '../../common/log-sink.js';
import { SpillFiles, type SpilledLines } from '../../common/spill-files.js';
import { deliveryErrorOf, type CallbackSink, type DeliveryError } from '../delivery.js';
import { omitTexts } from '../omit-texts.js';

/** Limits of a spool. */
export interface SpoolSettings {
  readonly maxPending: number;
  readonly maxPendingChars: number;
  /** Folder for payloads while the sink is unavailable. `undefined`: they stay in memory. */
  readonly folder: string | undefined;
  readonly maxSpilledBytes: number;
  /** Whether an option of the app can set `folder`. */
  readonly canHaveFolder: boolean;
  readonly timeoutMs: number;
}

/** Outcomes of a sink's payloads. */
export interface SpoolCounts {
  delivered: number;
  /** Discarded because the spool was full or the process ended. */
  dropped: number;
  /** Rejected by the sink. */
  rejected: number;
}

/** Maximum characters per request: most sinks accept 4 MB. */
const REQUEST_CHARS = 3_500_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
const TEND_MS = 10_000;
/** How long health reports a loss. */
const REMEMBERED_MS = 5 * 60_000;

/**
 * Payloads of one sink, from the end of the call until delivery.
 *
 *     add ─▶ memory ─▶ requests of up to `batchSize`
 *              │ sink unavailable         ▲
 *              └──────────▶ files ────────┘ first, once it is back
 *
 * After an error, the spool retries in 1 s, then with growing delays up to a minute. It splits a
 * request that is too large, or contains a payload that the sink rejects, into halves. Lost
 * payloads are counted, logged and reported in health.
 */
export class Spool {
  readonly counts: SpoolCounts = { delivered: 0, dropped: 0, rejected: 0 };
  private memory: string[] = [];
  private memoryChars = 0;
  private readonly files: SpillFiles | undefined;
  private readonly tending: NodeJS.Timeout | undefined = undefined;
  private working: Promise<void> | undefined = undefined;
  private timer: NodeJS.Timeout | undefined = undefined;
  /** Why the sink is unavailable. */
  private fault: string | undefined = undefined;
  private retryMs = FIRST_RETRY_MS;
  private retryAtMs = 0;
  private lostAtMs = -Infinity;
  /** Why the folder is not writable. */
  private folderFault: string | undefined = undefined;
  private isClosing = false;
  private isClosed = false;
  private readonly stop = new AbortController();

  constructor(
    readonly sink: CallbackSink,
    private readonly settings: SpoolSettings,
    private readonly log: LogSink,
  ) {
    const { folder, maxSpilledBytes } = settings;
    if (folder === undefined) return;
    this.files = new SpillFiles(join(folder, fileNameOf(sink.name)), maxSpilledBytes);
    this.tending = setInterval(() => this.tend(), TEND_MS).unref();
    this.tend();
  }

  /** Payloads in memory. */
  get pending(): number {
    return this.memory.length;
  }

  get spilledBytes(): number {
    return this.files?.bytes ?? 0;
  }

  /** Returns the problem that health reports. */
  get problem(): string | undefined {
    if (this.fault !== undefined) return `the sink is unavailable (${this.fault})`;
    if (this.folderFault !== undefined) return `callbacks.spillFolder is not writable (${this.folderFault})`;
    return performance.now() - this.lostAtMs < REMEMBERED_MS ? 'payloads were lost' : undefined;
  }

  /** Adds a payload, one line of JSON. Never throws, never waits. */
  add(payload: string): void {
    const { maxPending, maxPendingChars } = this.settings;
    if (this.isClosed || this.memory.length >= maxPending || this.memoryChars + payload.length > maxPendingChars) {
      this.lose(1, 'dropped', this.isClosed ? 'the app has shut down' : 'callbacks.maxPending is reached');
      return;
    }
    this.memory.push(payload);
    this.memoryChars += payload.length;
    if (this.memory.length >= this.sink.batchSize && this.fault === undefined) this.wake();
    else this.timer ??= setTimeout(() => this.wake(), this.waitMs()).unref();
  }

  /**
   * Sends the remaining payloads, for at most `limitMs`. The rest stays in files for the next
   * process, or is lost without a folder.
   */
  async close(limitMs: number): Promise<void> {
    this.isClosing = true;
    const limit = setTimeout(() => this.stop.abort(), limitMs);
    await this.working;
    this.retryAtMs = 0;
    this.wake();
    await this.working;
    clearTimeout(limit);
    clearTimeout(this.timer);
    clearInterval(this.tending);
    this.isClosed = true;
    await this.spill();
    await this.files?.close();
    if (this.memory.length > 0) this.lose(this.memory.length, 'dropped', 'the app has shut down');
    this.memory = [];
    this.memoryChars = 0;
  }

  /** Sleeps until a batch is full, a retry is due, or payloads must be written to files. */
  private waitMs(): number {
    const { flushMs } = this.sink;
    if (this.fault === undefined) return flushMs;
    const retryMs = Math.max(0, this.retryAtMs - performance.now());
    return this.files === undefined || this.memory.length === 0 ? retryMs : Math.min(flushMs, retryMs);
  }

  private wake(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.isClosed) return;
    this.working ??= this.work().finally(() => {
      this.working = undefined;
      const hasMore = this.memory.length > 0 || this.fault !== undefined || this.files?.isEmpty === false;
      if (hasMore && !this.isClosing) this.timer ??= setTimeout(() => this.wake(), this.waitMs()).unref();
    });
  }

  private async work(): Promise<void> {
    while (performance.now() >= this.retryAtMs && !this.stop.signal.aborted) {
      const spilled = await this.spilled();
      const lines = spilled?.lines ?? firstOf(this.memory, this.sink.batchSize, REQUEST_CHARS);
      if (lines.length === 0 && spilled === undefined) return;
      if (spilled === undefined) this.take(lines);
      const unsent = await this.send(lines);
      if (spilled === undefined) this.putBack(unsent);
      else await this.sent(spilled, lines.length - unsent.length);
      if (unsent.length > 0) break;
    }
    if (this.fault !== undefined) await this.spill();
  }

  private async spilled(): Promise<SpilledLines | undefined> {
    if (this.files === undefined || this.files.isEmpty) return undefined;
    try {
      return await this.files.next(this.sink.batchSize, REQUEST_CHARS);
    } catch (error) {
      this.folderFailed(error);
      return undefined;
    }
  }

  private async sent(spilled: SpilledLines, count: number): Promise<void> {
    const damaged = await spilled.done(count);
    if (damaged > 0) this.lose(damaged, 'dropped', 'the spill file is damaged');
  }

  /** Returns the payloads to retry later. */
  private async send(lines: readonly string[]): Promise<readonly string[]> {
    const parts = lines.length === 0 ? [] : [lines];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      try {
        await this.sink.send(part, AbortSignal.any([this.stop.signal, AbortSignal.timeout(this.settings.timeoutMs)]));
        this.counts.delivered += part.length;
        this.isBack();
      } catch (thrown) {
        const error = deliveryErrorOf(thrown);
        if (error.fault === 'away') {
          this.isAway(error);
          return [part, ...parts.reverse()].flat();
        }
        // The sink responded.
        this.isBack();
        const shorter = part.length === 1 && error.fault === 'too_large' ? omitTexts(part[0]) : undefined;
        if (part.length > 1) parts.push(part.slice(part.length >> 1), part.slice(0, part.length >> 1));
        else if (shorter !== undefined) parts.push([shorter]);
        else this.lose(1, 'rejected', error.message);
      }
    }
    return [];
  }

  private isAway({ message, retryAfterMs }: DeliveryError): void {
    const cause = this.stop.signal.aborted ? 'the app is shutting down' : message;
    this.retryAtMs = performance.now() + (retryAfterMs ?? this.retryMs * (0.5 + Math.random() / 2));
    this.retryMs = Math.min(LAST_RETRY_MS, this.retryMs * 2);
    if (this.fault === undefined && !this.isClosing) {
      const inMemory = this.settings.canHaveFolder ? 'in memory; set callbacks.spillFolder to keep more' : 'in memory';
      const kept = this.files === undefined ? inMemory : 'in callbacks.spillFolder';
      this.log.error(`Callbacks: ${this.sink.name} is unavailable (${cause}); payloads are kept ${kept}`);
    }
    this.fault = cause;
  }

  private isBack(): void {
    if (this.fault !== undefined) this.log.log(`Callbacks: ${this.sink.name} recovered`);
    this.fault = undefined;
    this.retryMs = FIRST_RETRY_MS;
    this.retryAtMs = 0;
  }

  /** Moves the payloads from memory to the files. */
  private async spill(): Promise<void> {
    const { files } = this;
    if (files === undefined || this.memory.length === 0) return;
    const lines = this.memory;
    this.take(lines);
    try {
      const count = await files.append(lines);
      this.folderFault = undefined;
      if (count === lines.length) return;
      this.lose(lines.length - count, 'dropped', 'callbacks.maxSpillMb is reached');
    } catch (error) {
      this.folderFailed(error);
      this.putBack(lines);
    }
  }

  /** Keeps the files of this process, and takes over those of processes that no longer run. */
  private tend(): void {
    this.files?.tend().then(
      (count) => count > 0 && this.wake(),
      (error: unknown) => this.folderFailed(error),
    );
  }

  private folderFailed(error: unknown): void {
    const reason = String((error as NodeJS.ErrnoException).code ?? 'unknown error');
    if (this.folderFault === undefined)
      this.log.error(
        `Callbacks: cannot write to ${this.settings.folder} (${reason}); until the folder is writable, payloads for ${this.sink.name} stay in memory`,
      );
    this.folderFault = reason;
  }

  /** Removes the first payloads from memory. */
  private take(lines: readonly string[]): void {
    this.memory = this.memory.slice(lines.length);
    for (const { length } of lines) this.memoryChars -= length;
  }

  private putBack(lines: readonly string[]): void {
    if (lines.length === 0) return;
    this.memory = [...lines, ...this.memory];
    for (const { length } of lines) this.memoryChars += length;
  }

  private lose(count: number, how: 'dropped' | 'rejected', reason: string): void {
    this.counts[how] += count;
    const now = performance.now();
    // Only one log line per outage, regardless of the number of lost payloads.
    const payloads = counted(count, 'payload');
    const event = how === 'rejected' ? `${this.sink.name} rejected ${payloads}` : `dropped ${payloads} for ${this.sink.name}`;
    if (now - this.lostAtMs >= REMEMBERED_MS) this.log.error(`Callbacks: ${event} (${reason})`);
    this.lostAtMs = now;
  }
}

function fileNameOf(sink: string): string {
  return /^[\w-]{1,64}$/.test(sink) ? sink : createHash('sha256').update(sink).digest('hex').slice(0, 16);
}

/** Returns the first lines within both bounds, at least one. */
function firstOf(lines: readonly string[], maxLines: number, maxChars: number): readonly string[] {
  let [count, chars] = [0, 0];
  while (count < lines.length && count < maxLines && (count === 0 || chars + lines[count].length <= maxChars))
    chars += lines[count++].length;
  return lines.slice(0, count);
}
