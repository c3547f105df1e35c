import { SetMetadata } from '@nestjs/common';
import type { Fields } from '../../common/objects.js';
import type { AttemptStart, CallOutcome } from '../../common/call-observer.js';
import { custom, integer, oneOf, resolveOptions, type OptionsOf, type Resolved } from '../../common/option.js';
import { checkArray, checkPositiveInteger, checkString } from '../../common/options.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { Principal } from '../../http/principal.js';
import type { CallFacts } from '../answer/llm-answer.js';

type MaybePromise<T> = T | Promise<T>;

/** One call to a model, the same object for all methods of all hooks: a key of a `WeakMap`. */
export interface HookedCall {
  /** Random, for logs. */
  readonly id: string;
  /** `chat`, `embeddings`, `messages`, …; for `execute` and `stream` their `operation`. */
  readonly operation: string;
  /** The model group that the client asked for. */
  readonly model: string;
  readonly stream: boolean;
  /**
   * The request's body as the hooks so far have left it; of a form its text fields, of `execute`
   * the model alone. Long fields are parsed when they are read, so read it in `onRequest`.
   */
  readonly body: Fields;
  /** The HTTP request that the call belongs to, where `CallOptions.request` names it. */
  readonly request?: object;
  /** Who sends that request, where a guard such as `ApiKeyGuard` has authenticated it. */
  readonly principal?: Principal;
  readonly startedAt: Date;
}

/** Denies a call: 400 with this message, and `code` in the body. Default `request_denied`. */
export interface Denial {
  readonly deny: string | { readonly message: string; readonly code?: string };
}

/** What `onRequest` decides; nothing: the request goes on as it is. */
export type RequestVerdict =
  | Denial
  /** Sends this body instead. `stream` has to stay as it is. */
  | { readonly replace: Fields }
  /**
   * Answers without a provider: a text, in the format of any API that generates text; a whole
   * answer in the client's format; for a stream its events, a list.
   */
  | { readonly answer: string | Fields | readonly Fields[] };

/** What `onAnswer` decides; nothing: the answer goes on as it is. */
export type AnswerVerdict = Denial | { readonly replace: Fields };

/**
 * Kind of a text in an answer. `arguments`: of a tool call, as JSON. `other`: any other text, such
 * as the title of a citation, the result of a provider's tool, or an error.
 */
export type TextKind = 'content' | 'refusal' | 'reasoning' | 'arguments' | 'other';

/** The next text of an answer: all of it, or what a stream has brought. */
export interface AnswerText {
  readonly kind: TextKind;
  /** The answer among several (`n`), from 0. */
  readonly choice: number;
  /** Texts of one part follow each other: a message, a call of a tool, a block of thinking. */
  readonly part: string;
  /** What the hook has held back of the part, and what is new. */
  readonly text: string;
  /** Whether no more of the part follows. */
  readonly isLast: boolean;
}

/**
 * What `onText` decides: nothing, the text goes on as it is; a string in its place; a part of it,
 * and the rest held back until the next text of the same part. The last one holds nothing back.
 */
export type TextVerdict = Denial | string | { readonly pass: string; readonly hold: string };

/** A whole answer, as the hooks so far have left it. */
export interface HookedAnswer {
  readonly bytes: Buffer;
  readonly usage: AnswerUsage | undefined;
  /** How the answer came about. */
  readonly facts: CallFacts;
  /** Parsed once and frozen: return `{ replace }` to change it. @throws SyntaxError for no JSON */
  json(): Fields;
}

/** How one attempt of a call ended. */
export interface AttemptEnd {
  readonly outcome: 'succeeded' | 'failed' | 'cancelled';
  readonly deploymentId: string;
  readonly provider?: string;
  /** The provider's name of the model. */
  readonly upstreamModel: string;
  /** The model group; after a fallback, not the requested one. */
  readonly group: string;
  /** HTTP status of the provider. */
  readonly status?: number;
  /** The code of its error, or its name. */
  readonly errorCode?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** USD for these tokens, estimated ones included; absent without tokens or a known price. */
  readonly costUsd?: number;
  /** To its end; an abandoned answer that is drained ends later than its call. */
  readonly durationMs: number;
}

/** How a call came out. */
export interface CallEnd extends Omit<CallOutcome, 'cancelled'> {
  /** `answered`: without a provider, by a hook or `mock_response`. */
  readonly outcome: 'succeeded' | 'failed' | 'cancelled' | 'denied' | 'answered';
  /** Of the whole call, streams until their end. */
  readonly durationMs: number;
  /** Until the first chunk of a stream. */
  readonly timeToFirstTokenMs?: number;
  readonly attempts: number;
  /** Each attempt, in the order in which they began. Their costs add up to that of the call. */
  readonly attemptEnds: readonly AttemptEnd[];
  /** Of the last attempt; absent where none was made. */
  readonly deploymentId?: string;
  readonly provider?: string;
  /** The provider's name of the model. */
  readonly upstreamModel?: string;
}

/**
 * Takes part in the calls of `LlmClient`: a provider with `@CallHook()`, or an entry of the option
 * `hooks`. All methods are optional.
 *
 * `onRequest`, `onText` and `onAnswer` are guards: their errors and time-outs count as the hook's
 * `failure` says. The others observe: an error of theirs is logged once and changes nothing. A hook
 * does not see the calls that it makes itself.
 */
export interface ModelCallHook {
  /** Before tokens are counted and anything is sent: replaces, denies or answers the request. */
  onRequest?(call: HookedCall): MaybePromise<RequestVerdict | undefined | void>;
  /** An attempt begins: the first one, a retry or a fallback. */
  onAttempt?(call: HookedCall, attempt: AttemptStart): void;
  /**
   * The texts that the model generates, whole or as a stream brings them, in every format. A text
   * is not sent before it has passed; a denial ends a stream with an error event.
   */
  onText?(call: HookedCall, text: AnswerText): MaybePromise<TextVerdict | undefined | void>;
  /** An event of a stream, as the client gets it; for `stream` of `LlmClient` a chunk. Frozen. */
  onEvent?(call: HookedCall, event: Fields): void;
  /** A whole answer, before the client gets it. */
  onAnswer?(call: HookedCall, answer: HookedAnswer): MaybePromise<AnswerVerdict | undefined | void>;
  /** Exactly once for each call, whatever came of it. The call does not wait for a promise. */
  onEnd?(call: HookedCall, end: CallEnd): MaybePromise<void>;
}

/** What a guard's error or time-out means: 503 for the client, or that the call goes on. */
export type HookFailurePolicy = 'closed' | 'open';

export const CALL_HOOK_OPTIONS = {
  /** Hooks with a lower figure come first; equal ones in the order they were added. Default 0. */
  order: integer({ default: 0 }),
  /** The operations it takes part in: `chat`, `messages`, … Default: all. */
  operations: custom<readonly string[], ReadonlySet<string>>('list of operations', checkOperations),
  /**
   * What a guard's error, time-out or senseless verdict means, and a format that it cannot read:
   * `closed` (default) refuses the call with 503, `open` lets it go on unchecked.
   */
  failure: oneOf(['closed', 'open'], { default: 'closed' }),
  /** Longest time of one guard in milliseconds, at most 600,000. Default 2,000. */
  timeoutMs: custom<number>('positive integer', checkTimeout, 2_000),
  /**
   * New characters that a stream has to bring before `onText` is asked again, or `Infinity` for
   * whole texts; until then they are held back. Default 1.
   */
  minTextChars: custom<number>('positive integer or `Infinity`', checkTextChars, 1),
};

/** Options of `@CallHook()`. */
export interface CallHookOptions extends OptionsOf<typeof CALL_HOOK_OPTIONS> {}
export type ResolvedCallHookOptions = Resolved<typeof CALL_HOOK_OPTIONS>;

const CALL_HOOK = 'fast-litellm:call-hook';
const LONGEST_TIMEOUT_MS = 600_000;
const METHODS = ['onRequest', 'onAttempt', 'onText', 'onEvent', 'onAnswer', 'onEnd'] as const satisfies readonly (keyof ModelCallHook)[];

/**
 * Makes a provider a hook of all calls to models; `FastLiteLLMModule` finds it in any module.
 *
 * @example
 * \@CallHook({ operations: ['chat'] })
 * export class Redaction implements ModelCallHook {
 *   onRequest({ body }: HookedCall) {
 *     return { replace: redacted(body) };
 *   }
 * }
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

function checkTimeout(path: string, value: unknown): number {
  return Math.min(checkPositiveInteger(path, value), LONGEST_TIMEOUT_MS);
}

function checkTextChars(path: string, value: unknown): number {
  return value === Infinity ? Infinity : checkPositiveInteger(path, value);
}

/** Whether it has a method of a hook. */
export function isCallHook(value: unknown): value is ModelCallHook {
  return typeof value === 'object' && value !== null && METHODS.some((method) => typeof (value as ModelCallHook)[method] === 'function');
}
