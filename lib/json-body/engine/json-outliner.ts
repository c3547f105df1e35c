import type { JsonBounds } from '../json-bounds.js';
import { LONGEST_SHORT_TEXT, MARK } from '../text-marks.js';
import type { JsonFault, JsonScan } from './engine.js';
import { boundFault, duplicateFault, FIELD_NUMBERS, keyIn, scanOf } from './results.js';

const [QUOTE, BACKSLASH, COMMA, COLON, MINUS] = Buffer.from('"\\,:-');
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('[]{}');
const [TAB, LINE_FEED, CARRIAGE_RETURN, SPACE] = Buffer.from('\t\n\r ');
const [ZERO, NINE, LOWER_E, UPPER_E] = Buffer.from('09eE');
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
const MARK_BYTES = Buffer.from(MARK);
const ESCAPED_MARK = '\\uf8ff';
const PROTOTYPE = '"__proto__';
/** Any number of so many characters, without an exponent, is written as it was. */
const LONGEST_EXACT = 15;
/** Bytes of one step: at most 2 ms. */
const BYTES_PER_STEP = 1 << 15;

/**
 * Lists fields, keys and long texts of a JSON text, and counts its values, without recursion. It
 * does not check the grammar: its result is exact up to the first byte that is not JSON, and
 * `JSON.parse` gets no further.
 */
export class JsonOutliner {
  private at: number;
  private depth = 0;
  private containers = 0;
  private values = 1;
  private isObject = false;
  private hasOddNumbers = false;
  private isKeyNext = false;
  /** Keys of the open object on each level; `undefined` for an array. */
  private readonly keys: (Set<string> | undefined)[] = [];
  /** The quotes of the current field's key. */
  private fieldKey: readonly [number, number] = [-1, -1];
  private valueStart = -1;
  private firstText = 0;
  private readonly fields: number[] = [];
  private readonly texts: number[] = [];
  private outline = '';
  /** Where the outline ends. */
  private outlined: number;
  private fault: JsonFault | undefined = undefined;

  constructor(
    private readonly bytes: Buffer,
    private readonly bounds: Required<JsonBounds>,
  ) {
    const isMarked = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
    this.at = this.outlined = isMarked ? BYTE_ORDER_MARK.length : 0;
  }

  /** @throws SyntaxError for a key that is not JSON */
  *scan(): Generator<undefined, JsonScan | JsonFault> {
    const { bytes } = this;
    for (let stepEnd = BYTES_PER_STEP; this.at < bytes.length; this.token(bytes[this.at])) {
      if (this.fault !== undefined) return this.fault;
      if (this.at < stepEnd) continue;
      stepEnd = this.at + BYTES_PER_STEP;
      yield;
    }
    if (this.fault !== undefined) return this.fault;
    const texts = Uint32Array.from(this.texts);
    const outline = texts.length === 0 ? undefined : this.outline + bytes.toString('utf8', this.outlined);
    const fields = { numbers: this.fields, from: 0, count: this.fields.length / FIELD_NUMBERS };
    const { isObject, hasOddNumbers } = this;
    return scanOf(bytes, { isObject, hasOddNumbers, fields, texts, outline });
  }

  private token(byte: number): void {
    switch (byte) {
      case TAB:
      case LINE_FEED:
      case CARRIAGE_RETURN:
      case SPACE:
      case COLON:
        this.at++;
        break;
      case QUOTE:
        if (this.isKeyNext) this.key();
        else this.text();
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        this.open(byte === OPEN_OBJECT);
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        this.depth--;
        this.at++;
        this.isKeyNext = false;
        this.valueEnded();
        break;
      case COMMA:
        if (++this.values > this.bounds.maxValues) this.exceeds('maxValues');
        this.isKeyNext = this.keys[this.depth] !== undefined;
        this.at++;
        break;
      default:
        this.scalar();
    }
  }

  private open(isObject: boolean): void {
    this.valueBegins();
    const depth = ++this.depth;
    if (depth === 1) this.isObject = isObject;
    if (depth > this.bounds.maxDepth) this.exceeds('maxDepth');
    else if (++this.containers > this.bounds.maxContainers) this.exceeds('maxContainers');
    else if (++this.values > this.bounds.maxValues) this.exceeds('maxValues');
    this.keys[depth] = isObject ? new Set() : undefined;
    this.isKeyNext = isObject;
    this.at++;
  }

  /**
   * Keys are compared with a quote in front: V8 hashes digits alone to their number, and a client
   * could choose keys that all collide.
   */
  private key(): void {
    const [start, end] = [this.at, this.stringEnd()];
    this.isKeyNext = false;
    if (this.depth === 1) this.fieldKey = [start, end];
    const keys = this.keys[this.depth] as Set<string>;
    if (keys.size >= this.bounds.maxKeys) return this.exceeds('maxKeys');
    const quoted = `"${keyIn(this.bytes, start + 1, end)}`;
    if (quoted === PROTOTYPE) this.fault ??= { kind: 'prototype', at: start };
    else if (keys.size === keys.add(quoted).size) this.fault ??= duplicateFault(this.bytes, [start, end]);
  }

  private text(): void {
    this.valueBegins();
    const start = this.at + 1;
    const end = this.stringEnd();
    if (end - start > LONGEST_SHORT_TEXT || this.beginsWithMark(start)) {
      this.outline += `${this.bytes.toString('utf8', this.outlined, start)}${MARK}${this.texts.length / 2}`;
      this.outlined = end;
      this.texts.push(start, end);
    }
    this.valueEnded();
  }

  /** The place of a string's closing quote, and goes after it. */
  private stringEnd(): number {
    const { bytes } = this;
    let at = this.at + 1;
    while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    this.at = at + 1;
    return at;
  }

  private beginsWithMark(start: number): boolean {
    const { bytes } = this;
    if (bytes[start] === MARK_BYTES[0]) return MARK_BYTES.equals(bytes.subarray(start, start + MARK_BYTES.length));
    return bytes[start] === BACKSLASH && bytes.toString('latin1', start, start + ESCAPED_MARK.length).toLowerCase() === ESCAPED_MARK;
  }

  /** A number or a literal. */
  private scalar(): void {
    this.valueBegins();
    const { bytes } = this;
    const start = this.at;
    let at = start + 1;
    while (at < bytes.length && !endsScalar(bytes[at])) at++;
    this.at = at;
    this.hasOddNumbers ||= mayChange(bytes, start, at);
    this.valueEnded();
  }

  private valueBegins(): void {
    if (this.depth !== 1 || !this.isObject) return;
    this.valueStart = this.at;
    this.firstText = this.texts.length / 2;
  }

  private valueEnded(): void {
    if (this.depth !== 1 || !this.isObject) return;
    this.fields.push(...this.fieldKey, this.valueStart, this.at, this.firstText, this.texts.length / 2);
  }

  private exceeds(bound: keyof JsonBounds): void {
    const isInField = this.isObject && this.depth > 1;
    this.fault ??= boundFault(this.bytes, this.bounds, bound, isInField ? this.fieldKey : [-1, -1]);
  }
}

function endsScalar(byte: number): boolean {
  return byte <= SPACE || byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY;
}

/** Whether JavaScript may write another number than that from `start` to `end`. */
function mayChange(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start] !== MINUS && (bytes[start] < ZERO || bytes[start] > NINE)) return false;
  if (end - start > LONGEST_EXACT) return true;
  let isZero = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === LOWER_E || byte === UPPER_E) return true;
    if (byte > ZERO) isZero = false;
  }
  return isZero && bytes[start] === MINUS;
}
