import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { readStateFile, StateFile } from '../../common/state-file.js';
import type { TokenEstimates } from './token-estimates.js';

const EVERY_MS = 30_000;
const VERSION_FIELD = 'fastLiteLLMEstimates';
const VERSION = 1;
/** The file contains no content. */
const READ_BY_ALL = 0o666;

/** Dependencies of a file of estimates. */
interface EstimatesFileContext {
  /** Named in errors and in the log. */
  readonly option: string;
  readonly log: Pick<LogSink, 'warn'>;
}

/**
 * Keeps estimates in a file of JSON.
 * @throws InvalidConfigurationError for a file that cannot be read, or is another one
 */
export function openEstimatesFile(estimates: TokenEstimates, file: string, { option, log }: EstimatesFileContext): StateFile {
  const text = readStateFile(file, option);
  if (text !== undefined) estimates.restore(read(text, option));
  const parts = (): string[] => [JSON.stringify({ [VERSION_FIELD]: VERSION, models: estimates.keep() })];
  const onFailure = (reason: string): void =>
    log.warn(
      `Token counter: cannot write ${option} (${reason}); create its folder or make it writable, otherwise a restart loses the learned corrections`,
    );
  return new StateFile(estimates, { file, mode: READ_BY_ALL, everyMs: EVERY_MS, parts, onFailure });
}

function read(text: string, option: string): Readonly<Record<string, unknown>> {
  try {
    const kept = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    if (kept?.[VERSION_FIELD] !== VERSION || typeof kept.models !== 'object' || kept.models === null) throw new Error('unknown format');
    return kept.models as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new InvalidConfigurationError(option, `is not an estimates file (${errorMessage(error)}); remove it to start over`);
  }
}
