import type { JsonBounds } from '../json-bounds.js';
import { LONGEST_SHORT_TEXT, MARK } from '../text-marks.js';
import type { JsonFault, JsonScan } from './engine.js';
import { keyText } from './key-text.js';
import { ObjectKeys } from './object-keys.js';
import { boundFault, duplicateFault, FIELD_NUMBERS, scanOf, syntaxFault, unescapedKey } from './results.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
/** Bit that makes an ASCII letter lower case. */
const LOWER = 0x20;

/** Any number of so many characters, without an exponent, is written as it was. */
const LONGEST_EXACT = 15;

/** What may follow. */
const VALUE = 0;
const VALUE_OR_END = 1;
const KEY_OR_END = 2;
const KEY = 3;
const COLON_NEXT = 4;
const VALUE_ENDED = 5;
const IN_STRING = 6;
const IN_NUMBER = 7;

/** Parts of a number; from `INTEGER` on with an even number, it may end there. */
const AFTER_MINUS = 1;
const ONLY_ZERO = 2;
const AFTER_DOT = 3;
const INTEGER = 4;
const AFTER_E = 5;
const FRACTION = 6;
const AFTER_SIGN = 7;
const EXPONENT = 8;

/** Bytes at which a string ends, or that it has to escape. */
const ENDS_RUN = new Uint8Array(256);
ENDS_RUN.fill(1, 0, 0x20);
ENDS_RUN[QUOTE] = ENDS_RUN[BACKSLASH] = 1;
const SINGLE_ESCAPES = new Uint8Array(256);
for (const escape of '"\\/bfnrt') SINGLE_ESCAPES[escape.charCodeAt(0)] = 1;

const LITERALS: Readonly<Record<number, Buffer>> = { 0x74: Buffer.from('true'), 0x66: Buffer.from('false'), 0x6e: Buffer.from('null') };
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const MARK_BYTES = [0xef, 0xa3, 0xbf];
const ESCAPED_MARK = '\\uf8ff';
const PROTOTYPE = '"__proto__';

/** Scans a JSON text in one pass, without recursion; can stop at any byte and go on. */
export class JsonScanner {
  /** The result, once the scan has ended. */
  result: JsonScan | JsonFault | undefined = undefined;

  private at: number;
  private expected = VALUE;
  private number = 0;
  private stringStart = 0;
  private isKey = false;
  private isObject = false;
  private hasOddNumbers = false;
  private numberStart = 0;
  private containers = 0;
  private values = 1;
  /** Whether the container on each level is an object, from level 1. */
  private readonly objects: boolean[] = [false];
  private depth = 0;
  private readonly keys: ObjectKeys[] = [];
  /** The quotes of the current field's key. */
  private fieldKey: [number, number] = [-1, -1];
  private valueStart = 0;
  private firstText = 0;
  private readonly fields: number[] = [];
  private readonly texts: number[] = [];
  private outline = '';
  /** Where the outline ends. */
  private outlined: number;

  constructor(
    private readonly bytes: Buffer,
    private readonly bounds: Required<JsonBounds>,
  ) {
    this.at = BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte) ? 3 : 0;
    this.outlined = this.at;
  }

  /** Goes on, to about `until`. */
  run(until: number): void {
    const { bytes } = this;
    const stop = Math.min(until, bytes.length);
    while (this.at < stop && this.result === undefined) {
      if (this.expected === IN_STRING) this.string(stop);
      else if (this.expected === IN_NUMBER) this.inNumber(stop);
      else this.token(bytes[this.at]);
    }
    if (this.result === undefined && this.at >= bytes.length) this.end();
  }

  private end(): void {
    if (this.expected === IN_NUMBER && this.number % 2 === 0) this.numberEnded();
    if (this.expected !== VALUE_ENDED || this.depth > 0) {
      this.result = syntaxFault(this.bytes, this.bytes.length);
      return;
    }
    const texts = Uint32Array.from(this.texts);
    const outline = texts.length === 0 ? undefined : this.outline + this.bytes.toString('utf8', this.outlined);
    const fields = { numbers: this.fields, from: 0, count: this.fields.length / FIELD_NUMBERS };
    const { isObject, hasOddNumbers } = this;
    this.result = scanOf(this.bytes, { isObject, hasOddNumbers, fields, texts, outline });
  }

  /** Takes the byte at `at`, outside of strings and numbers. */
  private token(byte: number): void {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
      this.at++;
      return;
    }
    switch (this.expected) {
      case VALUE_OR_END:
        if (byte === CLOSE_ARRAY) this.close();
        else this.value(byte);
        break;
      case KEY_OR_END:
      case KEY:
        if (byte === QUOTE) this.openString(true);
        else if (byte === CLOSE_OBJECT && this.expected === KEY_OR_END) this.close();
        else this.refuse();
        break;
      case COLON_NEXT:
        if (byte !== COLON) this.refuse();
        this.expected = VALUE;
        this.at++;
        break;
      case VALUE_ENDED:
        this.afterValue(byte);
        break;
      default:
        this.value(byte);
    }
  }

  private afterValue(byte: number): void {
    const isObject = this.objects[this.depth];
    if (this.depth === 0) this.refuse();
    else if (byte === COMMA) {
      if (++this.values > this.bounds.maxValues) this.exceeds('maxValues');
      this.expected = isObject ? KEY : VALUE;
      this.at++;
    } else if (byte === (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) this.close();
    else this.refuse();
  }

  private value(byte: number): void {
    if (this.depth === 1 && this.isObject) {
      this.valueStart = this.at;
      this.firstText = this.texts.length / 2;
    }
    if (byte === QUOTE) this.openString(false);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.open(byte === OPEN_OBJECT);
    else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) {
      this.number = byte === MINUS ? AFTER_MINUS : byte === ZERO ? ONLY_ZERO : INTEGER;
      this.expected = IN_NUMBER;
      this.numberStart = this.at++;
    } else this.literal(byte);
  }

  private literal(byte: number): void {
    const literal = LITERALS[byte];
    if (literal === undefined) {
      this.refuse();
      return;
    }
    for (const expected of literal) {
      if (this.bytes[this.at] !== expected) {
        this.refuse();
        return;
      }
      this.at++;
    }
    this.valueEnded();
  }

  private inNumber(stop: number): void {
    const { bytes } = this;
    let { at, number } = this;
    for (; at < stop; at++) {
      const next = afterDigitOr(number, bytes[at]);
      if (next === 0) break;
      number = next;
    }
    this.at = at;
    this.number = number;
    if (at === stop) return;
    if (number % 2 === 0) this.numberEnded();
    else this.refuse();
  }

  private numberEnded(): void {
    this.hasOddNumbers ||= mayChange(this.bytes, this.numberStart, this.at);
    this.valueEnded();
  }

  private open(isObject: boolean): void {
    const depth = ++this.depth;
    if (depth === 1) this.isObject = isObject;
    if (depth > this.bounds.maxDepth) this.exceeds('maxDepth');
    else if (++this.containers > this.bounds.maxContainers) this.exceeds('maxContainers');
    else if (++this.values > this.bounds.maxValues) this.exceeds('maxValues');
    this.objects[depth] = isObject;
    if (isObject) (this.keys[depth] ??= new ObjectKeys()).clear();
    this.expected = isObject ? KEY_OR_END : VALUE_OR_END;
    this.at++;
  }

  private close(): void {
    this.depth--;
    this.at++;
    this.valueEnded();
  }

  private valueEnded(): void {
    this.expected = VALUE_ENDED;
    if (this.depth === 1 && this.isObject)
      this.fields.push(...this.fieldKey, this.valueStart, this.at, this.firstText, this.texts.length / 2);
  }

  private openString(isKey: boolean): void {
    this.isKey = isKey;
    this.stringStart = this.at++;
    this.expected = IN_STRING;
  }

  private string(stop: number): void {
    const { bytes } = this;
    let { at } = this;
    while (at < stop) {
      while (at < stop && ENDS_RUN[bytes[at]] === 0) at++;
      this.at = at;
      if (at === stop) return;
      if (bytes[at] === QUOTE) {
        this.stringEnded();
        return;
      }
      if (bytes[at] !== BACKSLASH || !this.escape()) {
        this.refuse();
        return;
      }
      at = this.at;
    }
  }

  /** Skips the escape at `at`, or goes to its first wrong byte and returns false. */
  private escape(): boolean {
    const { bytes } = this;
    const escape = bytes[++this.at];
    if (SINGLE_ESCAPES[escape] === 1) {
      this.at++;
      return true;
    }
    if (escape !== LOWER_U) return false;
    for (let digit = 0; digit < 4; digit++) if (!isHexDigit(bytes[++this.at])) return false;
    this.at++;
    return true;
  }

  /** The closing quote is at `at`. */
  private stringEnded(): void {
    const { bytes, stringStart, at } = this;
    this.at++;
    if (this.isKey) {
      this.keyEnded(stringStart, at);
      this.expected = COLON_NEXT;
      return;
    }
    if (at - stringStart - 1 > LONGEST_SHORT_TEXT || isMark(bytes, stringStart + 1)) this.longText(stringStart + 1, at);
    this.valueEnded();
  }

  /** The outline grows with each text: a body of a million marks would stall the last turn. */
  private longText(start: number, end: number): void {
    this.outline += `${this.bytes.toString('utf8', this.outlined, start)}${MARK}${this.texts.length / 2}`;
    this.outlined = end;
    this.texts.push(start, end);
  }

  /** `start` and `end`: the quotes of the key. */
  private keyEnded(start: number, end: number): void {
    const keys = this.keys[this.depth];
    if (this.depth === 1) this.fieldKey = [start, end];
    if (keys.size >= this.bounds.maxKeys) {
      this.exceeds('maxKeys');
      return;
    }
    const raw = keyText(this.bytes, start, end);
    const quoted = raw.includes('\\') ? `"${unescapedKey(raw.slice(1))}` : raw;
    if (quoted === PROTOTYPE) this.result ??= { kind: 'prototype', at: start };
    else if (!keys.add(quoted)) this.result ??= duplicateFault(this.bytes, [start, end]);
  }

  private refuse(): void {
    this.result ??= syntaxFault(this.bytes, this.at);
  }

  private exceeds(bound: keyof JsonBounds): void {
    const isInField = this.isObject && this.depth > 1;
    this.result ??= boundFault(this.bytes, this.bounds, bound, isInField ? this.fieldKey : [-1, -1]);
  }
}

/** The part of a number after this byte, or 0 if the number does not go on with it. */
function afterDigitOr(number: number, byte: number): number {
  if (byte >= ZERO && byte <= NINE) {
    if (number === AFTER_MINUS) return byte === ZERO ? ONLY_ZERO : INTEGER;
    if (number === ONLY_ZERO) return 0;
    if (number === AFTER_DOT) return FRACTION;
    return number === AFTER_E || number === AFTER_SIGN ? EXPONENT : number;
  }
  if (byte === DOT) return number === ONLY_ZERO || number === INTEGER ? AFTER_DOT : 0;
  if ((byte | LOWER) === LOWER_E) return number === ONLY_ZERO || number === INTEGER || number === FRACTION ? AFTER_E : 0;
  return (byte === PLUS || byte === MINUS) && number === AFTER_E ? AFTER_SIGN : 0;
}

/** Whether JavaScript may write another number than that from `start` to `end`. */
function mayChange(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > LONGEST_EXACT) return true;
  let isZero = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if ((byte | LOWER) === LOWER_E) return true;
    if (byte > ZERO && byte <= NINE) isZero = false;
  }
  return isZero && bytes[start] === MINUS;
}

function isHexDigit(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const letter = byte | LOWER;
  return (byte >= ZERO && byte <= NINE) || (letter >= 0x61 && letter <= 0x66);
}

/** Whether the first character of the text that begins here is that of a mark. */
function isMark(bytes: Buffer, start: number): boolean {
  if (bytes[start] === MARK_BYTES[0]) return MARK_BYTES.every((byte, index) => bytes[start + index] === byte);
  return bytes[start] === BACKSLASH && bytes.toString('latin1', start, start + ESCAPED_MARK.length).toLowerCase() === ESCAPED_MARK;
}
