import { setImmediate } from 'node:timers/promises';
import type { OnApplicationShutdown } from '@nestjs/common';
import { counted } from '../../common/plural.js';
import { appendToFile } from '../../common/append-file.js';
import { defaultLog, type LogSink } from '../../common/log-sink.js';
import { instance, integer, required, resolveOptions, string, type OptionsOf } from '../../common/option.js';
import { OWNER_ONLY } from '../../common/replace-file.js';
import { errorCodeOf } from '../failure.js';
import { CallHook, type CallEnd, type HookedCall, type ModelCallHook } from './call-hook.js';

export const CALL_JOURNAL = {
  /** Path of the file. If it does not exist, it is created readable only by the process's user. */
  file: required(string()),
  /**
   * Maximum number of lines waiting for the disk; further ones are counted and dropped. Default
   * 10,000.
   */
  maxPending: integer({ min: 1, default: 10_000 }),
  /** Receives the log lines about failures. Default: Nest's logger. */
  logger: instance<LogSink>('`{ log, warn, error }`', ['log', 'warn', 'error']),
};

/** Options of `CallJournal`. */
export interface CallJournalOptions extends OptionsOf<typeof CALL_JOURNAL> {}

/** Characters of one write, which the operating system appends in one piece. */
const LONGEST_WRITE = 64 * 1024;
const RETRY_MS = 1000;

/**
 * A journal of calls: one line of JSON per call, with model, outcome, tokens, cost and durations,
 * but without content. Several processes can append to one file, and log rotation can move it at
 * any time.
 *
 * @example
 * { provide: CallJournal, useFactory: () => new CallJournal({ file: '/var/log/calls.jsonl' }) }
 *
 */
@CallHook()
export class CallJournal implements ModelCallHook, OnApplicationShutdown {
  private readonly file: string;
  private readonly maxPending: number;
  private readonly log: LogSink;
  private pending: string[] = [];
  private dropped = 0;
  private writing: Promise<void> | undefined = undefined;
  /** Whether the disk is given time after a failure. */
  private isWaiting = false;
  /** Whether the last write failed: it may have left half a line. */
  private hasFailed = false;

  /** @throws InvalidConfigurationError naming the option. */
  constructor(options: CallJournalOptions) {
    const { file, maxPending, logger } = resolveOptions(CALL_JOURNAL, 'CallJournal', options);
    this.file = file;
    this.maxPending = maxPending;
    this.log = logger ?? defaultLog();
  }

  onEnd(call: HookedCall, end: CallEnd): void {
    if (this.pending.length >= this.maxPending) this.dropped++;
    else this.pending.push(lineOf(call, end));
    if (!this.isWaiting) this.writing ??= this.write();
  }

  /** Writes all pending lines. If the disk fails, gives up and logs how many lines are lost. */
  async close(): Promise<void> {
    await this.writing;
    while (this.pending.length > 0) if (!(await this.writeBatch())) break;
    const lost = this.pending.length + this.dropped;
    if (lost > 0) this.log.error(`Call journal: lost ${counted(lost, 'line')} at shutdown (cannot write ${this.file})`);
    this.pending = [];
    this.dropped = 0;
  }

  /** Called by Nest: the same as `close`. */
  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  private async write(): Promise<void> {
    // Calls that end in the same turn of the event loop are written together.
    await setImmediate();
    let isWritten = true;
    while (isWritten && this.pending.length > 0) isWritten = await this.writeBatch();
    this.writing = undefined;
    if (!isWritten) this.retryLater();
  }

  private retryLater(): void {
    this.isWaiting = true;
    setTimeout(() => {
      this.isWaiting = false;
      if (this.pending.length > 0) this.writing ??= this.write();
    }, RETRY_MS).unref();
  }

  private async writeBatch(): Promise<boolean> {
    const { pending, dropped } = this;
    let [lines, text] = [0, this.hasFailed ? '\n' : ''];
    while (lines < pending.length && (lines === 0 || text.length + pending[lines].length < LONGEST_WRITE)) text += pending[lines++];
    if (dropped > 0) text += `${JSON.stringify({ time: new Date().toISOString(), dropped })}\n`;
    try {
      await appendToFile(this.file, text, OWNER_ONLY);
    } catch (error) {
      if (!this.hasFailed)
        this.log.error(`Call journal: cannot write ${this.file} (${String((error as NodeJS.ErrnoException).code)}); retrying`);
      this.hasFailed = true;
      return false;
    }
    this.hasFailed = false;
    this.dropped -= dropped;
    this.pending.splice(0, lines);
    return true;
  }
}

function lineOf({ id, operation, model, stream, startedAt, principal }: HookedCall, { error, ...end }: CallEnd): string {
  const { keyId, user, team } = principal ?? {};
  const caller = { keyId, user, team };
  const errorCode = errorCodeOf(error);
  return `${JSON.stringify({ time: startedAt.toISOString(), id, operation, model, stream, ...caller, ...end, ...(error !== undefined && { errorCode }) })}\n`;
}
