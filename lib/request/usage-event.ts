const END = Buffer.from('\n\n');
const NONE = Buffer.alloc(0);

/**
 * Takes the event that carries only the usage out of a stream: for callers who have not asked for it, and may stumble over an event without choices.
 * All other bytes pass as they are.
 */
export class UsageEventFilter {
  private carry: Buffer = NONE;

  /** What of `chunk`, and of what was kept back before, is to be passed on: whole events. */
  pass(chunk: Buffer): Buffer {
    const bytes = this.carry.length === 0 ? chunk : Buffer.concat([this.carry, chunk]);
    const end = bytes.lastIndexOf(END) + END.length;
    if (end < END.length) {
      this.carry = bytes;
      return NONE;
    }
    this.carry = end === bytes.length ? NONE : bytes.subarray(end);
    const whole = end === bytes.length ? bytes : bytes.subarray(0, end);
    return whole.includes('"usage"') ? withoutUsage(whole) : whole;
  }

  /** What is left at the end: an event that was not finished. */
  rest(): Buffer {
    const { carry } = this;
    this.carry = NONE;
    return carry;
  }
}

function withoutUsage(events: Buffer): Buffer {
  const kept: Buffer[] = [];
  for (let start = 0; start < events.length;) {
    const end = events.indexOf(END, start) + END.length;
    const event = events.subarray(start, end);
    if (!isUsageOnly(event)) kept.push(event);
    start = end;
  }
  return Buffer.concat(kept);
}

function isUsageOnly(event: Buffer): boolean {
  const text = event.toString('utf8').trim();
  if (!text.startsWith('data:') || !/"choices": *\[\]/.test(text)) return false;
  try {
    const { choices, usage } = JSON.parse(text.slice(5)) as { readonly choices?: unknown; readonly usage?: unknown };
    return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
  } catch {
    return false;
  }
}
