import { boolean, custom, instance, integer, required, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import { checkFunction, checkObject, joinPath } from '../common/options.js';
import type { LogSink } from '../common/log-sink.js';
import type { SpendStoreSource } from './spend-store.js';

const MIB = 1024 * 1024;

export const SPEND_LOG = {
  /** `postgresStore(…)`, the same one that keeps the keys or one of its own. */
  store: required(custom<SpendStoreSource>('`postgresStore(…)`', checkSource)),
  /**
   * Longest time in ms that a call waits in memory before it is written. A process that is killed
   * loses the calls of this time. Default 1,000.
   */
  flushMs: integer({ min: 100, max: 60_000, default: 1_000 }),
  /**
   * Most calls of one statement; with as many waiting, the next one is sent early. Default 1,000.
   */
  batchRows: integer({ min: 1, max: 10_000, default: 1_000 }),
  /**
   * Memory for calls that wait, in bytes. Further calls are dropped and counted. Default
   * 33,554,432.
   */
  maxPendingBytes: integer({ min: 64 * 1024, max: 1024 * MIB, default: 32 * MIB }),
  /**
   * Path of the file for calls while the database is away: each process appends its name and
   * process id. Readable by the process's user only. Default: none; calls wait in memory.
   */
  spillFile: string(),
  /** Most bytes of the files of one process. Default 1,073,741,824. */
  maxSpillBytes: integer({ min: 64 * 1024, default: 1024 * MIB }),
  /** Whether requests and answers are kept, as hooks have left them. Default `false`. */
  bodies: boolean({ default: false }),
  /** Most characters of a request or an answer; of a larger one, the beginning. Default 65,536. */
  maxBodyBytes: integer({ min: 256, max: 16 * MIB, default: 65_536 }),
  /** Months that calls are kept, besides the current one. Daily sums stay. Default: for ever. */
  retentionMonths: integer({ min: 1, max: 1_200 }),
  /** Longest time in ms that a shutdown waits for the database. Default 5,000. */
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
