import { jsonIn } from '../../common/objects.js';
import { unwatchFile, watchFile } from 'node:fs';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { withFileLock, writeLocked } from '../../common/file-lock.js';
import { checkArray, checkKnownKeys, checkObject, checkString } from '../../common/options.js';
import { readRegularFile } from '../../common/regular-file.js';
import type { ConfigurationStore, ConfigurationStoreSource, StoredEntity, StoredRow } from './configuration-store.js';
import { readStoredRow } from './stored-rows.js';

const VERSION = 1;
/** How often the file is checked for changes by other processes. */
const WATCH_MS = 500;

type Rows = ReadonlyMap<string, StoredRow>;

/**
 * Stores the models, credentials and settings of the admin API in a JSON file, for the processes of
 * one machine: `{ "version": 1, "rows": [row, …] }`. Secrets in it are encrypted. The file is
 * replaced as a whole (mode 600), and changes by other processes are noticed within half a second.
 * It is created with the first row. It has no audit log; changes are recorded in the audit log of
 * the API key store.
 *
 * @throws InvalidConfigurationError if the path is not a string
 * @example
 * FastLiteLLMAdminModule.forRoot({ store: fileConfigurationStore('configuration.json') })
 */
export function fileConfigurationStore(file: string): ConfigurationStoreSource {
  const configuration = new FileConfigurationStore(checkString('admin.store.file', file));
  return { configuration, close: () => configuration.close() };
}

class FileConfigurationStore implements ConfigurationStore {
  readonly kind = 'file';
  private readonly listeners = new Set<() => void>();
  private failure: string | undefined = undefined;
  /** One write of this process at a time. */
  private writing: Promise<unknown> = Promise.resolve();
  private isWatched = false;

  constructor(private readonly file: string) {}

  async list(): Promise<readonly StoredRow[]> {
    return [...(await this.read()).values()];
  }

  put(row: StoredRow): Promise<boolean> {
    return this.change((rows) => {
      const key = keyOf(row.entity, row.id);
      if (row.revision !== (rows.get(key)?.revision ?? 0) + 1) return undefined;
      return new Map(rows).set(key, row);
    });
  }

  delete(entity: StoredEntity, id: string): Promise<boolean> {
    return this.change((rows) => {
      const left = new Map(rows);
      return left.delete(keyOf(entity, id)) ? left : undefined;
    });
  }

  onChange(listener: () => void): () => void {
    if (!this.isWatched) watchFile(this.file, { interval: WATCH_MS, persistent: false }, this.onFileChange);
    this.isWatched = true;
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  fault(): string | undefined {
    return this.failure;
  }

  async close(): Promise<void> {
    if (this.isWatched) unwatchFile(this.file, this.onFileChange);
    this.isWatched = false;
    await this.writing;
  }

  private readonly onFileChange = (): void => {
    for (const listener of this.listeners) listener();
  };

  /** @throws InvalidConfigurationError naming the place in the file */
  private async read(): Promise<Rows> {
    try {
      const rows = readRows(this.file, await textOf(this.file));
      this.failure = undefined;
      return rows;
    } catch (error) {
      this.failure = errorMessage(error);
      throw error;
    }
  }

  /** Changes the file's present content, which another process may have written. */
  private change(make: (rows: Rows) => Rows | undefined): Promise<boolean> {
    const written = this.writing.then(() =>
      withFileLock(`${this.file}.lock`, 'CONFIGURATION_STORE_LOCKED', async (isHeld) => {
        const changed = make(await this.read());
        if (changed === undefined) return false;
        const lines = [...changed.values()].map((row) => `\n    ${JSON.stringify(row)}`).join(',');
        await writeLocked(this.file, `{\n  "version": ${VERSION},\n  "rows": [${lines}\n  ]\n}\n`, isHeld);
        return true;
      }),
    );
    this.writing = written.catch(() => {});
    return written;
  }
}

function keyOf(entity: StoredEntity, id: string): string {
  return `${entity} ${id}`;
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return (await readRegularFile(file)).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InvalidConfigurationError(file, `cannot be read: ${errorMessage(error)}`);
  }
}

function readRows(file: string, text: string | undefined): Rows {
  if (text === undefined) return new Map();
  const content = jsonIn(text);
  // Without the parser's message, which has a part of the text.
  if (content === undefined) throw new InvalidConfigurationError(file, 'must be valid JSON');
  const path = `${file}: `;
  const { version, rows, ...rest } = checkObject(file, content);
  checkKnownKeys(path, rest, ['version', 'rows']);
  if (version !== VERSION) throw new InvalidConfigurationError(`${path}version`, `must be ${VERSION}`);
  const all = new Map<string, StoredRow>();
  checkArray(`${path}rows`, rows, (at, value) => {
    const row = readStoredRow(at, value);
    if (all.has(keyOf(row.entity, row.id))) throw new InvalidConfigurationError(`${at}.id`, 'must be unique');
    all.set(keyOf(row.entity, row.id), row);
  });
  return all;
}
