/** Every escape in JSON, and those that `jsonb` rejects: U+0000 and unpaired surrogates. */
const ESCAPES = /\\(?:u[0-9a-f]{4}|[^u])/g;
const UNSTORABLE = /^\\u(?:0000|d[89a-f])/;

/** Replaces characters that `jsonb` cannot store with U+FFFD. */
export function storableJson(json: string): string {
  if (!json.includes('\\u')) return json;
  return json.replace(ESCAPES, (escape) => (UNSTORABLE.test(escape) ? '\\ufffd' : escape));
}
