/** `MALFORMED_FUNCTION_CALL`, `TOO_MANY_TOOL_CALLS` (Gemini), `malformed_tool_use` (Bedrock). */
const MISTAKE = /^(?:malformed|unexpected|missing|too_many)_/i;

/**
 * Whether a finish reason means that the model wrote something its service could not use. An answer
 * with nothing else is an error, so that it is retried; one with content is incomplete (`length`),
 * so that no client treats it as complete or runs its calls.
 */
export function isMistake(reason: unknown): reason is string {
  return typeof reason === 'string' && MISTAKE.test(reason);
}

/** The error for an answer without content, in OpenAI's format. */
export function mistakeError(reason: string): {
  readonly error: Readonly<Record<'message' | 'type' | 'code', string>> & { readonly param: null };
} {
  return { error: { message: `The model returned no answer (finish reason ${reason}).`, type: 'server_error', param: null, code: '500' } };
}
