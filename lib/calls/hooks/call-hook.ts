import { SetMetadata } from '@nestjs/common';
import type { Fields } from '../../common/objects.js';
import type { AttemptStart, CallOutcome } from '../../common/call-observer.js';
import { custom, integer, oneOf, resolveOptions, type OptionsOf, type Resolved } from '../../common/option.js';
import { checkArray, checkPositiveInteger, checkString } from '../../common/options.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { Principal } from '../../http/principal.js';
import type { CallFacts } from '../answer/call-facts.js';

type MaybePromise<T> = T | Promise<T>;

/**
 * One call to a model. All methods of all hooks get the same object, so it can be the key of a
 * `WeakMap`.
 */
export interface HookedCall {
  /** Random id, for logs. */
  readonly id: string;
  /** `chat`, `embeddings`, `messages`, …; for `execute` and `stream` their `operation`. */
  readonly operation: string;
  /** The model group that the client requested. */
  readonly model: string;
  readonly stream: boolean;
  /**
   * The request's body after the previous hooks. For a form: its text fields; for `execute`: only
   * the model. Long fields are parsed when they are first read, so read them in `onRequest`.
   */
  readonly body: Fields;
  /** The HTTP request of the call, if it was passed as `CallOptions.request`. */
  readonly request?: object;
  /** The sender of that request, if a guard such as `ApiKeyGuard` has authenticated it. */
  readonly principal?: Principal;
  readonly startedAt: Date;
}

/** Denies a call: 400 with this message, and `code` in the body. Default `request_denied`. */
export interface Denial {
  readonly deny: string | { readonly message: string; readonly code?: string };
}

/** The decision of `onRequest`. Nothing: the request continues unchanged. */
export type RequestVerdict =
  | Denial
  /** Sends this body instead. `stream` has to stay as it is. */
  | { readonly replace: Fields }
  /**
   * Answers without a provider: a text, in the format of any API that generates text; a whole
   * answer in the client's format; for a stream its events, a list.
   */
  | { readonly answer: string | Fields | readonly Fields[] };

/** The decision of `onAnswer`. Nothing: the answer continues unchanged. */
export type AnswerVerdict = Denial | { readonly replace: Fields };

/**
 * Kind of a text in an answer. `arguments`: of a tool call, as JSON. `other`: any other text, such
 * as the title of a citation, the result of a provider's tool, or an error.
 */
export type TextKind = 'content' | 'refusal' | 'reasoning' | 'arguments' | 'other';

/** The next text of an answer: the whole text, or the new part of a stream. */
export interface AnswerText {
  readonly kind: TextKind;
  /** Index of the answer if there are several (`n`), from 0. */
  readonly choice: number;
  /**
   * Identifies the part of the answer: a message, a tool call or a block of thinking. Texts of one
   * part follow each other.
   */
  readonly part: string;
  /** The text of the part that the hook has held back, followed by the new text. */
  readonly text: string;
  /** Whether this is the last text of the part. */
  readonly isLast: boolean;
  /** Whether the text is JSON, or a part of one. */
  readonly isJson?: boolean;
}

/**
 * The decision of `onText`. Nothing: the text continues unchanged. A string replaces it. `{ pass,
 * hold }` sends one part and holds the rest back until the next text of the same part; the last
 * text cannot be held back.
 */
export type TextVerdict = Denial | string | { readonly pass: string; readonly hold: string };

/** A whole answer after the previous hooks. */
export interface HookedAnswer {
  readonly bytes: Buffer;
  readonly usage: AnswerUsage | undefined;
  /** How the answer was produced. */
  readonly facts: CallFacts;
  /**
   * Returns the parsed answer, frozen: return `{ replace }` to change it.
   * @throws SyntaxError if it is not JSON
   */
  json(): Fields;
}

/** The end of one attempt of a call. */
export interface AttemptEnd {
  readonly outcome: 'succeeded' | 'failed' | 'cancelled';
  readonly deploymentId: string;
  readonly provider?: string;
  /** The provider's name for the model. */
  readonly upstreamModel: string;
  /** The model group; after a fallback, not the requested one. */
  readonly group: string;
  /** HTTP status of the provider. */
  readonly status?: number;
  /** The `code` of the error, or its name. */
  readonly errorCode?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /**
   * Cost of these tokens in USD, including estimated ones; absent without tokens or a known price.
   */
  readonly costUsd?: number;
  /** Duration of the attempt; an abandoned answer that is drained can end after its call. */
  readonly durationMs: number;
}

/** The end of a call. */
export interface CallEnd extends Omit<CallOutcome, 'cancelled'> {
  /** `answered`: a hook or `mock_response` answered, without a provider. */
  readonly outcome: 'succeeded' | 'failed' | 'cancelled' | 'denied' | 'answered';
  /** Duration of the whole call; for a stream, until its end. */
  readonly durationMs: number;
  /** Until the first chunk of a stream. */
  readonly timeToFirstTokenMs?: number;
  readonly attempts: number;
  /** Each attempt, in the order in which they began. Their costs add up to that of the call. */
  readonly attemptEnds: readonly AttemptEnd[];
  /** The deployment of the last attempt; absent if none was made. */
  readonly deploymentId?: string;
  readonly provider?: string;
  /** The provider's name for the model. */
  readonly upstreamModel?: string;
}

/**
 * A hook for the calls of `LlmClient`: a provider with `@CallHook()`, or an entry of the option
 * `hooks`. All methods are optional.
 *
 * `onRequest`, `onText` and `onAnswer` are guards: the hook's `failure` option decides what happens
 * if they throw or time out. The other methods only observe: an error is logged once and does not
 * affect the call. A hook does not see its own calls.
 */
export interface ModelCallHook {
  /**
   * Runs before tokens are counted or anything is sent, and can replace, deny or answer the
   * request.
   */
  onRequest?(call: HookedCall): MaybePromise<RequestVerdict | undefined | void>;
  /** Runs when an attempt begins: the first one, a retry or a fallback. */
  onAttempt?(call: HookedCall, attempt: AttemptStart): void;
  /**
   * Receives the texts that the model generates, whole or streamed, in every format. A text is sent
   * only after this method has passed it; a denial ends a stream with an error event.
   */
  onText?(call: HookedCall, text: AnswerText): MaybePromise<TextVerdict | undefined | void>;
  /**
   * Receives an event of a stream, as the client gets it; for `stream` of `LlmClient`, a chunk.
   * Frozen.
   */
  onEvent?(call: HookedCall, event: Fields): void;
  /** Receives a whole answer before the client gets it. */
  onAnswer?(call: HookedCall, answer: HookedAnswer): MaybePromise<AnswerVerdict | undefined | void>;
  /** Runs exactly once per call, however it ends. A returned promise is not awaited. */
  onEnd?(call: HookedCall, end: CallEnd): MaybePromise<void>;
}

/**
 * Behavior if a guard throws or times out: the client gets 503 (`closed`), or the call continues
 * (`open`).
 */
export type HookFailurePolicy = 'closed' | 'open';

export const CALL_HOOK_OPTIONS = {
  /** Hooks with a lower number run first; equal ones in the order they were added. Default 0. */
  order: integer({ default: 0 }),
  /** The operations that the hook applies to: `chat`, `messages`, … Default: all. */
  operations: custom<readonly string[], ReadonlySet<string>>('list of operations', checkOperations),
  /**
   * Behavior if a guard throws, times out, returns an invalid verdict or cannot read a format:
   * `closed` (default) rejects the call with 503, `open` continues without the hook.
   */
  failure: oneOf(['closed', 'open'], { default: 'closed' }),
  /** Time limit of one guard, in milliseconds, at most 600,000. Default 2,000. */
  timeoutMs: custom<number>('positive integer', (path, value) => Math.min(checkPositiveInteger(path, value), LONGEST_TIMEOUT_MS), 2_000),
  /**
   * Minimum of new characters in a stream before `onText` is called again, or `Infinity` for whole
   * texts; until then they are held back. Default 1.
   */
  minTextChars: custom<number>(
    'positive integer or `Infinity`',
    (path, value) => (value === Infinity ? Infinity : checkPositiveInteger(path, value)),
    1,
  ),
};

/** Options of `@CallHook()`. */
export interface CallHookOptions extends OptionsOf<typeof CALL_HOOK_OPTIONS> {}
export type ResolvedCallHookOptions = Resolved<typeof CALL_HOOK_OPTIONS>;

const CALL_HOOK = 'fast-litellm:call-hook';
const LONGEST_TIMEOUT_MS = 600_000;
const METHODS = ['onRequest', 'onAttempt', 'onText', 'onEvent', 'onAnswer', 'onEnd'] as const satisfies readonly (keyof ModelCallHook)[];

/**
 * Registers a provider as a hook of all calls to models; `FastLiteLLMModule` finds it in any
 * module.
 *
 * @example
 * \@CallHook({ operations: ['chat'] })
 * export class Redaction implements ModelCallHook {
 *   onRequest({ body }: HookedCall) {
 *     return { replace: redacted(body) };
 *   }
 * }
 *
 */
export function CallHook(options: CallHookOptions = {}): ClassDecorator {
  return SetMetadata(CALL_HOOK, options);
}

/** The options of a class with `@CallHook()`; `undefined`: it has no such decorator. */
export function callHookOptionsOf(type: unknown): CallHookOptions | undefined {
  return typeof type === 'function' ? (Reflect.getMetadata(CALL_HOOK, type) as CallHookOptions | undefined) : undefined;
}

/**
 * @param path of the hook in messages
 * @throws InvalidConfigurationError naming the option.
 */
export function resolveCallHookOptions(path: string, options: CallHookOptions = {}): ResolvedCallHookOptions {
  return resolveOptions(CALL_HOOK_OPTIONS, path, options);
}

function checkOperations(path: string, value: unknown): ReadonlySet<string> {
  return new Set(checkArray(path, value, (at, name) => checkString(at, name)));
}

/** Whether it has a method of a hook. */
export function isCallHook(value: unknown): value is ModelCallHook {
  return typeof value === 'object' && value !== null && METHODS.some((method) => typeof (value as ModelCallHook)[method] === 'function');
}
