import { readFileSync } from 'node:fs';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { replaceFile } from '../../common/replace-file.js';
import type { TokenEstimates } from './token-estimates.js';

const EVERY_MS = 30_000;
const VERSION_FIELD = 'fastLiteLLMEstimates';
const VERSION = 1;
/** There is no content in it. */
const READ_BY_ALL = 0o666;

/** Keeps estimates in a file. Written beside it and renamed, so that it is whole. */
export class EstimatesFile {
  /** Why the last write failed. */
  failure: string | undefined = undefined;
  private readonly timer: NodeJS.Timeout;
  private writing: Promise<void> | undefined = undefined;

  /** @throws InvalidConfigurationError for a file that cannot be read, or is another one */
  constructor(
    private readonly estimates: TokenEstimates,
    private readonly file: string,
    option: string,
  ) {
    estimates.restore(read(file, option));
    this.timer = setInterval(() => void this.save(), EVERY_MS);
    this.timer.unref();
  }

  /** Writes what has changed. Never rejects: the next write tries again. */
  save(): Promise<void> {
    if (this.writing !== undefined || !this.estimates.isDirty) return this.writing ?? Promise.resolve();
    const text = JSON.stringify({ [VERSION_FIELD]: VERSION, models: this.estimates.keep() });
    this.writing = replaceFile(this.file, READ_BY_ALL, (draft) => draft.writeFile(text))
      .then(
        () => (this.failure = undefined),
        (error: unknown) => {
          this.failure = errorMessage(error);
          this.estimates.isDirty = true;
        },
      )
      .then(() => (this.writing = undefined));
    return this.writing;
  }

  /** Writes a last time. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
    await this.save();
  }
}

function read(file: string, option: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new InvalidConfigurationError(option, `cannot be read: ${errorMessage(error)}`, { cause: error });
  }
  try {
    const kept = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    if (kept?.[VERSION_FIELD] !== VERSION || typeof kept.models !== 'object' || kept.models === null)
      throw new Error('it has another format');
    return kept.models as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new InvalidConfigurationError(option, `is no file of estimates (${errorMessage(error)}); remove it to start anew`);
  }
}
