/** Controls of terminals, ends of lines, and marks that reverse the direction of a text. */
const HIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/gu;

/** Most texts: no look at each character's properties is needed. */
const PLAIN = /^[ -~]*$/;

/**
 * A name from outside for a line of a log or a terminal: `\x1b` stands for an escape character.
 * Unchanged, a name could write lines of its own, or send commands to the terminal.
 */
export function visibleText(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(HIDDEN, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
  });
}

/**
 * The beginning of a text from outside, to keep: V8's slices keep the whole text in memory, which
 * can have megabytes.
 */
export function copiedStart(text: string, most: number): string {
  return text.length > most ? Buffer.from(text.slice(0, most), 'utf16le').toString('utf16le') : text;
}

/** A text from outside that an error repeats: clients and logs get no megabytes back. */
export function shortened(text: string, most = 100): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
