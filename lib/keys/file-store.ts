import { randomUUID } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, FastLiteLLMError, InvalidConfigurationError } from '../common/errors.js';
import { checkArray, checkKnownKeys, checkObject, checkString } from '../common/options.js';
import { readRegularFile, readRegularFileSync } from '../common/regular-file.js';
import { OWNER_ONLY, removeDrafts, replaceFile } from '../common/replace-file.js';
import { checkApiKeyRecord, type ApiKeyRecord } from './api-key-record.js';
import { aliasTaken, type ApiKeyStore } from './api-key-store.js';

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
 * secrets. The file is replaced as a whole (mode 600), and changes by other processes or an editor
 * are noticed within half a second. It is created with the first key.
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
        // Two keys of an edited file may have one alias: they can be changed still.
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
    readRegularFile(this.file).then(
      (bytes) => this.reload(bytes.toString()),
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? this.reload(undefined) : (this.failure = errorMessage(error))),
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

  /** Changes what the file has now, which another process may have written. */
  private change(make: (records: Records) => Records | undefined): Promise<boolean> {
    const written = this.writing.then(() =>
      withLock(`${this.file}.lock`, async (isHeld) => {
        const changed = make(this.current());
        if (changed === undefined) return false;
        const text = textOf(changed);
        await write(this.file, text, isHeld);
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
    throw new InvalidConfigurationError(file, `cannot be read: ${errorMessage(error)}`);
  }
}

/** @param known Records that were checked before; those that have not changed are not again. */
function readRecords(file: string, text: string | undefined, known: Records): Records {
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

/** @throws LockLost for a process that was stopped for so long that another one took its lock. */
async function write(file: string, text: string, isHeld: () => Promise<boolean>): Promise<void> {
  await removeDrafts(file);
  return replaceFile(file, OWNER_ONLY, async (draft) => {
    await draft.writeFile(text);
    // Here, because it may take long.
    await draft.sync();
    if (!(await isHeld())) throw new LockLost();
  });
}

/** The lock was lost: the change is repeated on the file that the other process has written. */
class LockLost extends Error {}

/** Runs `work` while no other process does so. The lock is a file with a text of its owner. */
async function withLock<T>(lock: string, work: (isHeld: () => Promise<boolean>) => Promise<T>): Promise<T> {
  const owner = randomUUID();
  const untilMs = performance.now() + LOCK_WAIT_MS;
  const isHeld = async (): Promise<boolean> => (await ownerOf(lock)) === owner;
  for (;;) {
    if (await take(lock, owner)) {
      try {
        return await work(isHeld);
      } catch (error) {
        if (!(error instanceof LockLost)) throw error;
      } finally {
        if (await isHeld()) await rm(lock, { force: true });
      }
    }
    if (performance.now() > untilMs) {
      throw new FastLiteLLMError('API_KEY_STORE_LOCKED', `${lock}: has been held by another process for more than ${LOCK_WAIT_MS} ms`);
    }
    await sleep(LOCK_RETRY_MS);
  }
}

async function take(lock: string, owner: string): Promise<boolean> {
  try {
    const made = await open(lock, 'wx', OWNER_ONLY);
    try {
      await made.writeFile(owner);
    } catch (error) {
      // On a full disk, a lock without an owner would block all others until it is stale.
      await rm(lock, { force: true });
      throw error;
    } finally {
      await made.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const held = await stat(lock).catch(() => undefined);
  if (held !== undefined && Date.now() - held.mtimeMs > STALE_LOCK_MS) await removeStale(lock, owner);
  return false;
}

/** Of several processes that find a stale lock one removes it, and none removes a new one. */
async function removeStale(lock: string, owner: string): Promise<void> {
  const removed = `${lock}.${owner}`;
  try {
    await rename(lock, removed);
  } catch {
    return; // Another process was first.
  }
  const { mtimeMs } = await stat(removed);
  // Another process has removed the stale lock since, and this one is in use.
  if (Date.now() - mtimeMs <= STALE_LOCK_MS) await link(removed, lock).catch(() => {});
  await rm(removed, { force: true });
}

async function ownerOf(lock: string): Promise<string | undefined> {
  return readRegularFile(lock).then(
    (owner) => owner.toString(),
    () => undefined,
  );
}
