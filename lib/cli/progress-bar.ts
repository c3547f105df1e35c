import { visibleText } from '../common/visible-text.js';
import type { CommandIo } from './command.js';

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
/** Short work shows no bar. */
const FIRST_DRAW_MS = 500;
const MEBIBYTE = 1024 * 1024;
/** Back to the start of the line, and erases it. */
const CLEAR_LINE = '\r\x1b[K';

/** A progress bar on the terminal. Prints nothing unless the stream is a TTY. */
export class ProgressBar {
  private readonly startedMs: number;
  private drawnMs: number;
  private isDrawn = false;
  private doneBytes = 0;

  /**
   * @param totalBytes 0 if it is not known
   * @param nowMs a clock that does not go back
   */
  constructor(
    private readonly out: CommandIo['stderr'],
    private readonly totalBytes: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.startedMs = nowMs();
    this.drawnMs = this.startedMs + FIRST_DRAW_MS - REDRAW_MS;
  }

  /** Bytes were read, of a file with this name. */
  add(bytes: number, name: string): void {
    this.doneBytes += bytes;
    const now = this.nowMs();
    if (this.out.isTTY !== true || now - this.drawnMs < REDRAW_MS) return;
    this.drawnMs = now;
    this.isDrawn = true;
    // A longer line would wrap, and the next one would be drawn below it.
    this.out.write(CLEAR_LINE + this.line(visibleText(name), now - this.startedMs).slice(0, (this.out.columns ?? 80) - 1));
  }

  /** Erases the line: the result follows. */
  end(): void {
    if (this.isDrawn) this.out.write(CLEAR_LINE);
  }

  private line(name: string, elapsedMs: number): string {
    const done = this.doneBytes / MEBIBYTE;
    const rate = `${((done / Math.max(1, elapsedMs)) * 1000).toFixed(1)} MiB/s`;
    if (this.totalBytes === 0) return `${done.toFixed(1)} MiB  ${rate}  ${name}`;
    const share = Math.min(1, this.doneBytes / this.totalBytes);
    const bar = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
    return `[${bar}] ${Math.floor(share * 100)} %  ${done.toFixed(1)}/${(this.totalBytes / MEBIBYTE).toFixed(1)} MiB  ${rate}  ${name}`;
  }
}
