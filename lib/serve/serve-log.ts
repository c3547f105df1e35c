import type { LoggerService } from '@nestjs/common';
import type { LogSink } from '../common/log-sink.js';
import { visibleText } from '../common/visible-text.js';
import { LOG_LEVELS, type ServeLogLevel } from './serve.settings.js';

/** Nest's names of the levels. */
const SHOWN_AS = { error: 'ERROR', warn: 'WARN', info: 'INFO', debug: 'DEBUG' } as const;

type Level = keyof typeof SHOWN_AS;

/**
 * Writes log lines: time, level and message, or JSON. Until `release`, warnings are kept, because
 * the first screen shows them in its own words; with `detailed` every line is written at once.
 */
export class ServeLog implements LogSink, LoggerService {
  private kept: string[] | null = [];
  private isSilent = false;
  private readonly most: number;

  constructor(
    private readonly out: Pick<NodeJS.WritableStream, 'write'>,
    private readonly level: ServeLogLevel,
    private readonly isJson: boolean,
    /** Shown before each message. */
    private readonly worker?: string,
  ) {
    this.most = LOG_LEVELS.indexOf(level);
  }

  /** Whether everything is logged. */
  get isDetailed(): boolean {
    return this.level === 'detailed';
  }

  log(message: unknown, ...context: unknown[]): void {
    this.take('info', message, context);
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.take('warn', message, context);
  }

  /** Nest passes the stack after the message. */
  error(message: unknown, ...context: unknown[]): void {
    this.take('error', message, context);
  }

  debug(message: unknown, ...context: unknown[]): void {
    this.take('debug', message, context);
  }

  verbose(message: unknown, ...context: unknown[]): void {
    this.take('debug', message, context);
  }

  /** Writes all later lines. Returns the warnings and errors until then. */
  release(): readonly string[] {
    const { kept } = this;
    this.kept = null;
    return kept ?? [];
  }

  /** Writes no more lines: the start has failed. Returns the warnings and errors until then. */
  silence(): readonly string[] {
    this.isSilent = true;
    return this.release();
  }

  private take(level: Level, given: unknown, context: readonly unknown[]): void {
    const message = given instanceof Error ? (given.stack ?? given.message) : String(given);
    const stack = level === 'error' && typeof context[0] === 'string' && context[0].includes('\n    at ') ? `\n${context[0]}` : '';
    if (this.kept !== null && (level === 'warn' || level === 'error')) this.kept.push(message + stack);
    if (this.isSilent || (this.kept !== null && !this.isDetailed)) return;
    if (LOG_LEVELS.indexOf(level) > this.most) return;
    this.write(SHOWN_AS[level], message + stack);
  }

  private write(level: string, message: string): void {
    const { worker } = this;
    const timestamp = new Date().toISOString();
    if (this.isJson) this.out.write(`${JSON.stringify({ timestamp, level, ...(worker !== undefined && { worker }), message })}\n`);
    else this.out.write(`${timestamp} ${level.padEnd(5)} ${worker === undefined ? '' : `[${worker}] `}${visibleLines(message)}\n`);
  }
}

/** Names of models cannot send commands to the terminal. Lines of a list and of a stack stay. */
function visibleLines(message: string): string {
  return message.split('\n').map(visibleText).join('\n');
}
