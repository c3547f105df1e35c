import { accessSync, constants, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorMessage, InvalidConfigurationError } from './errors.js';
import { readRegularFileSync } from './regular-file.js';
import { replaceFile } from './replace-file.js';

/** A state in memory that is kept in a file. */
export interface KeptState {
  /** Whether something has changed since the last write began. */
  isDirty: boolean;
}

/** How a state is kept. */
export interface StateFileSettings {
  readonly file: string;
  /** Who may read and write it. */
  readonly mode: number;
  readonly everyMs: number;
  /** Makes the content, each part in a turn of the event loop of its own. */
  readonly parts: () => Iterable<string>;
  /** Receives why the file cannot be written, at the start or later, once until a write works. */
  readonly onFailure: (reason: string) => void;
}

/** Keeps a state in a file, which is replaced as a whole. */
export class StateFile {
  /** Why the file cannot be written. */
  failure: string | undefined = undefined;
  private readonly timer: NodeJS.Timeout;
  private writing: Promise<void> | undefined = undefined;

  constructor(
    private readonly state: KeptState,
    private readonly settings: StateFileSettings,
  ) {
    this.timer = setInterval(() => void this.save(), settings.everyMs);
    this.timer.unref();
    try {
      accessSync(folderOf(settings.file), constants.W_OK);
    } catch (error) {
      this.failed(error);
    }
  }

  /** Writes the changes. Never rejects; the next write retries. */
  save(): Promise<void> {
    const { state } = this;
    if (this.writing !== undefined || !state.isDirty) return this.writing ?? Promise.resolve();
    state.isDirty = false;
    this.writing = write(this.settings)
      .then(
        () => (this.failure = undefined),
        (error: unknown) => {
          this.failed(error);
          state.isDirty = true;
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

  private failed(error: unknown): void {
    const reason = errorMessage(error);
    if (this.failure === undefined) this.settings.onFailure(reason);
    this.failure = reason;
  }
}

/** The path that is replaced: the target of a symbolic link, so that the link stays. */
function folderOf(file: string): string {
  try {
    return dirname(realpathSync(file));
  } catch {
    return dirname(file);
  }
}

/**
 * Reads the file of an option; `undefined` if it does not exist yet.
 * @throws InvalidConfigurationError if it cannot be read
 */
export function readStateFile(file: string, option: string): string | undefined {
  try {
    return readRegularFileSync(file).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InvalidConfigurationError(option, `cannot be read (${errorMessage(error)})`, { cause: error });
  }
}

function write({ file, mode, parts }: StateFileSettings): Promise<void> {
  return replaceFile(file, mode, async (draft) => {
    for (const part of parts()) await draft.writeFile(part);
  });
}
