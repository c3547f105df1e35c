/** `MALFORMED_FUNCTION_CALL`, `TOO_MANY_TOOL_CALLS` (Gemini), `malformed_tool_use` (Bedrock). */
const MISTAKE = /^(?:malformed|unexpected|missing|too_many)_/i;

/**
 * Whether a finish reason says that the model wrote what its service could not use. An answer with
 * nothing else is an error, so that another attempt is made; one with content is incomplete
 * (`length`), so that no client takes it for whole or runs its calls.
 */
export function isMistake(reason: unknown): reason is string {
  return typeof reason === 'string' && MISTAKE.test(reason);
}

/** The error in place of an answer that has no content, in OpenAI's shape. */
export function mistakeError(reason: string): {
  readonly error: Readonly<Record<'message' | 'type' | 'code', string>> & { readonly param: null };
} {
  return { error: { message: `The model gave no answer (finish reason ${reason}).`, type: 'server_error', param: null, code: '500' } };
}
