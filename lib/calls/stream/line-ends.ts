const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const NONE = Buffer.alloc(0);
const BYTE_ORDER_MARK = Buffer.from('\uFEFF');

/**
 * Server-sent events may end their lines with CR, LF or CR LF; what reads them here, and most
 * clients, know the last two. From the first CR alone on, each end of a stream becomes LF. A byte
 * order mark before it, which clients ignore, is left out: it hid the first event from hooks.
 */
export class LineEnds {
  private hasCrAlone = false;
  /** Whether the chunk before ended with a CR, whose LF may follow. */
  private isAfterCr = false;
  /** Bytes of a byte order mark that have arrived; `undefined` behind the beginning. */
  private marked: number | undefined = 0;

  /** The chunk itself where no CR stands alone, behind the beginning. */
  read(received: Buffer): Buffer {
    const chunk = this.marked === undefined ? received : this.withoutMark(received, this.marked);
    if (chunk.length === 0) return chunk;
    const { isAfterCr } = this;
    this.isAfterCr = chunk[chunk.length - 1] === CARRIAGE_RETURN;
    if (this.hasCrAlone) return withLineFeeds(isAfterCr && chunk[0] === LINE_FEED ? chunk.subarray(1) : chunk);
    const isCutCrAlone = isAfterCr && chunk[0] !== LINE_FEED;
    if (!isCutCrAlone && !hasCrAlone(chunk)) return chunk;
    this.hasCrAlone = true;
    // The CR has been passed on: this makes CR LF of it.
    return isCutCrAlone ? Buffer.concat([Buffer.of(LINE_FEED), withLineFeeds(chunk)]) : withLineFeeds(chunk);
  }

  /** What has arrived at the beginning, of which `marked` bytes are kept back. */
  private withoutMark(received: Buffer, marked: number): Buffer {
    let at = 0;
    while (at < received.length && marked + at < BYTE_ORDER_MARK.length && received[at] === BYTE_ORDER_MARK[marked + at]) at++;
    const isMark = marked + at === BYTE_ORDER_MARK.length;
    this.marked = !isMark && at === received.length ? marked + at : undefined;
    if (isMark || this.marked !== undefined) return received.subarray(at);
    return marked === 0 ? received : Buffer.concat([BYTE_ORDER_MARK.subarray(0, marked), received]);
  }
}

/** Whether a CR is followed by anything but LF. What follows the last byte is not known. */
function hasCrAlone(chunk: Buffer): boolean {
  const first = chunk.indexOf(CARRIAGE_RETURN);
  if (first < 0) return false;
  // No `indexOf` from CR to CR: 20 ns a call are ten times the loop where each line is empty.
  for (let at = first; at < chunk.length - 1; at++) {
    if (chunk[at] === CARRIAGE_RETURN && chunk[at + 1] !== LINE_FEED) return true;
  }
  return false;
}

function withLineFeeds(chunk: Buffer): Buffer {
  if (chunk.length === 0) return NONE;
  const written = Buffer.allocUnsafe(chunk.length);
  let length = 0;
  for (let at = 0; at < chunk.length; at++) {
    const isCr = chunk[at] === CARRIAGE_RETURN;
    written[length++] = isCr ? LINE_FEED : chunk[at];
    if (isCr && chunk[at + 1] === LINE_FEED) at++;
  }
  return written.subarray(0, length);
}
