import type { ScannedField } from '../../json-body/engine/engine.js';
import { markedIndex } from '../../json-body/text-marks.js';
import type { Identifiable } from '../guard/client-key.js';
import type { JsonBody, Soon } from './json-body.js';

/** Shorter lists and objects without long texts are parsed at once. */
const PARSED_AT_ONCE = 1024;
/**
 * Bytes, or UTF-16 code units and values, of a body that is cheap to parse and count in one turn.
 */
export const LARGE_BODY = 16 * 1024;
/** A deeper structure counts as large: the walk is recursive. */
const DEEP = 128;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

type Headers = NonNullable<Identifiable['headers']>;

/** By the objects that apps see. */
const bodies = new WeakMap<object, BodyObject>();

/** A long field, which is parsed when it is read for the first time. */
interface LazyField {
  readonly get: () => unknown;
  /** Where its bytes are; `undefined` once it is read, or they are released. */
  source: JsonBody | undefined;
}

type Rewrite = (shown: BodyObject) => Promise<JsonBody | undefined>;

/** A field of an app's object. */
export interface CurrentField {
  readonly name: string;
  /** Its place in the bytes; `undefined` if the app has added or changed it. */
  readonly scanned: ScannedField | undefined;
}

/**
 * A JSON body as the plain object that an app sees: its long fields are accessors that parse on
 * first access. Detects exactly which fields the app has changed, because a field that was never
 * read is unchanged.
 */
export class BodyObject {
  readonly object: Record<string, unknown> = {};
  private readonly lazy = new Map<string, LazyField>();
  /** Long texts that the app has seen, by their index in the scan. */
  private texts: string[] = [];

  private constructor(
    private body: JsonBody | undefined,
    private readonly rewrite: Rewrite,
  ) {}

  /** @param rewrite serializes the app's changes */
  static of(body: JsonBody, rewrite: Rewrite): BodyObject {
    const made = new BodyObject(body, rewrite);
    for (const field of body.scan.fields) made.add(body, field);
    bodies.set(made.object, made);
    return made;
  }

  /** The bytes that came, or were written from the object since; `undefined` once released. */
  get json(): JsonBody | undefined {
    return this.body;
  }

  /** The bytes with the app's changes; `undefined` once they are released. */
  get current(): Soon<JsonBody | undefined> {
    return this.isChanged ? this.rewrite(this) : this.body;
  }

  /** Whether the app has changed, added or removed fields since the bytes were read or written. */
  private get isChanged(): boolean {
    const { body } = this;
    if (body === undefined) return false;
    const names = this.names();
    const { fields } = body.scan;
    if (names.length !== fields.length) return true;
    const scanned = fieldsByName(body);
    return !names.every((name) => this.isAsIn(body, name, scanned.get(name)));
  }

  /** The fields at this moment. */
  fields(body: JsonBody): readonly CurrentField[] {
    const scanned = fieldsByName(body);
    return this.names().map((name) => {
      const field = scanned.get(name);
      return { name, scanned: this.isAsIn(body, name, field) ? field : undefined };
    });
  }

  /** Takes bytes that were written from the object: from here on it is compared with these. */
  rewritten(body: JsonBody): void {
    this.body = body;
    this.texts = [];
  }

  /** From here on the object is an app's own. */
  forget(): void {
    this.body = undefined;
    bodies.delete(this.object);
  }

  /** Gives the bytes back. Long fields that were never read are `undefined` from here on. */
  release(): void {
    this.body?.release();
    this.forget();
    this.texts = [];
    for (const field of this.lazy.values()) field.source = undefined;
  }

  /** Of all fields that JSON has. */
  private names(): readonly string[] {
    const { object } = this;
    return Object.keys(object).filter((name) => this.isUnread(name) || object[name] !== undefined);
  }

  private add(body: JsonBody, field: ScannedField): void {
    const { name, valueStart, firstText, endText } = field;
    const first = body.bytes[valueStart];
    const isContainer = first === OPEN_OBJECT || first === OPEN_ARRAY;
    if (firstText < endText || (isContainer && !isShort(field))) this.addLazy(body, field);
    // Parsed again: the outline's own object would change with the app's, and can be long.
    else this.object[name] = body.valueOf(field);
  }

  private addLazy(body: JsonBody, field: ScannedField): void {
    const { object, lazy } = this;
    const { name } = field;
    let value: unknown;
    const settle = (settled: unknown): boolean =>
      Reflect.defineProperty(object, name, { value: settled, writable: true, enumerable: true, configurable: true });
    const get = (): unknown => {
      const { source } = own;
      if (source !== undefined) {
        own.source = undefined;
        value = source.valueOf(field);
        // The outline of all fields is parsed only if it contains more.
        if (field.firstText < field.endText) this.learn(value, this.body?.outline[name]);
        // Has no effect if the app has frozen the object.
        settle(value);
      }
      return value;
    };
    const set = (given: unknown): void => {
      if (!settle(given)) throw new TypeError(`Cannot assign to read only property '${name}' of object`);
    };
    const own: LazyField = { get, source: body };
    lazy.set(name, own);
    Object.defineProperty(object, name, { get, set, enumerable: true, configurable: true });
  }

  private isUnread(name: string): boolean {
    const field = this.lazy.get(name);
    return field?.source !== undefined && Object.getOwnPropertyDescriptor(this.object, name)?.get === field.get;
  }

  private isAsIn(body: JsonBody, name: string, field: ScannedField | undefined): boolean {
    if (field === undefined) return false;
    // The outline can be long; short fields and fields that are never read do not need it.
    if (this.isUnread(name)) return true;
    return this.isSame(this.object[name], isShort(field) ? body.valueOf(field) : body.outline[name], body);
  }

  /** Compares values one by one; long texts with the strings that were parsed. */
  private isSame(value: unknown, outlined: unknown, body: JsonBody): boolean {
    if (hasOwnJson(value)) return this.isSame(value.toJSON(), outlined, body);
    if (typeof outlined === 'string') {
      const index = markedIndex(outlined);
      return value === (index < 0 ? outlined : (this.texts[index] ??= body.textAt(index)));
    }
    if (typeof outlined !== 'object' || outlined === null) return value === outlined;
    if (typeof value !== 'object' || value === null) return false;
    if (Array.isArray(outlined)) {
      return Array.isArray(value) && value.length === outlined.length && outlined.every((each, at) => this.isSame(value[at], each, body));
    }
    const names = Object.keys(value);
    return (
      !Array.isArray(value) &&
      names.length === Object.keys(outlined).length &&
      names.every((name) => Object.hasOwn(outlined, name) && this.isSame(fieldOf(value, name), fieldOf(outlined, name), body))
    );
  }

  /** Remembers the texts that stand in the places of marks. */
  private learn(value: unknown, outlined: unknown): void {
    if (typeof outlined === 'string') {
      const index = markedIndex(outlined);
      if (index >= 0 && typeof value === 'string') this.texts[index] = value;
    } else if (typeof outlined === 'object' && outlined !== null && typeof value === 'object' && value !== null) {
      for (const name in outlined) this.learn(fieldOf(value, name), fieldOf(outlined, name));
    }
  }
}

/**
 * The bytes of a body that the gateway has read, with the app's changes; `undefined` for any other
 * object.
 */
export function jsonBodyOf(object: unknown): Soon<JsonBody | undefined> {
  return bodies.get(object as object)?.current;
}

/** The same without a look at changes. */
export function receivedBody(object: object): JsonBody | undefined {
  return bodies.get(object)?.json;
}

/**
 * Gives the bytes of a body back, once no attempt can need them. Long fields that the app has not
 * read are `undefined` from here on.
 */
export function releaseBody(object: unknown): void {
  bodies.get(object as object)?.release();
}

/** Whether the headers allow a body over 16 KiB: by its length, compressed or chunked. */
export function mayBeLarge(headers: Headers): boolean {
  const { 'content-length': length, 'content-encoding': encoding = 'identity' } = headers;
  if (encoding !== 'identity') return true;
  // A length that is not a number counts as large.
  return length === undefined ? headers['transfer-encoding'] !== undefined : !(Number(length) <= LARGE_BODY);
}

/** Whether a parsed body is over 16 KiB: by its headers, otherwise by its content. */
export function isLarge({ headers, body }: { readonly headers?: Headers; readonly body?: unknown }): boolean {
  if (typeof body !== 'object' || body === null) return typeof body === 'string' && body.length > LARGE_BODY;
  const received = receivedBody(body);
  if (received !== undefined) return isLargeBody(received.bytes);
  const statesSize = headers?.['content-length'] !== undefined || (headers?.['content-encoding'] ?? 'identity') !== 'identity';
  return headers !== undefined && statesSize ? mayBeLarge(headers) : weightLeft(body, LARGE_BODY, 0) < 0;
}

/** Whether a body that was read is over 16 KiB. */
export function isLargeBody(body: Buffer): boolean {
  return body.length > LARGE_BODY;
}

/** `budget` less the texts, keys and values of `value`; negative as soon as it is spent. */
function weightLeft(value: unknown, budget: number, depth: number): number {
  if (typeof value === 'string') return budget - value.length - 1;
  if (typeof value !== 'object' || value === null) return budget - 1;
  if (depth > DEEP) return -1;
  let left = budget - 1;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = weightLeft(value[i], left, depth + 1);
    return left;
  }
  for (const key in value) {
    left = weightLeft((value as Record<string, unknown>)[key], left - key.length, depth + 1);
    if (left < 0) break;
  }
  return left;
}

function fieldsByName({ scan }: JsonBody): ReadonlyMap<string, ScannedField> {
  return new Map(scan.fields.map((field) => [field.name, field]));
}

/** Without long texts. */
function isShort({ valueStart, valueEnd, firstText, endText }: ScannedField): boolean {
  return firstText === endText && valueEnd - valueStart <= PARSED_AT_ONCE;
}

function fieldOf(value: object, name: string): unknown {
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** A `Date`, for example. */
function hasOwnJson(value: unknown): value is { toJSON(): unknown } {
  return typeof (value as { readonly toJSON?: unknown } | null | undefined)?.toJSON === 'function';
}
