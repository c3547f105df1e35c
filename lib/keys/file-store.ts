import { jsonIn } from '../common/objects.js';
import { unwatchFile, watchFile } from 'node:fs';
import { errorMessage, InvalidConfigurationError } from '../common/errors.js';
import { withFileLock, writeLocked } from '../common/file-lock.js';
import { checkArray, checkKnownKeys, checkObject, checkString } from '../common/options.js';
import { readRegularFile, readRegularFileSync } from '../common/regular-file.js';
import { checkApiKeyRecord, type ApiKeyRecord } from './api-key-record.js';
import { aliasTaken, type ApiKeyStore } from './api-key-store.js';

const VERSION = 1;
/** How often the file is looked at for changes of other processes. */
const WATCH_MS = 500;

type Records = ReadonlyMap<string, ApiKeyRecord>;
type Listener = (publicId: string | null) => void;

/**
 * Stores keys in a JSON file, for the processes of one machine: `{ "version": 1, "keys": [record,
 * …] }`, without secrets. The file is replaced as a whole (mode 600), and changes by other
 * processes or an editor are noticed within half a second. It is created with the first key.
 *
 * @throws InvalidConfigurationError if the path is not a string or, when the app starts, if the
 * file cannot be read.
 * @example
 * FastLiteLLMKeysModule.forRoot({ store: fileApiKeyStore('keys.json') })
 */
export function fileApiKeyStore(file: string): ApiKeyStore {
  return new FileApiKeyStore(checkString('keys.store.file', file));
}

class FileApiKeyStore implements ApiKeyStore {
  readonly kind = 'file';
  private records: Records | undefined = undefined;
  /** As it was read or written last: checking 10,000 records takes a tenth of a second. */
  private content: { readonly text: string | undefined; readonly records: Records } = { text: undefined, records: new Map() };
  private readonly listeners = new Set<Listener>();
  /** One write of this process at a time. */
  private writing: Promise<unknown> = Promise.resolve();
  /** Writes of this process. */
  private writes = 0;
  private failure: string | undefined = undefined;

  constructor(private readonly file: string) {}

  findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined> {
    return this.answer((records) => records.get(publicId));
  }

  list(): Promise<readonly ApiKeyRecord[]> {
    return this.answer((records) => [...records.values()]);
  }

  async put(record: ApiKeyRecord): Promise<boolean> {
    const [isWritten] = await this.putAll([record]);
    return isWritten;
  }

  async putAll(added: readonly ApiKeyRecord[]): Promise<readonly boolean[]> {
    let written: readonly boolean[] = [];
    await this.change((records) => {
      const changed = new Map(records);
      const aliases = new Map([...records.values()].map(({ alias, publicId }) => [alias, publicId]));
      written = added.map((record) => {
        const { publicId, revision = 1, alias } = record;
        const before = changed.get(publicId);
        if (revision !== (before?.revision ?? 0) + 1) return false;
        // Two keys in an edited file can share an alias; they can still be changed.
        if (alias !== undefined && alias !== before?.alias && (aliases.get(alias) ?? publicId) !== publicId) throw aliasTaken(alias);
        aliases.set(alias, publicId);
        changed.set(publicId, record);
        return true;
      });
      return written.includes(true) ? changed : undefined;
    });
    return written;
  }

  delete(publicId: string): Promise<boolean> {
    return this.change((records) => {
      const rest = new Map(records);
      return rest.delete(publicId) ? rest : undefined;
    });
  }

  onChange(listener: Listener): () => void {
    this.open();
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  fault(): string | undefined {
    return this.failure;
  }

  async close(): Promise<void> {
    if (this.records !== undefined) unwatchFile(this.file, this.onFileChange);
    this.records = undefined;
    await this.writing;
  }

  /** Throws at the start: without keys nothing could be called. */
  private open(): Records {
    if (this.records !== undefined) return this.records;
    this.records = this.read(readOptional(this.file));
    watchFile(this.file, { interval: WATCH_MS, persistent: false }, this.onFileChange);
    return this.records;
  }

  /** Errors thrown by `open` become rejections. */
  private async answer<T>(of: (records: Records) => T): Promise<T> {
    return of(this.open());
  }

  private readonly onFileChange = (): void => {
    const { writes } = this;
    // A read that began before a write may have the former content. The write is another change.
    const reload = (text: string | undefined): void => {
      if (writes === this.writes) this.reload(text);
    };
    readRegularFile(this.file).then(
      (bytes) => reload(bytes.toString()),
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? reload(undefined) : (this.failure = errorMessage(error))),
    );
  };

  /** Keeps the last good content while an editor has left the file half written. */
  private reload(text: string | undefined): void {
    if (this.records === undefined) return;
    try {
      this.replace(this.read(text));
    } catch (error) {
      this.failure = errorMessage(error);
    }
  }

  private read(text: string | undefined): Records {
    if (text !== this.content.text) this.content = { text, records: readRecords(this.file, text, this.content.records) };
    return this.content.records;
  }

  /** @throws Error if the file is invalid: callers that change keys see an unavailable store. */
  private current(): Records {
    try {
      return this.read(readOptional(this.file));
    } catch (error) {
      throw new Error(errorMessage(error), { cause: error });
    }
  }

  private replace(records: Records): void {
    const before = this.records ?? new Map<string, ApiKeyRecord>();
    this.records = records;
    this.failure = undefined;
    for (const publicId of new Set([...before.keys(), ...records.keys()])) {
      if (isSame(before.get(publicId), records.get(publicId))) continue;
      for (const listener of this.listeners) listener(publicId);
    }
  }

  /** Changes the current content of the file, which another process may have written. */
  private change(make: (records: Records) => Records | undefined): Promise<boolean> {
    const written = this.writing.then(() =>
      withFileLock(`${this.file}.lock`, 'API_KEY_STORE_LOCKED', async (isHeld) => {
        const changed = make(this.current());
        if (changed === undefined) return false;
        const text = textOf(changed);
        await writeLocked(this.file, text, isHeld);
        this.writes++;
        this.content = { text, records: changed };
        this.open();
        this.replace(changed);
        return true;
      }),
    );
    this.writing = written.catch(() => {});
    return written;
  }
}

function readOptional(file: string): string | undefined {
  try {
    return readRegularFileSync(file).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InvalidConfigurationError(file, `cannot be read (${errorMessage(error)})`);
  }
}

/** @param known Records that were checked before; those that have not changed are not again. */
function readRecords(file: string, text: string | undefined, known: Records): Records {
  if (text === undefined) return new Map();
  const content = jsonIn(text);
  // Without the parser's message, which has a part of the text.
  if (content === undefined) throw new InvalidConfigurationError(file, 'must be valid JSON');
  const path = `${file}: `;
  const { version, keys, ...rest } = checkObject(file, content);
  checkKnownKeys(path, rest, ['version', 'keys']);
  if (version !== VERSION) throw new InvalidConfigurationError(`${path}version`, `must be ${VERSION}`);
  const records = new Map<string, ApiKeyRecord>();
  checkArray(`${path}keys`, keys, (at, value) => {
    const former = known.get((value as Partial<ApiKeyRecord> | null)?.publicId ?? '');
    const record = former !== undefined && lineOf(former) === JSON.stringify(value) ? former : checkApiKeyRecord(at, value);
    if (records.has(record.publicId)) throw new InvalidConfigurationError(`${at}.publicId`, 'must be unique');
    records.set(record.publicId, record);
  });
  return records;
}

/** The JSON of records: of thousands, few change. */
const lines = new WeakMap<ApiKeyRecord, string>();

function lineOf(record: ApiKeyRecord): string {
  let line = lines.get(record);
  if (line === undefined) lines.set(record, (line = JSON.stringify(record)));
  return line;
}

function isSame(one: ApiKeyRecord | undefined, other: ApiKeyRecord | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && lineOf(one) === lineOf(other));
}

/** A line for each record. */
function textOf(records: Records): string {
  const keys = [...records.values()].map((record) => `\n    ${lineOf(record)}`).join(',');
  return `{\n  "version": ${VERSION},\n  "keys": [${keys}\n  ]\n}\n`;
}
