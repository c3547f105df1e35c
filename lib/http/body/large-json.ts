import { inTurns, nextTurn } from '../../common/next-turn.js';

/** `"__proto__":`, with any of its characters as an escape. */
const PROTOTYPE_KEY =
  /"(?:_|\\u005[Ff]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[Ff])(?:t|\\u0074)(?:o|\\u006[Ff])(?:_|\\u005[Ff]){2}"[\t\n\r ]*:/;
const UTF8_BOM = /^\ufeff/;

/** UTF-16 code units written in one step, which takes less than a millisecond. */
const UNITS_PER_STEP = 1 << 16;
const VALUES_PER_STEP = 1 << 9;
/** Deeper values are written at once, so that `JSON.stringify` reports cycles and the like. */
const MOST_LEVELS = 1000;

/** Writes a value as JSON, in turns of the event loop: 8 MiB of numbers at once take 0.2 s. */
export async function largeJson(value: object | string): Promise<Buffer> {
  await nextTurn();
  return inTurns(new JsonSteps().write(value));
}

/** A list or an object that is being written. */
interface OpenValue {
  readonly value: Readonly<Record<string, unknown>>;
  /** Of an object. */
  readonly names: readonly string[] | undefined;
  readonly length: number;
  at: number;
  separator: string;
}

/** Produces the output of `JSON.stringify` in steps. */
class JsonSteps {
  private readonly parts: Buffer[] = [];
  private text = '';
  private readonly open: OpenValue[] = [];

  *write(value: object | string): Generator<undefined, Buffer> {
    const steps = this.value('', value, false);
    if (steps !== undefined) yield* steps;
    for (let left = VALUES_PER_STEP, last = this.open.at(-1); last !== undefined; last = this.open.at(-1)) {
      const inner = this.next(last);
      if (inner !== undefined) yield* inner;
      if (--left > 0 && this.text.length < UNITS_PER_STEP) continue;
      left = VALUES_PER_STEP;
      this.flush();
      yield;
    }
    this.flush();
    return Buffer.concat(this.parts);
  }

  /** The next entry of a value that is open, or its end. */
  private next(of: OpenValue): Iterable<undefined> | undefined {
    const { names, at, separator } = of;
    if (at === of.length) {
      this.text += names === undefined ? ']' : '}';
      this.open.pop();
      return undefined;
    }
    of.at++;
    const name = names?.[at];
    const head = name === undefined ? separator : `${separator}${JSON.stringify(name)}:`;
    return this.value(head, of.value[name ?? at], name !== undefined, of);
  }

  /** Writes a value, or opens it; a long text takes steps. */
  private value(head: string, value: unknown, isNamed: boolean, of?: OpenValue): Iterable<undefined> | undefined {
    const isLong = typeof value === 'string' && value.length > UNITS_PER_STEP;
    const isOpened = !isLong && this.open.length < MOST_LEVELS && isPlain(value);
    const json = isLong || isOpened ? '' : (JSON.stringify(value) as string | undefined);
    // A function, or `undefined`.
    if (json === undefined && isNamed) return undefined;
    if (of !== undefined) of.separator = ',';
    this.text += head + (json ?? 'null');
    if (isLong) return this.longText(value);
    if (isOpened) this.begin(value);
    return undefined;
  }

  private begin(value: OpenValue['value']): void {
    const names = Array.isArray(value) ? undefined : Object.keys(value);
    this.text += names === undefined ? '[' : '{';
    this.open.push({ value, names, length: names?.length ?? (value as { readonly length: number }).length, at: 0, separator: '' });
  }

  private *longText(text: string): Generator<undefined> {
    this.text += '"';
    for (let start = 0, end: number; start < text.length; start = end) {
      end = Math.min(start + UNITS_PER_STEP, text.length);
      // A surrogate pair is not split.
      if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end--;
      this.text += JSON.stringify(text.slice(start, end)).slice(1, -1);
      this.flush();
      yield;
    }
    this.text += '"';
  }

  private flush(): void {
    this.parts.push(Buffer.from(this.text));
    this.text = '';
  }
}

/** A list or an object without JSON of its own. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === 'function') return false;
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
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
