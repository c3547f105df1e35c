const SLOTS = 256;
/** Longer keys are decoded each time. */
const LONGEST = 32;
/** Keys of late: bodies have the same ones, and decoding one takes longer than scanning a field. */
const recent: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);

/** The text of these bytes, which belong to a key. */
export function keyText(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return '';
  const slot = (bytes[start + (length >> 1)] * 31 + bytes[end - 1] * 7 + length) % SLOTS;
  const known = recent[slot];
  if (known !== undefined && isTextOf(known, bytes, start, length)) return known;
  const text = bytes.toString('utf8', start, end);
  // Of ASCII alone, whose bytes are compared.
  if (length <= LONGEST && text.length === length) recent[slot] = text;
  return text;
}

function isTextOf(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
