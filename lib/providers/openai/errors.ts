import { type Fields, jsonIn } from '../../common/objects.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';

/** Errors within errors, as gateways in front of gateways have them. */
const DEEPEST = 4;

/**
 * The error that a body states, in OpenAI's format, `{ error: { message, … } }`, or another: `{
 * error: "…" }`, `{ message }`, a list of these (Gemini), an error within an error (Anthropic), `{
 * detail }` and lists of wrong fields (FastAPI, so Mistral and vLLM). Empty for anything else.
 */
export function errorIn(body: string): Partial<OpenAIErrorBody> {
  let said = fieldsOf(jsonIn(body));
  for (let depth = 0; depth < DEEPEST && said.error !== undefined && said.error !== null; depth++) {
    if (typeof said.error === 'string') return { message: said.error, type: text(said.type), code: text(said.code) };
    said = fieldsOf(said.error);
  }
  return { message: words(said.message) ?? words(said.detail), type: text(said.type), param: text(said.param), code: text(said.code) };
}

/**
 * Returns whether a JSON object has an error instead of an answer; `"error": null` does not count.
 */
export function hasError(json: string): boolean {
  return json.includes('"error"') && isError(fieldsOf(jsonIn(json)).error);
}

/** Whether the value of `error` is one. */
export function isError(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || (typeof value === 'string' && value !== '');
}

function fieldsOf(value: unknown): Fields {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'object' && first !== null ? (first as Fields) : {};
}

/** The first text in a value: of `{ detail: [{ loc: ["body", "tools"], msg: "…" }] }` too. */
function words(value: unknown, depth = 0): string | undefined {
  if (depth > DEEPEST || typeof value !== 'object' || value === null) return text(value);
  const { message, msg, detail, loc } = fieldsOf(value);
  const found = words(message ?? msg ?? detail, depth + 1);
  return found !== undefined && Array.isArray(loc) ? `${loc.map(text).join('.')}: ${found}` : found;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}
