import { nextTurn } from '../../common/next-turn.js';

/** `"__proto__":`, with any of its characters as an escape. */
const PROTOTYPE_KEY =
  /"(?:_|\\u005[Ff]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[Ff])(?:t|\\u0074)(?:o|\\u006[Ff])(?:_|\\u005[Ff]){2}"[\t\n\r ]*:/;
const UTF8_BOM = /^\ufeff/;

/** UTF-16 units that are written in one turn of the event loop: one or two milliseconds. */
const UNITS_PER_TURN = 1 << 18;

/**
 * Writes a value as JSON. Long texts are written in several turns of the event loop, because 32 MiB
 * at once take 0.2 s; the rest in one, which takes less time than parsing it took.
 */
export async function largeJson(value: object | string): Promise<Buffer> {
  const long: string[] = [];
  const mark = `\u0000${Math.random()}`;
  // No text of the body can contain the mark, except by guessing it.
  const json = JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'string' && each.length > UNITS_PER_TURN ? mark + (long.push(each) - 1) : each,
  );
  await nextTurn();
  if (long.length === 0) return Buffer.from(json);
  const written = JSON.stringify(mark).slice(0, -1);
  const parts: Buffer[] = [];
  const [head, ...tails] = json.split(written);
  parts.push(Buffer.from(`${head}"`));
  for (const [index, tail] of tails.entries()) {
    for await (const part of textParts(long[index])) parts.push(part);
    parts.push(Buffer.from(tail.slice(String(index).length) + (index + 1 < tails.length ? '"' : '')));
  }
  return Buffer.concat(parts);
}

/** The JSON of a text, without its quotes. */
async function* textParts(text: string): AsyncGenerator<Buffer, void> {
  for (let start = 0, end: number; start < text.length; start = end) {
    end = Math.min(start + UNITS_PER_TURN, text.length);
    // A surrogate pair is not split.
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end--;
    yield Buffer.from(JSON.stringify(text.slice(start, end)).slice(1, -1));
    await nextTurn();
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/**
 * Parses a large JSON body. Decoding, the search for `__proto__` and parsing take a turn of the
 * event loop each: no other request waits longer than for the parser.
 * @throws SyntaxError for invalid JSON, and for a key `__proto__`.
 */
export async function parseLargeJson(body: Buffer): Promise<unknown> {
  await nextTurn();
  const text = body.toString().replace(UTF8_BOM, '');
  await nextTurn();
  if (PROTOTYPE_KEY.test(text)) throw new SyntaxError('a key is __proto__');
  await nextTurn();
  const value: unknown = JSON.parse(text);
  await nextTurn();
  return value;
}
