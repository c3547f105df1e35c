import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, stat, truncate, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { appendToFile } from './append-file.js';
import { isObject } from './objects.js';
import { NON_BLOCKING } from './regular-file.js';
import { OWNER_ONLY, replaceFile } from './replace-file.js';

/** A file not touched for this long belongs to a process that no longer runs. */
const DEAD_MS = 60_000;
const TOUCH_MS = 10_000;
const ADOPT_MS = 30_000;
/** Size at which a file is closed: a process that is killed while it reads one reads it again. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
const FOLDER_MODE = 0o700;
/** `<base>.<host>.<pid>.<time, number, random>`: the last part has the order of the files. */
const OWNED = /^\.([\w-]{1,64})\.(\d{1,10})\.([0-9a-f]{8,32})$/;
/** Replaces the process id in the files that a process leaves to others when it ends. */
const LEFT = 0;
const HOST =
  hostname()
    .replace(/[^\w-]/g, '-')
    .slice(0, 64) || 'host';

/** A batch of spilled lines. */
export interface SpilledLines {
  readonly lines: readonly string[];
  /**
   * Marks the first `count` lines as done, so that they are not read again. Default: all. Returns
   * how many lines between them were damaged and have been skipped: a process was killed while it
   * wrote them.
   */
  done(count?: number): Promise<number>;
}

interface SpillFile {
  readonly path: string;
  /** Bytes of lines that are done. */
  offset: number;
  size: number;
  /** Lines that are not done. */
  lines: number;
}

/**
 * JSON lines that wait on disk, in order of arrival. Each process has its own files, and takes over
 * those of processes that no longer run by renaming them: only one process succeeds. After a crash,
 * lines can be read twice.
 */
export class SpillFiles {
  /** Oldest first. */
  private readonly files: SpillFile[] = [];
  /** The file that lines are appended to. */
  private current: SpillFile | undefined = undefined;
  /** Whether the last write may have left half a line. */
  private hasFailed = false;
  private touchedMs = 0;
  private adoptedMs = -Infinity;
  private number = 0;
  /** Serializes the steps: a file must not be removed during an append. */
  private last: Promise<unknown> = Promise.resolve();

  /** @param base path of the files, without the parts that tell them apart */
  constructor(
    private readonly base: string,
    private readonly maxBytes: number,
  ) {}

  /** Lines that are not done. */
  get lines(): number {
    return this.files.reduce((sum, { lines }) => sum + lines, 0);
  }

  get bytes(): number {
    return this.files.reduce((sum, { size, offset }) => sum + size - offset, 0);
  }

  get isEmpty(): boolean {
    return this.files.every(({ size, offset }) => size === offset);
  }

  /**
   * Appends the lines that fit, and returns how many.
   * @throws the file system's error; then no line counts as spilled
   */
  append(lines: readonly string[]): Promise<number> {
    return this.inTurn(() => this.appendNow(lines));
  }

  private async appendNow(lines: readonly string[]): Promise<number> {
    let text = this.hasFailed ? '\n' : '';
    let count = 0;
    let bytes = text.length;
    const room = this.maxBytes - this.files.reduce((sum, { size }) => sum + size, 0);
    for (; count < lines.length; count++) {
      bytes += Buffer.byteLength(lines[count]) + 1;
      if (bytes > room) break;
      text += `${lines[count]}\n`;
    }
    if (count === 0) return 0;
    const file = await this.fileToAppendTo();
    try {
      await appendToFile(file.path, text, OWNER_ONLY);
    } catch (error) {
      this.hasFailed = await truncate(file.path, file.size).then(
        () => false,
        () => true,
      );
      throw error;
    }
    this.hasFailed = false;
    this.touchedMs = Date.now();
    const size = await sizeOf(file.path);
    // Another process has taken over the previous file with its lines.
    if (size < file.size + Buffer.byteLength(text)) Object.assign(file, { offset: 0, lines: 0 });
    file.size = size;
    file.lines += count;
    if (!this.files.includes(file)) this.files.push(file);
    return count;
  }

  private async fileToAppendTo(): Promise<SpillFile> {
    if (this.current !== undefined && this.current.size < SEGMENT_BYTES) return this.current;
    await mkdir(dirname(this.base), { recursive: true, mode: FOLDER_MODE });
    return (this.current = { path: this.newPath(), offset: 0, size: 0, lines: 0 });
  }

  /**
   * Returns the oldest lines, at least one; `undefined` if no file has any.
   * @param maxChars of all lines together
   */
  next(maxLines: number, maxChars = Infinity): Promise<SpilledLines | undefined> {
    return this.inTurn(() => this.nextNow(maxLines, maxChars));
  }

  private async nextNow(maxLines: number, maxChars: number): Promise<SpilledLines | undefined> {
    for (const file of [...this.files]) {
      if (file.offset >= file.size) continue;
      const found = await readLines(file, maxLines, maxChars);
      // Another process took the file over, or someone removed it.
      if (found === undefined) this.forget(file);
      else {
        const { lines, places, place } = found;
        const placeOf = (count: number): Place =>
          count === lines.length ? place : (places[count - 1] ?? { end: file.offset, damaged: 0 });
        return { lines, done: (count = lines.length) => this.inTurn(() => this.advance(file, placeOf(count), count)) };
      }
    }
    return undefined;
  }

  /**
   * Shows other processes that this one is running, and takes over the files of those that are not:
   * call it often. Returns the number of files that were taken over.
   */
  async tend(): Promise<number> {
    await this.touch();
    if (Date.now() - this.adoptedMs < ADOPT_MS) return 0;
    this.adoptedMs = Date.now();
    return this.adopt();
  }

  /** Takes over the files of processes that no longer run. Returns how many. */
  async adopt(): Promise<number> {
    const [folder, name] = [dirname(this.base), basename(this.base)];
    const entries = await readdir(folder).catch((): string[] => []);
    const known = new Set(this.files.map(({ path }) => path)).add(this.current?.path ?? '');
    const candidates = entries.flatMap((entry) => {
      const [, host, pid, order] = (entry.startsWith(`${name}.`) && OWNED.exec(entry.slice(name.length))) || [];
      const path = join(folder, entry);
      return order === undefined || known.has(path) ? [] : [{ path, host, pid: Number(pid), order }];
    });
    const adopted: SpillFile[] = [];
    for (const candidate of candidates.sort((a, b) => (a.order < b.order ? -1 : 1))) {
      if (!(await isAbandoned(candidate))) continue;
      const path = this.pathOf(candidate.order);
      try {
        await rename(candidate.path, path);
        // Otherwise the file would look abandoned.
        await utimes(path, new Date(), new Date());
        adopted.push({ path, offset: 0, size: await sizeOf(path), lines: await countLines(path) });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    this.files.unshift(...adopted);
    return adopted.length;
  }

  /** Shows other processes that this one is still running. */
  async touch(): Promise<void> {
    if (this.isEmpty || Date.now() - this.touchedMs < TOUCH_MS) return;
    this.touchedMs = Date.now();
    const now = new Date();
    for (const { path } of this.files) await utimes(path, now, now).catch(() => {});
  }

  /** Leaves the files to the next process, without the lines that are done. */
  close(): Promise<void> {
    return this.inTurn(async () => {
      for (const file of this.files.splice(0)) {
        const order = OWNED.exec(file.path.slice(this.base.length))?.[3] ?? this.newOrder();
        // If that fails, the next process takes it over later, or reads lines again.
        await withoutItsStart(file).catch(() => {});
        await rename(file.path, this.pathOf(order, LEFT)).catch(() => {});
      }
      this.current = undefined;
    });
  }

  private inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.last.then(step);
    this.last = done.catch(() => {});
    return done;
  }

  private async advance(file: SpillFile, { end, damaged }: Place, lines: number): Promise<number> {
    file.offset = end;
    file.lines = Math.max(0, file.lines - lines - damaged);
    // The former owner may have appended a last line.
    if (file !== this.current) file.size = await sizeOf(file.path).catch(() => 0);
    if (file.offset >= file.size) {
      await rm(file.path, { force: true });
      this.forget(file);
    }
    return damaged;
  }

  private forget(file: SpillFile): void {
    const at = this.files.indexOf(file);
    if (at >= 0) this.files.splice(at, 1);
    if (file === this.current) this.current = undefined;
  }

  private newPath(): string {
    return this.pathOf(this.newOrder());
  }

  private newOrder(): string {
    const number = (this.number++ & 0xffff).toString(16).padStart(4, '0');
    return `${Date.now().toString(16).padStart(12, '0')}${number}${randomBytes(4).toString('hex')}`;
  }

  private pathOf(order: string, pid = process.pid): string {
    return `${this.base}.${HOST}.${pid}.${order}`;
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

/**
 * Whether the process that owns a file no longer runs. Process ids of other hosts prove nothing.
 */
async function isAbandoned({ path, host, pid }: { readonly path: string; readonly host: string; readonly pid: number }): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  // Reading a device, or a link to one, might never end.
  if (found?.isFile() !== true) return false;
  if (pid === LEFT || (host === HOST && !isAlive(pid))) return true;
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

/** A place in a file, and the damaged lines before it. */
interface Place {
  readonly end: number;
  readonly damaged: number;
}

interface FoundLines {
  readonly lines: string[];
  /** After each line. */
  readonly places: Place[];
  /** After all that was read. */
  readonly place: Place;
}

/** Reads whole lines from the file's offset, at least one; `undefined` if the file is missing. */
async function readLines(file: SpillFile, maxLines: number, maxChars: number): Promise<FoundLines | undefined> {
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
      const isWhole = bytesRead < length;
      const found = linesIn(buffer.subarray(0, bytesRead), { offset: file.offset, maxLines, maxChars, isWhole });
      if (found.place.end > file.offset) return found;
      if (isWhole) return { ...found, place: { end: file.size, damaged: 0 } };
    }
  } finally {
    await handle.close();
  }
}

function linesIn(
  bytes: Buffer,
  { offset, maxLines, maxChars, isWhole }: { offset: number; maxLines: number; maxChars: number; isWhole: boolean },
): FoundLines {
  const lines: string[] = [];
  const places: Place[] = [];
  let place: Place = { end: offset, damaged: 0 };
  let chars = 0;
  for (let at = 0; at < bytes.length && lines.length < maxLines;) {
    const newline = bytes.indexOf(NEWLINE, at);
    // Only the last line can lack its newline: a crash cut it off.
    if (newline < 0 && !isWhole) break;
    const line = bytes.toString('utf8', at, newline < 0 ? bytes.length : newline);
    chars += line.length;
    if (chars > maxChars && lines.length > 0) break;
    at = newline < 0 ? bytes.length : newline + 1;
    const isDamaged = newline < 0 || !isJson(line);
    place = { end: offset + at, damaged: place.damaged + (isDamaged && line !== '' ? 1 : 0) };
    if (isDamaged) continue;
    lines.push(line);
    places.push(place);
  }
  return { lines, places, place };
}

/** No beginning of a JSON object is a JSON object, even if it ends with a brace. */
function isJson(line: string): boolean {
  try {
    return isObject(JSON.parse(line));
  } catch {
    return false;
  }
}

async function withoutItsStart({ path, offset }: SpillFile): Promise<void> {
  if (offset === 0) return;
  const handle = await open(path, constants.O_RDONLY | NON_BLOCKING);
  try {
    await replaceFile(path, OWNER_ONLY, async (draft) => {
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      for (let at = offset; ;) {
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) return;
        await draft.writeFile(chunk.subarray(0, bytesRead));
        at += bytesRead;
      }
    });
  } finally {
    await handle.close();
  }
}

async function countLines(path: string): Promise<number> {
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
