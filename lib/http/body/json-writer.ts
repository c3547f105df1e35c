import { largeJson } from './large-json.js';

/** JSON that is already serialized. */
export class WrittenJson {
  constructor(readonly bytes: Buffer) {}
}

/** Shorter texts are written in the turn of their neighbours. */
const SHORT_TEXT = 16 * 1024;

type Field = readonly [name: string, value: unknown];

/** Writes fields as an object: `WrittenJson` as its bytes, others as `JSON.stringify` does. */
export function writtenFields(fields: Iterable<Field>): Buffer {
  return Buffer.concat(writtenParts(fields));
}

/** The same in parts, which share the memory of `WrittenJson`. */
export function writtenParts(fields: Iterable<Field>): readonly Buffer[] {
  const parts: Buffer[] = [];
  let text = '';
  let separator = '{';
  for (const [name, value] of fields) {
    const json = value instanceof WrittenJson ? '' : JSON.stringify(value);
    // `undefined`, or a function.
    if (json === undefined) continue;
    text += `${separator}${JSON.stringify(name)}:${json}`;
    separator = ',';
    if (!(value instanceof WrittenJson)) continue;
    parts.push(Buffer.from(text), value.bytes);
    text = '';
  }
  parts.push(Buffer.from(separator === '{' ? '{}' : `${text}}`));
  return parts;
}

/** The fields with those written that may be long, each in turns of the event loop. */
export async function longWritten(fields: Iterable<Field>): Promise<readonly Field[]> {
  const written: Field[] = [];
  for (const [name, value] of fields) written.push([name, isLong(value) ? new WrittenJson(await largeJson(value)) : value]);
  return written;
}

function isLong(value: unknown): value is object | string {
  if (typeof value === 'string') return value.length > SHORT_TEXT;
  const isWritten = value instanceof WrittenJson || typeof (value as { readonly toJSON?: unknown } | null)?.toJSON === 'function';
  return typeof value === 'object' && value !== null && !isWritten;
}
