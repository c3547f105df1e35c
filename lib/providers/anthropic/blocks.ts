/** A block of content, in a request or an answer. */
export type Block = Readonly<Record<string, unknown>> & { readonly type: string };

/** One message of a request. */
export interface Turn {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: readonly Block[];
}

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a JSON object; none for anything else. */
export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {};
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The tool whose input is the answer, for a schema that the model does not take otherwise. */
export const JSON_TOOL = 'json_tool_call';
