import { BufferList } from '../../common/buffer-list.js';
import { dataOf } from '../../providers/events/sse-reader.js';

/** The empty line that ends an event. A server writes one kind only, most the first. */
const ENDS = [Buffer.from('\n\n'), Buffer.from('\r\n\r\n')] as const;
const NONE = Buffer.alloc(0);

const LINE_FEED = 10;
const [SPACE, COLON, QUOTE, FIRST_OF_NULL] = Buffer.from(' :"n');
/** Without its first quote: a search stops at each byte like the first, and events have many. */
const USAGE = Buffer.from('usage"');
const LONGEST_END = 4;
/** At most this many bytes of a cut end stand in the chunks before. */
const LONGEST_EDGE = LONGEST_END - 1;

/** The last bytes, where they may begin an end; empty where the end is complete. */
function edgeOf(bytes: Buffer): Buffer {
  if (endsAnEvent(bytes) || bytes.subarray(-ENDS[1].length).equals(ENDS[1])) return NONE;
  const edge = bytes.subarray(-LONGEST_EDGE);
  const [end] = ENDS;
  const at = edge.indexOf(end);
  return at < 0 ? edge : edge.subarray(at + end.length);
}

/**
 * Passes a stream on by whole events: behind a cut one, no client could read an error event. It can
 * remove the event that carries only the usage, because clients that did not ask for it may fail on
 * an event without choices.
 */
export class EventFilter {
  /** Bytes of the unfinished event: it may arrive in thousands of chunks. */
  private readonly carried = new BufferList();
  private edge: Buffer = NONE;

  constructor(private readonly hidesUsage: boolean) {}

  /** Returns the whole events in what has arrived at once and in what was kept back before. */
  pass(chunks: readonly Buffer[]): Buffer {
    const { carried } = this;
    if (carried.length === 0 && endsAnEvent(chunks[chunks.length - 1])) return this.cleared(joined(chunks), ENDS[0]);
    for (const chunk of chunks) carried.push(chunk);
    if (!this.hasEnd(chunks)) return NONE;
    const bytes = carried.take();
    for (const separator of ENDS) {
      const at = bytes.lastIndexOf(separator);
      if (at < 0) continue;
      const end = at + separator.length;
      if (end < bytes.length) carried.push(bytes.subarray(end));
      return this.cleared(end === bytes.length ? bytes : bytes.subarray(0, end), separator);
    }
    carried.push(bytes);
    return NONE;
  }

  /** Whether an event ends in `chunks`, the first of which follows `edge`. */
  private hasEnd(chunks: readonly Buffer[]): boolean {
    let isFound = false;
    for (const chunk of chunks) {
      const start = this.edge.length === 0 ? chunk : Buffer.concat([this.edge, chunk.subarray(0, LONGEST_END)]);
      isFound ||= ENDS.some((end) => start.includes(end) || chunk.includes(end));
      this.edge = edgeOf(chunk.length < LONGEST_END ? start : chunk);
    }
    return isFound;
  }

  /** Returns the unfinished event at the end of the stream. */
  rest(): Buffer {
    return this.carried.take();
  }

  private cleared(events: Buffer, separator: Buffer): Buffer {
    return this.hidesUsage && hasUsage(events) ? withoutUsage(events, separator) : events;
  }
}

function joined(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

/** Whether it has a `"usage"` other than `null`, which OpenAI writes into every event. */
export function hasUsage(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(USAGE); at >= 0; at = bytes.indexOf(USAGE, at)) {
    const isKey = bytes[at - 1] === QUOTE;
    at += USAGE.length;
    while (bytes[at] === SPACE || bytes[at] === COLON) at++;
    if (isKey && bytes[at] !== FIRST_OF_NULL) return true;
  }
  return false;
}

/** Whether it ends with the first of `ENDS`, as most chunks do. */
function endsAnEvent(chunk: Buffer): boolean {
  const { length } = chunk;
  return length > 1 && chunk[length - 1] === LINE_FEED && chunk[length - 2] === LINE_FEED;
}

function withoutUsage(events: Buffer, separator: Buffer): Buffer {
  const kept: Buffer[] = [];
  for (let start = 0; start < events.length;) {
    const end = events.indexOf(separator, start) + separator.length;
    const event = events.subarray(start, end);
    if (!isUsageOnly(event)) kept.push(event);
    start = end;
  }
  return Buffer.concat(kept);
}

function isUsageOnly(event: Buffer): boolean {
  const text = event.toString('utf8');
  if (!/"choices": *\[\]/.test(text)) return false;
  try {
    const { choices, usage } = JSON.parse(dataOf(text.trimStart()) ?? '') as { readonly choices?: unknown; readonly usage?: unknown };
    return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
  } catch {
    return false;
  }
}
