import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { appendToFile } from '../common/append-file.js';
import { NON_BLOCKING } from '../common/regular-file.js';
import { OWNER_ONLY } from '../common/replace-file.js';

/** A file not touched for this long belongs to a process that no longer runs. */
const DEAD_MS = 60_000;
const TOUCH_MS = 10_000;
const READ_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
/** `<name>.<host>.<pid>.<random>` */
const OWNED = /^\.([\w-]{1,64})\.(\d{1,10})\.[0-9a-f]{8}$/;
const HOST =
  hostname()
    .replace(/[^\w-]/g, '-')
    .slice(0, 64) || 'host';

/** A batch of spilled rows. */
export interface SpilledRows {
  readonly rows: readonly string[];
  /** Marks the rows as written, so that they are not read again. */
  done(): Promise<void>;
}

interface SpillFile {
  readonly path: string;
  /** Bytes of rows already written to the database. */
  offset: number;
  size: number;
  /** Rows not yet written to the database. */
  rows: number;
}

/**
 * Rows that wait on disk, in order of arrival. Each process has its own files, and takes over those
 * of processes that no longer run by renaming them: only one process succeeds. After a crash, or
 * with two processes, rows can be read twice; the database skips duplicates.
 */
export class SpillFiles {
  private readonly own: SpillFile;
  private readonly adopted: SpillFile[] = [];
  /** Whether the last write failed: it may have left half a line. */
  private hasFailed = false;
  private touchedMs = 0;
  /** Serializes the steps: a file must not be removed during an append. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly base: string,
    private readonly maxBytes: number,
  ) {
    this.own = { path: this.newPath(), offset: 0, size: 0, rows: 0 };
  }

  /** Rows not yet written to the database. */
  get rows(): number {
    return this.files.reduce((sum, { rows }) => sum + rows, 0);
  }

  get bytes(): number {
    return this.files.reduce((sum, { size, offset }) => sum + size - offset, 0);
  }

  get isEmpty(): boolean {
    return this.files.every(({ size, offset }) => size === offset);
  }

  /**
   * Appends the rows that fit into the file, and returns how many.
   * @throws the file system's error; then no row counts as spilled
   */
  append(rows: readonly string[]): Promise<number> {
    return this.inTurn(() => this.appendNow(rows));
  }

  private async appendNow(rows: readonly string[]): Promise<number> {
    let text = this.hasFailed ? '\n' : '';
    let count = 0;
    let bytes = text.length;
    for (; count < rows.length; count++) {
      bytes += Buffer.byteLength(rows[count]) + 1;
      if (this.own.size + bytes > this.maxBytes) break;
      text += `${rows[count]}\n`;
    }
    if (count === 0) return 0;
    try {
      await appendToFile(this.own.path, text, OWNER_ONLY);
    } catch (error) {
      this.hasFailed = true;
      throw error;
    }
    this.hasFailed = false;
    this.touchedMs = Date.now();
    const size = await sizeOf(this.own.path);
    // Another process has taken over the former file, with its rows.
    if (size < this.own.size + Buffer.byteLength(text)) this.forget(this.own);
    this.own.size = size;
    this.own.rows += count;
    return count;
  }

  /** Returns the oldest rows; `undefined` if no file has any. */
  next(most: number): Promise<SpilledRows | undefined> {
    return this.inTurn(() => this.nextNow(most));
  }

  private async nextNow(most: number): Promise<SpilledRows | undefined> {
    for (const file of this.files) {
      if (file.offset >= file.size) continue;
      const read = await readRows(file, most);
      if (read === undefined) {
        // Another process took the file over, or someone removed it.
        this.forget(file);
        continue;
      }
      const { rows, end } = read;
      return { rows, done: () => this.inTurn(() => this.advance(file, end, rows.length)) };
    }
    return undefined;
  }

  /** Takes over the files of processes that no longer run. Returns how many. */
  async adopt(): Promise<number> {
    const [folder, name] = [dirname(this.base), basename(this.base)];
    const entries = await readdir(folder).catch((): string[] => []);
    const candidates = entries.filter((entry) => entry.startsWith(`${name}.`) && OWNED.test(entry.slice(name.length)));
    const known = new Set(this.files.map(({ path }) => path));
    let count = 0;
    for (const entry of candidates.sort()) {
      const path = join(folder, entry);
      if (known.has(path) || !(await isDead(path, entry.slice(name.length)))) continue;
      const own = this.newPath();
      try {
        await rename(path, own);
        // Otherwise the file would look abandoned.
        await utimes(own, new Date(), new Date());
        this.adopted.push({ path: own, offset: 0, size: await sizeOf(own), rows: await countRows(own) });
        count++;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    return count;
  }

  /** Shows other processes that this one is still running. */
  async touch(): Promise<void> {
    if (this.isEmpty || Date.now() - this.touchedMs < TOUCH_MS) return;
    this.touchedMs = Date.now();
    const now = new Date();
    for (const { path, size } of this.files) if (size > 0) await utimes(path, now, now).catch(() => {});
  }

  private inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.last.then(step);
    this.last = done.catch(() => {});
    return done;
  }

  private get files(): readonly SpillFile[] {
    return [...this.adopted, this.own];
  }

  private async advance(file: SpillFile, end: number, rows: number): Promise<void> {
    file.offset = end;
    file.rows = Math.max(0, file.rows - rows);
    // The former owner may have appended a last row.
    if (file !== this.own) file.size = await sizeOf(file.path).catch(() => 0);
    if (file.offset < file.size) return;
    await rm(file.path, { force: true });
    this.forget(file);
  }

  private forget(file: SpillFile): void {
    if (file === this.own) Object.assign(file, { offset: 0, size: 0, rows: 0 });
    else this.adopted.splice(this.adopted.indexOf(file), 1);
  }

  private newPath(): string {
    return `${this.base}.${HOST}.${process.pid}.${randomBytes(4).toString('hex')}`;
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

/**
 * Whether the process that owns a file no longer runs. Process ids of other hosts prove nothing.
 */
async function isDead(path: string, suffix: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  // A device or a link to one would never end.
  if (found?.isFile() !== true) return false;
  const [, host, pid] = OWNED.exec(suffix) ?? [];
  if (host === HOST && !isAlive(Number(pid))) return true;
  return Date.now() - found.mtimeMs > DEAD_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Reads whole lines from the file's offset, at least one; `undefined` if the file is missing. */
async function readRows(file: SpillFile, most: number): Promise<{ readonly rows: string[]; readonly end: number } | undefined> {
  let handle;
  try {
    handle = await open(file.path, constants.O_RDONLY | NON_BLOCKING);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    for (let length = READ_BYTES; ; length *= 2) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, file.offset);
      const bytes = buffer.subarray(0, bytesRead);
      const isWhole = bytesRead < length;
      // Only the last row can lack its newline: a crash cut it off.
      const read = takeRows(bytes, most, isWhole);
      if (read.used > 0) return { rows: read.rows, end: file.offset + read.used };
      if (isWhole) return { rows: [], end: file.size };
    }
  } finally {
    await handle.close();
  }
}

function takeRows(bytes: Buffer, most: number, isWhole: boolean): { readonly rows: string[]; readonly used: number } {
  const rows: string[] = [];
  let used = 0;
  while (rows.length < most) {
    const end = bytes.indexOf(NEWLINE, used);
    if (end < 0) {
      if (isWhole && rows.length < most) used = bytes.length;
      break;
    }
    const row = bytes.toString('utf8', used, end);
    if (row.startsWith('{') && row.endsWith('}')) rows.push(row);
    used = end + 1;
  }
  return { rows, used };
}

async function countRows(path: string): Promise<number> {
  const handle = await open(path, constants.O_RDONLY | NON_BLOCKING);
  try {
    let count = 0;
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) return count;
      for (let at = chunk.indexOf(NEWLINE); at >= 0 && at < bytesRead; at = chunk.indexOf(NEWLINE, at + 1)) count++;
    }
  } finally {
    await handle.close();
  }
}
