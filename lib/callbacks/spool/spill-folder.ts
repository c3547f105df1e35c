import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { appendToFile } from '../../common/append-file.js';
import { OWNER_ONLY } from '../../common/replace-file.js';

/** A file is closed at this size, which bounds what is sent twice after a process was killed. */
const SEGMENT_CHARS = 4 * 1024 * 1024;
const TOUCHED_EVERY_MS = 20_000;
/** A file not touched for this long belongs to a process that no longer runs. */
const ABANDONED_MS = 120_000;
/** Marks files that a process left for others when it ended. */
const FREE = 'free';
const FOLDER_MODE = 0o700;

interface Segment {
  path: string;
  chars: number;
  /** Lines not sent yet; set once the file has been read. */
  lines: readonly string[] | undefined;
}

/** Lines read from a segment. */
export interface SpilledBatch {
  readonly lines: readonly string[];
  /** Marks the first `count` lines as sent. */
  commit(count: number): Promise<void>;
}

/**
 * Payloads of one sink on disk, oldest first. Each process writes its own files:
 *
 *     <folder>/<sink>.<time>-<number>.<process>.jsonl
 *
 * Files are deleted once they are sent. A process that ends renames its files to `….free.jsonl`;
 * the next process that uses the folder sends them. Files of a killed process are taken over after
 * two minutes. A partly sent file is sent again as a whole, so sinks can receive a payload twice,
 * with the same id.
 */
export class SpillFolder {
  /** Number of lines that could not be read back. */
  damaged = 0;
  private readonly owner = randomBytes(4).toString('hex');
  private readonly prefix: string;
  private readonly segments: Segment[] = [];
  private number = 0;
  /** Whether the last write failed: it may have left half a line. */
  private hasFailed = false;
  private readonly timer: NodeJS.Timeout;
  private claiming: Promise<void>;

  constructor(
    private readonly folder: string,
    sink: string,
    private readonly maxChars: number,
    private readonly onClaimed: () => void,
  ) {
    this.prefix = `${fileNameOf(sink)}.`;
    this.timer = setInterval(() => this.tend(), TOUCHED_EVERY_MS);
    this.timer.unref();
    this.claiming = this.claim();
  }

  get isEmpty(): boolean {
    return this.segments.length === 0;
  }

  /** Characters on disk. */
  get chars(): number {
    return this.segments.reduce((sum, { chars }) => sum + chars, 0);
  }

  /**
   * Appends lines and returns how many were written: fewer if the folder is full.
   * @throws the file system's error; then no line counts as written
   */
  async append(lines: readonly string[]): Promise<number> {
    let [count, text] = [0, this.hasFailed ? '\n' : ''];
    const room = this.maxChars - this.chars;
    while (count < lines.length && text.length + lines[count].length < room) text += `${lines[count++]}\n`;
    if (count === 0) return 0;
    await mkdir(this.folder, { recursive: true, mode: FOLDER_MODE });
    const last = this.segments.at(-1);
    const isOpen = last !== undefined && last.lines === undefined && last.chars < SEGMENT_CHARS;
    const segment = isOpen ? last : { path: this.nextPath(), chars: 0, lines: undefined };
    this.hasFailed = true;
    await appendToFile(segment.path, text, OWNER_ONLY);
    this.hasFailed = false;
    segment.chars += text.length;
    if (!isOpen) this.segments.push(segment);
    return count;
  }

  /** Returns the oldest lines; `undefined` if the folder is empty. */
  async read(maxLines: number, maxChars: number): Promise<SpilledBatch | undefined> {
    await this.claiming;
    for (let [segment] = this.segments; segment !== undefined; [segment] = this.segments) {
      segment.lines ??= await this.linesOf(segment);
      const lines = firstOf(segment.lines, maxLines, maxChars);
      if (lines.length > 0) return { lines, commit: (count) => this.commit(segment, count) };
      await this.remove(segment);
    }
    return undefined;
  }

  /** Leaves the files to the next process. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.claiming;
    for (const segment of this.segments) {
      const rest = segment.lines;
      // Only lines that were not sent.
      if (rest !== undefined && rest.length > 0) {
        const path = this.nextPath();
        const isWritten = await appendToFile(path, rest.map((line) => `${line}\n`).join(''), OWNER_ONLY).then(
          () => true,
          () => false,
        );
        if (isWritten) await rm(segment.path, { force: true });
        else await rm(path, { force: true });
        if (isWritten) segment.path = path;
      }
      await rename(segment.path, segment.path.replace(`.${this.owner}.jsonl`, `.${FREE}.jsonl`)).catch(() => {});
    }
    this.segments.length = 0;
  }

  private async commit(segment: Segment, count: number): Promise<void> {
    segment.lines = segment.lines?.slice(count);
    if (segment.lines?.length === 0) await this.remove(segment);
  }

  private async remove(segment: Segment): Promise<void> {
    this.segments.splice(this.segments.indexOf(segment), 1);
    await rm(segment.path, { force: true });
  }

  private async linesOf({ path }: Segment): Promise<readonly string[]> {
    // If this process was suspended, another one may have taken over its file.
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const lines = text.split('\n').filter((line) => line !== '');
    const whole = lines.filter((line) => line.startsWith('{') && line.endsWith('}'));
    this.damaged += lines.length - whole.length;
    return whole;
  }

  private tend(): void {
    const now = new Date();
    for (const { path } of this.segments) utimes(path, now, now).catch(() => {});
    this.claiming = this.claiming.then(() => this.claim());
  }

  /** Takes over files of processes that no longer run. */
  private async claim(): Promise<void> {
    const names = (await readdir(this.folder).catch(() => [])).filter((name) => name.startsWith(this.prefix) && name.endsWith('.jsonl'));
    const claimed: Segment[] = [];
    for (const name of names.sort()) {
      const path = join(this.folder, name);
      const [owner] = name.split('.').slice(-2);
      if (owner === this.owner) continue;
      try {
        const { mtimeMs, size } = await stat(path);
        if (owner !== FREE && Date.now() - mtimeMs < ABANDONED_MS) continue;
        const own = join(this.folder, name.replace(`.${owner}.jsonl`, `.${this.owner}.jsonl`));
        await rename(path, own);
        claimed.push({ path: own, chars: size, lines: undefined });
      } catch {
        // Another process was faster.
      }
    }
    if (claimed.length === 0) return;
    // These files are older, and complete.
    for (const segment of claimed) segment.lines = await this.linesOf(segment);
    this.segments.unshift(...claimed);
    this.onClaimed();
  }

  private nextPath(): string {
    const number = String(this.number++).padStart(6, '0');
    return join(this.folder, `${this.prefix}${Date.now()}-${number}.${this.owner}.jsonl`);
  }
}

function fileNameOf(sink: string): string {
  return /^[\w-]{1,64}$/.test(sink) ? sink : createHash('sha256').update(sink).digest('hex').slice(0, 16);
}

/** Returns the first lines within both bounds, at least one. */
export function firstOf(lines: readonly string[], maxLines: number, maxChars: number): readonly string[] {
  let [count, chars] = [0, 0];
  while (count < lines.length && count < maxLines && (count === 0 || chars + lines[count].length <= maxChars))
    chars += lines[count++].length;
  return lines.slice(0, count);
}
