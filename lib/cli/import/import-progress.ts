import type { CommandIo } from '../command.js';

const REDRAW_MS = 100;
/** Back to the start of the line, and erases it. */
const CLEAR_LINE = '\r\x1b[K';

/** A line with the rows that are done. Prints nothing unless the stream is a TTY. */
export class ImportProgress {
  private table = '';
  private total = 0;
  private done = 0;
  private drawnMs = 0;

  constructor(
    private readonly out: CommandIo['stderr'],
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  begin(table: string, total: number): void {
    [this.table, this.total, this.done] = [table, total, 0];
  }

  add(rows: number): void {
    this.done += rows;
    const now = this.nowMs();
    if (this.out.isTTY !== true || now - this.drawnMs < REDRAW_MS) return;
    this.drawnMs = now;
    this.out.write(`${CLEAR_LINE}${this.table} ${this.done.toLocaleString('en-US')}/${this.total.toLocaleString('en-US')}`);
  }

  end(): void {
    if (this.out.isTTY === true && this.drawnMs > 0) this.out.write(CLEAR_LINE);
    this.drawnMs = 0;
  }
}
