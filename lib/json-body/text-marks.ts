/** Texts with more bytes than this between their quotes are replaced in an outline. */
export const LONGEST_SHORT_TEXT = 256;

/**
 * First character of a mark; the index of the text in `JsonScan.texts` follows in decimal. A text
 * that begins with it counts as long, so a text of the client is never taken for a mark.
 */
export const MARK = '\uf8ff';
const MARK_UNIT = 0xf8ff;

/** The index in `JsonScan.texts` that a string of a parsed outline refers to, or -1. */
export function markedIndex(text: string): number {
  return text.charCodeAt(0) === MARK_UNIT ? Number(text.slice(1)) : -1;
}

/** Decodes a text between its quotes. */
export function decodeJsonText(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString('utf8', start, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}
