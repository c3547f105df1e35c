import type * as Nest from '@nestjs/common';

/** Receives the package's log lines: Nest's `Logger`, `console` or pino. */
export interface LogSink {
  /** Logs an informational line. */
  log(message: string): void;
  /** Logs a problem that the package handles. */
  warn(message: string): void;
  /** Logs a failure. */
  error(message: string): void;
}

const SILENT: LogSink = { log() {}, warn() {}, error() {} };

/** The logger of an option: `false` is silent, without one it is the default. */
export function logOf(logger: LogSink | false | undefined): LogSink {
  return logger === false ? SILENT : (logger ?? defaultLog());
}

/**
 * Nest's logger, or the console if Nest is not installed. Loaded with the first line: with another
 * logger Nest is not needed.
 */
export function defaultLog(): LogSink {
  let sink: LogSink | undefined;
  const open = (): LogSink => (sink ??= openLog());
  return {
    log: (message) => open().log(message),
    warn: (message) => open().warn(message),
    error: (message) => open().error(message),
  };
}

function openLog(): LogSink {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded on first use
    const { Logger } = require('@nestjs/common') as typeof Nest;
    return new Logger('FastLiteLLM');
  } catch {
    return console;
  }
}
