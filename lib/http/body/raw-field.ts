import { nextTurn } from '../../common/next-turn.js';
import type { ScannedField } from '../../json-body/engine/engine.js';
import type { JsonBody } from './json-body.js';
import { WrittenJson } from './json-writer.js';
import { MARK } from '../../json-body/text-marks.js';

/** A field that is forwarded as its original bytes. */
export class RawField extends WrittenJson {
  private parsed: { readonly value: unknown } | undefined = undefined;

  constructor(
    readonly body: JsonBody,
    private readonly field: ScannedField,
  ) {
    super(body.sliceOf(field));
  }

  /** Its value with marks instead of long texts: its structure is certain, and short texts. */
  get outlined(): unknown {
    return this.body.outline[this.field.name];
  }

  /** A text of `outlined`; for a mark, the long text that it replaces. */
  readonly textOf = (text: string): string => this.body.textOf(text);

  /** Its value, parsed once. */
  value(): unknown {
    return (this.parsed ??= { value: this.body.valueOf(this.field) }).value;
  }

  /** For code that writes it with other values. */
  toJSON(): unknown {
    return this.value();
  }
}

/** The value of a raw field, parsed, and any other value itself. */
export function plainValue(value: unknown): unknown {
  return value instanceof RawField ? value.value() : value;
}

/** A text that looks like a mark, so that the results could not be distinguished. */
class NeedsTexts extends Error {}

/**
 * A mark as a value: within a text its quotes would be escaped, and a key is followed by a colon.
 */
const WRITTEN_MARK = /"\uf8ff(\d{1,10})"(?!:)/g;

/** The JSON of an outline, with the bytes that came in the places of marks. */
function spliced(body: JsonBody, outlined: unknown): Buffer {
  const json = JSON.stringify(outlined);
  const parts: Buffer[] = [];
  let from = 0;
  for (const { index, 0: mark, 1: place } of json.matchAll(WRITTEN_MARK)) {
    parts.push(Buffer.from(json.slice(from, index + 1)), body.rawText(Number(place)));
    from = index + mark.length - 1;
  }
  parts.push(Buffer.from(json.slice(from)));
  return Buffer.concat(parts);
}

/**
 * Applies a change to a raw field, passing long texts on: the change works on the outline, and the
 * texts stay the bytes that came.
 * @param change gets a function for texts that it joins or looks into
 */
export function rewrittenBy(value: RawField, change: (value: unknown, textOf: (text: string) => string) => unknown): unknown {
  const { outlined, body } = value;
  const textOf = (text: string): string => {
    const whole = body.textOf(text);
    if (whole !== text && whole.startsWith(MARK)) throw new NeedsTexts();
    return whole;
  };
  try {
    const changed = change(outlined, textOf);
    if (typeof changed !== 'object' || changed === null) return changedBy(value, change);
    return changed === outlined ? value : new WrittenJson(spliced(body, changed));
  } catch (error) {
    if (error instanceof NeedsTexts) return changedBy(value, change);
    throw error;
  }
}

/**
 * Applies a change to a value. A raw field stays unchanged if the change returns its structure
 * itself. @param change gets a function for texts that decide: long ones are marks
 */
export function changedBy(value: unknown, change: (value: unknown, textOf: (text: string) => string) => unknown): unknown {
  if (!(value instanceof RawField)) return change(value, itself);
  const { outlined } = value;
  return change(outlined, value.textOf) === outlined ? value : change(value.value(), itself);
}

export function itself(text: string): string {
  return text;
}

/** The structure of a raw field, and any other value itself. */
export function outlineOf(value: unknown): unknown {
  return value instanceof RawField ? value.outlined : value;
}

/** Fields that may be long, and that protocols hand on without a look or by their structure. */
const PASSED: ReadonlySet<string> = new Set([
  'messages',
  'contents',
  'systemInstruction',
  'input',
  'prompt',
  'suffix',
  'system',
  'instructions',
  'tools',
  'functions',
  'documents',
]);

/** Fields that protocols pass on unread; they can contain large integers or long schemas. */
const UNREAD: ReadonlySet<string> = new Set(['seed', 'response_format', 'text', 'logit_bias']);

/** Longer values are not written in the turn of their neighbours. */
const LONGEST_SHORT_FIELD = 16 * 1024;

/**
 * Whether fields are written in one turn of the event loop: none that may be long is a value.
 * @param body that they were made of
 */
export function areShort(fields: Readonly<Record<string, unknown>>, body: JsonBody | undefined): boolean {
  const isLong = (name: string, value: unknown): boolean => {
    if (typeof value === 'string') return value.length > LONGEST_SHORT_FIELD;
    return PASSED.has(name) && typeof value === 'object' && value !== null && !(value instanceof WrittenJson);
  };
  for (const name in fields) if (isLong(name, fields[name])) return false;
  // Any other long value, regardless of its name.
  return body?.scan.fields.every((field) => PASSED.has(field.name) || !isLongField(field)) ?? true;
}

function isLongField({ valueStart, valueEnd }: ScannedField): boolean {
  return valueEnd - valueStart > LONGEST_SHORT_FIELD;
}

/** The fields of a body for a protocol that passes them: long ones are `RawField`s. */
export function fieldsToPass(body: JsonBody): Readonly<Record<string, unknown>> {
  const { outline, scan } = body;
  const fields: Record<string, unknown> = {};
  for (const field of scan.fields) {
    const { name, firstText, endText } = field;
    const isPlain = firstText === endText && (typeof outline[name] !== 'object' || outline[name] === null);
    const isPassed = isPlain ? false : PASSED.has(name);
    if (isPassed || (UNREAD.has(name) && typeof outline[name] !== 'string' && (scan.hasOddNumbers || isLongField(field))))
      fields[name] = new RawField(body, field);
    else fields[name] = firstText === endText ? outline[name] : body.valueOf(field);
  }
  return fields;
}

/**
 * The fields of a body for code that reads them all. Fields missing from the outline are parsed,
 * each in its own turn of the event loop. Must not be changed.
 */
export async function fieldsInTurns(body: JsonBody): Promise<Readonly<Record<string, unknown>>> {
  const { outline, scan } = body;
  const fields: Record<string, unknown> = {};
  for (const field of scan.fields) {
    const { name, firstText, endText } = field;
    if (firstText < endText) await nextTurn();
    fields[name] = firstText < endText ? body.valueOf(field) : outline[name];
  }
  await nextTurn();
  return fields;
}
