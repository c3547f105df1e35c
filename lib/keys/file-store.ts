import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, FastLiteLLMError, InvalidConfigurationError } from '../common/errors.js';
import { checkArray, checkKnownKeys, checkObject, checkString } from '../common/options.js';
import { OWNER_ONLY, replaceFile } from '../common/replace-file.js';
import { checkApiKeyRecord, type ApiKeyRecord } from './api-key-record.js';
import type { ApiKeyStore } from './api-key-store.js';

const VERSION = 1;
/** How often the file is looked at for changes of other processes. */
const WATCH_MS = 500;
const LOCK_RETRY_MS = 20;
const LOCK_WAIT_MS = 5_000;
/** A process writes within milliseconds: an older lock is that of one that died. */
const STALE_LOCK_MS = 10_000;

type Records = ReadonlyMap<string, ApiKeyRecord>;
type Listener = (publicId: string | null) => void;

/**
 * Keeps keys in a JSON file, for one machine: `{ "version": 1, "keys": [record, …] }`, without
 * secrets. The file is replaced as a whole (mode 600), and changes of other processes and of an
 * editor are seen within half a second. It is made with the first key.
 *
 * @throws InvalidConfigurationError for a path that is no text, or, when the app starts, for a file
 * that cannot be read.
 * @example
 * FastLiteLLMKeysModule.forRoot({ store: fileApiKeyStore('keys.json') })
 */
export function fileApiKeyStore(file: string): ApiKeyStore {
  return new FileApiKeyStore(checkString('keys.store.file', file));
}

class FileApiKeyStore implements ApiKeyStore {
  readonly kind = 'file';
  private records: Records | undefined = undefined;
  private readonly listeners = new Set<Listener>();
  /** One write of this process at a time. */
  private writing: Promise<unknown> = Promise.resolve();
  private failure: string | undefined = undefined;

  constructor(private readonly file: string) {}

  findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined> {
    return this.answer((records) => records.get(publicId));
  }

  list(): Promise<readonly ApiKeyRecord[]> {
    return this.answer((records) => [...records.values()]);
  }

  put(record: ApiKeyRecord): Promise<boolean> {
    const { publicId, revision = 1 } = record;
    return this.change((records) => {
      if (revision !== (records.get(publicId)?.revision ?? 0) + 1) return undefined;
      return new Map(records).set(publicId, record);
    });
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
    this.records = readRecords(this.file, readOptional(this.file));
    watchFile(this.file, { interval: WATCH_MS, persistent: false }, this.onFileChange);
    return this.records;
  }

  /** What `open` throws becomes a rejection. */
  private async answer<T>(of: (records: Records) => T): Promise<T> {
    return of(this.open());
  }

  private readonly onFileChange = (): void => {
    readFile(this.file, 'utf8').then(
      (text) => this.reload(text),
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? this.reload(undefined) : (this.failure = errorMessage(error))),
    );
  };

  /** Keeps the last good content while an editor has left the file half written. */
  private reload(text: string | undefined): void {
    if (this.records === undefined) return;
    try {
      this.replace(readRecords(this.file, text));
    } catch (error) {
      this.failure = errorMessage(error);
    }
  }

  private replace(records: Records): void {
    const before = this.records ?? new Map<string, ApiKeyRecord>();
    this.records = records;
    this.failure = undefined;
    for (const publicId of new Set([...before.keys(), ...records.keys()])) {
      if (JSON.stringify(before.get(publicId)) === JSON.stringify(records.get(publicId))) continue;
      for (const listener of this.listeners) listener(publicId);
    }
  }

  /** Changes what the file has now, which another process may have written. */
  private change(make: (records: Records) => Records | undefined): Promise<boolean> {
    const written = this.writing.then(() =>
      withLock(`${this.file}.lock`, async () => {
        const changed = make(readRecords(this.file, readOptional(this.file)));
        if (changed === undefined) return false;
        await write(this.file, changed);
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
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InvalidConfigurationError(file, `cannot be read: ${errorMessage(error)}`);
  }
}

function readRecords(file: string, text: string | undefined): Records {
  if (text === undefined) return new Map();
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's message has a part of the text.
    throw new InvalidConfigurationError(file, 'must be JSON');
  }
  const path = `${file}: `;
  const { version, keys, ...rest } = checkObject(file, content);
  checkKnownKeys(path, rest, ['version', 'keys']);
  if (version !== VERSION) throw new InvalidConfigurationError(`${path}version`, `must be ${VERSION}`);
  const records = new Map<string, ApiKeyRecord>();
  checkArray(`${path}keys`, keys, (at, value) => {
    const record = checkApiKeyRecord(at, value);
    if (records.has(record.publicId)) throw new InvalidConfigurationError(`${at}.publicId`, 'must be unique');
    records.set(record.publicId, record);
  });
  return records;
}

function write(file: string, records: Records): Promise<void> {
  const text = JSON.stringify({ version: VERSION, keys: [...records.values()] }, undefined, 2);
  return replaceFile(file, OWNER_ONLY, (draft) => draft.writeFile(`${text}\n`));
}

/** Runs `work` while no other process does so. */
async function withLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + LOCK_WAIT_MS;
  while (!(await take(lock))) {
    if (performance.now() > untilMs) {
      throw new FastLiteLLMError('API_KEY_STORE_LOCKED', `${lock}: is held by another process for more than ${LOCK_WAIT_MS} ms`);
    }
    await sleep(LOCK_RETRY_MS);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx', OWNER_ONLY)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const held = await stat(lock).catch(() => undefined);
  if (held !== undefined && Date.now() - held.mtimeMs > STALE_LOCK_MS) await rm(lock, { force: true });
  return false;
}
