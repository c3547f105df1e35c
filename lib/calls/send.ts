import type { Deployment } from './call-router.js';
import type { CallFacts } from './answer/llm-answer.js';
import type { CallOptions } from './call-options.js';

/** What a `send` gets besides the deployment. */
export interface SendContext {
  /** Aborts at the time limit, or when the call is cancelled. Pass it to the client that sends. */
  readonly signal: AbortSignal;
  /** From 1, over all retries and fallbacks. */
  readonly attempt: number;
  /** The model as the provider knows it: `gpt-4o` of `openai/gpt-4o`. */
  readonly model: string;
  /** The deployment's model group. */
  readonly group: string;
  /** Parameters that a fallback changes. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/** Sends one request to one deployment, by any client. Switch off that client's own retries. */
export type Send<T> = (deployment: Deployment, context: SendContext) => Promise<T>;

/** Options of `execute` and `stream`. */
export interface ExecuteOptions extends CallOptions {
  /** Name of the operation in spans and in the monitor. Default `chat`. */
  readonly operation?: string;
  /** The usage of an answer or a chunk. Default: its `usage`, as providers and SDKs name it. */
  readonly usageOf?: (result: unknown) => unknown;
  /** Called with how the answer came about, before it is returned. */
  readonly onAnswer?: (call: CallFacts) => void;
}
