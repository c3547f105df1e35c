import type { Deployment } from './call/call-router.js';
import type { CallFacts } from './answer/llm-answer.js';
import type { CallOptions } from './request.js';

/** What a `send` is told besides the deployment. */
export interface SendContext {
  /** Aborted when the time is up, or nobody waits for the answer any more: to be handed to whatever sends. */
  readonly signal: AbortSignal;
  /** From 1, over all retries and fallbacks. */
  readonly attempt: number;
  /** As the provider knows it: `gpt-4o` of `openai/gpt-4o`. */
  readonly model: string;
  /** The group that the deployment belongs to. */
  readonly group: string;
  /** What a fallback says that the request has otherwise. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/** Sends one request to one deployment, by whatever client. Its own retries have to be off. */
export type Send<T> = (deployment: Deployment, context: SendContext) => Promise<T>;

/** With `execute` and `stream`. */
export interface ExecuteOptions extends CallOptions {
  /** What it is called where calls are watched. Default `chat`. */
  readonly operation?: string;
  /** Where an answer, or a chunk, has its usage. Default: its `usage`, in OpenAI's, Anthropic's or the AI SDK's names. */
  readonly usageOf?: (result: unknown) => unknown;
  /** Told how the answer came about, before it is handed over. */
  readonly onAnswer?: (call: CallFacts) => void;
}
