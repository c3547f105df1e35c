const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const OPEN_OBJECT = '{'.charCodeAt(0);
const OPEN_ARRAY = '['.charCodeAt(0);

/** How many objects and arrays a JSON text has. The parser checks the syntax. */
export function containersIn(json: string): number {
  let count = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) inString = !inString;
    else if (inString) {
      if (code === BACKSLASH) at++;
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) count++;
  }
  return count;
}
