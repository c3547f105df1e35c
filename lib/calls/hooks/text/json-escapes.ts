const ESCAPE = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[\da-fA-F]{4}|[^u])/y;
const FIRST_HALF = /^\\u[dD][89abAB]/;
const LONGEST = '\\ud83d\\ude00'.length;

/** Replaces escapes with their characters if JSON allows it, because hooks search for words. */
export class JsonEscapes {
  /** A partial escape that the next text may complete. */
  private open = '';

  /** The next part of one JSON text. @param isLast whether no other follows */
  read(part: string, isLast: boolean): string {
    const text = this.open + part;
    this.open = '';
    let written = '';
    let from = 0;
    for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', from)) {
      ESCAPE.lastIndex = at;
      const [escape] = ESCAPE.exec(text) ?? [];
      const isOpen = !isLast && text.length - at < LONGEST && (escape === undefined || FIRST_HALF.test(escape));
      written += text.slice(from, at);
      if (isOpen) {
        this.open = text.slice(at);
        return written;
      }
      written += escape === undefined ? '\\' : unescaped(escape);
      from = at + (escape?.length ?? 1);
    }
    return from === 0 ? text : written + text.slice(from);
  }
}

/** Quotes, backslashes, control characters and halves of a character stay escaped. */
function unescaped(escape: string): string {
  if (escape === '\\/') return '/';
  if (escape.length < 6) return escape;
  const units = escape.split('\\u').slice(1);
  const text = String.fromCharCode(...units.map((unit) => Number.parseInt(unit, 16)));
  return text < ' ' || text === '"' || text === '\\' || (text.length === 1 && text >= '\ud800' && text <= '\udfff') ? escape : text;
}
