import { fieldsOf, type Fields } from '../../common/objects.js';

/**
 * A field of Google's JSON, which also has the spelling of protocol buffers: `functionCall`,
 * `function_call`.
 */
export function field(of: Fields, name: string): unknown {
  return of[name] ?? of[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] ?? undefined;
}

/** The same for an object; empty without it. */
export function objectField(of: Fields, name: string): Fields {
  return fieldsOf(field(of, name));
}

/** A text that is not empty. */
export function textField(of: Fields, name: string): string | undefined {
  const value = field(of, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
