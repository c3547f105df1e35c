/**
 * A body of OpenAI's chat completions or embeddings. LiteLLM's own fields (`tags`, `num_retries`,
 * `fallbacks`, …) control the call and are not sent to providers.
 */
export type ModelRequest = Readonly<Record<string, unknown>> & { readonly model: string; readonly stream?: boolean | null };
