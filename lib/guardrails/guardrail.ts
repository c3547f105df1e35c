import type { HookedCall, TextKind } from '../calls/hooks/call-hook.js';
export { GuardrailUnreachableError } from '../common/errors.js';

import type { GuardrailFinding } from '../common/call-record.js';
import type { Fields } from '../common/objects.js';

/**
 * When a guardrail runs. `pre_call`: before tokens are counted and anything is sent; `during_call`:
 * in parallel with the provider, which delays only the answer; `post_call`: on the answer, whole or
 * streamed; `logging_only`: on copies for logs.
 */
export type GuardrailMode = 'pre_call' | 'during_call' | 'post_call' | 'logging_only';

export const GUARDRAIL_MODES: readonly GuardrailMode[] = ['pre_call', 'during_call', 'post_call', 'logging_only'];

/** Author of a text in a request. `tool`: the result of a tool. */
export type TextRole = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

/** A text that a guardrail judges. */
export interface GuardedText {
  /** Arguments of tools are JSON whose strings are unescaped: `{"text":"a "quoted" word"}`. */
  readonly text: string;
  /** Path in the body, such as `messages.1.content`; in a stream, the part of the answer. */
  readonly path: string;
  /** `tool_name`: only for guardrails that read names of tools. It cannot be rewritten. */
  readonly kind: TextKind | 'tool_name';
  /** The tool's name, for its `arguments` and its result, if it is known. */
  readonly tool?: string;
  /** In a stream: characters at the beginning of `text` that were judged and released before. */
  readonly context?: number;
  /** Author of the message; absent in answers, and for texts outside of messages. */
  readonly role?: TextRole;
}

/** Texts of one side of a call, and the call. */
export interface GuardrailInput {
  readonly side: 'request' | 'answer';
  readonly mode: GuardrailMode;
  /** In their order. In a stream: one window, which begins with text that was already judged. */
  readonly texts: readonly GuardedText[];
  /** Whether the text is a window of a stream, so that more can follow. */
  readonly isPartial: boolean;
  readonly call: HookedCall;
  /** Parameters of this request: `guardrails: [{ name: { extra_body: … } }]`. */
  readonly extra: Fields;
  /** Of this guardrail in this call, such as tokens to replace in its answer. */
  readonly state: Map<string, unknown>;
  /** Aborts at the guardrail's timeout and when the call ends. */
  readonly signal: AbortSignal;
}

/** Replaces `text.slice(start, end)`. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

/** Something that a guardrail found. Never contains the text. `path` is that of the text. */
export type Finding = GuardrailFinding;

/**
 * The decision of a guardrail. `undefined`: allowed. Only `findings`: allowed and recorded.
 * `texts`: for each text of the input its new version, its edits in ascending order, or
 * `undefined` if it does not change. `block`: denies the call; the message goes to the client and
 * must not repeat the text, `details` are added to `provider_specific_fields`.
 */
export type GuardrailVerdict =
  | undefined
  | { readonly findings: readonly Finding[] }
  | { readonly texts: readonly (string | readonly TextEdit[] | undefined)[]; readonly findings: readonly Finding[] }
  | { readonly block: { readonly message: string; readonly details?: Fields }; readonly findings: readonly Finding[] };

/** Checked against the entry at the start. */
export interface GuardrailAbilities {
  readonly modes: readonly GuardrailMode[];
  /** Whether it can return `texts`. */
  readonly rewrites: boolean;
  /** Modes in which it also runs in calls for which it runs in `pre_call`. */
  readonly alsoIn?: readonly GuardrailMode[];
  /**
   * Whether long texts can be judged in portions, as in a stream, so that other requests need not
   * wait. Requires `heldBack`.
   */
  readonly inPortions?: boolean;
  /** Whether it gets the names of called tools, and their arguments only as a whole. */
  readonly readsToolNames?: boolean;
}

/** Judges texts of requests and answers. It must not keep texts. */
export interface Guardrail {
  readonly abilities: GuardrailAbilities;
  /**
   * Judges texts of one side of a call. A rejected promise, an error and the timeout count as
   * failures: `fail_on_error` decides what they mean, and `unreachable_fallback` for a
   * `GuardrailUnreachableError`.
   */
  check(input: GuardrailInput): GuardrailVerdict | Promise<GuardrailVerdict>;
  /**
   * Returns the exact number of characters at the end of `text` that can be the beginning of
   * something that later text completes; they are held back. Default: the entry's
   * `stream_overlap_chars`.
   */
  heldBack?(text: string): number;
  /** Closes what it has opened, once no call uses it any more. */
  close?(): void | Promise<void>;
}
