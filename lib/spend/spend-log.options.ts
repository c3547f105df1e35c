import { boolean, custom, instance, integer, required, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import { checkFunction, checkObject, joinPath } from '../common/options.js';
import type { LogSink } from '../common/log-sink.js';
import type { SpendStoreSource } from './spend-store.js';

const MIB = 1024 * 1024;

export const SPEND_LOG = {
  /** `postgresStore(…)`: the store of the API keys, or a separate one. */
  store: required(custom<SpendStoreSource>('`postgresStore(…)`', checkSource)),
  /**
   * Maximum time in ms that a call waits in memory before it is written. A killed process loses the
   * calls of this period. Default 1,000.
   */
  flushMs: integer({ min: 100, max: 60_000, default: 1_000 }),
  /**
   * Maximum number of calls per statement. As soon as this many wait, they are written without
   * waiting for `flushMs`. Default 1,000.
   */
  batchRows: integer({ min: 1, max: 10_000, default: 1_000 }),
  /**
   * Maximum memory for waiting calls, in bytes. Further calls are dropped and counted. Default
   * 33,554,432.
   */
  maxPendingBytes: integer({ min: 64 * 1024, max: 1024 * MIB, default: 32 * MIB }),
  /**
   * Path of the file for calls while the database is unavailable; each process appends its host
   * name and process id. Only the process's user can read it. Default: none; calls wait in memory.
   */
  spillFile: string(),
  /** Maximum size of one process's files, in bytes. Default 1,073,741,824. */
  maxSpillBytes: integer({ min: 64 * 1024, default: 1024 * MIB }),
  /** Stores requests and answers, after hooks have changed them. Default `false`. */
  bodies: boolean({ default: false }),
  /**
   * Maximum number of characters to store of a request or answer; longer ones are truncated.
   * Default 65,536.
   */
  maxBodyBytes: integer({ min: 256, max: 16 * MIB, default: 65_536 }),
  /**
   * Number of months to keep calls, in addition to the current month. Daily sums are always kept.
   * Default: forever.
   */
  retentionMonths: integer({ min: 1, max: 1_200 }),
  /** Maximum time in ms that a shutdown waits for the database. Default 5,000. */
  closeTimeoutMs: integer({ min: 0, max: 60_000, default: 5_000 }),
  /** Receives log lines about failures. Default: the logger of `FastLiteLLMModule`. */
  logger: instance<LogSink>('`{ log, warn, error }`', ['log', 'warn', 'error']),
};

/** Options of `FastLiteLLMSpendModule`. */
export interface SpendLogOptions extends OptionsOf<typeof SPEND_LOG> {}

export type ResolvedSpendLogOptions = Resolved<typeof SPEND_LOG>;

/** @throws InvalidConfigurationError naming the option. */
export function resolveSpendLogOptions(options: SpendLogOptions): ResolvedSpendLogOptions {
  return resolveOptions(SPEND_LOG, 'spend', options);
}

function checkSource(path: string, value: unknown): SpendStoreSource {
  const { spend, close } = checkObject(path, value);
  const store = checkObject(joinPath(path, 'spend'), spend);
  checkFunction(joinPath(path, 'spend.write'), store.write);
  checkFunction(joinPath(path, 'close'), close);
  return value as SpendStoreSource;
}
