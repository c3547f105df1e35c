/** Every escape of a JSON text, and those that `jsonb` rejects: U+0000 and halves of a pair. */
const ESCAPES = /\\(?:u[0-9a-f]{4}|[^u])/g;
const UNSTORABLE = /^\\u(?:0000|d[89a-f])/;

/** A JSON text that `jsonb` accepts: what PostgreSQL cannot store becomes U+FFFD. */
export function storableJson(json: string): string {
  if (!json.includes('\\u')) return json;
  return json.replace(ESCAPES, (escape) => (UNSTORABLE.test(escape) ? '\\ufffd' : escape));
}
