/** A block of content, in a request or an answer. */
export type Block = Readonly<Record<string, unknown>> & { readonly type: string };

/** One message of a request. */
export interface Turn {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: readonly Block[];
}

/** The tool whose input is the answer, for a schema that the model does not take otherwise. */
export const JSON_TOOL = 'json_tool_call';
