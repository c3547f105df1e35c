import type { Fields } from '../common/objects.js';

/** The fields of a form of OpenAI's API, in which lists have `[]` after their names. */
export function formOf(fields: Fields): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) for (const each of value) form.append(`${name}[]`, textOf(each));
    else form.append(name, textOf(value));
  }
  return form;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** @param data bytes, or base64 */
export function bytesOf(data: Uint8Array | string): Uint8Array<ArrayBuffer> {
  return typeof data === 'string' ? Uint8Array.from(Buffer.from(data, 'base64')) : Uint8Array.from(data);
}
