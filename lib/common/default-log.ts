import type * as Nest from '@nestjs/common';
import type { LogSink } from './log-sink.js';

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
