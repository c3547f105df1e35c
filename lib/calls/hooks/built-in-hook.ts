import type { GuardrailRecord } from '../../common/call-record.js';
import type { AnswerText, HookedCall, ModelCallHook } from './call-hook.js';
import type { LoggedBodies } from './logged-bodies.js';

type MaybePromise<T> = T | Promise<T>;

/** What a hook of the package can do in addition to those of apps. All methods are optional. */
export interface BuiltInHook extends ModelCallHook {
  /** Whether a method takes part in a call. Default: it does. */
  takesPart?(call: HookedCall, method: keyof BuiltInHook): boolean;
  /**
   * Judges the final request while it is sent; nothing of the answer reaches the client before. A
   * denial ends the call at once.
   * @returns `undefined`: there is nothing to wait for
   */
  duringCall?(call: HookedCall): Promise<void> | undefined;
  /** Receives the texts of a whole answer together, instead of `onText` one after the other. */
  onTexts?(call: HookedCall, texts: readonly AnswerText[]): MaybePromise<readonly string[]>;
  /** Receives the name of a tool that the model calls, before the client does. It can deny it. */
  onToolName?(call: HookedCall, tool: { readonly name: string; readonly part: string }): MaybePromise<void>;
  /** Names for the header `x-litellm-applied-guardrails`. */
  applied?(call: HookedCall): readonly string[];
  /** What it has found so far. */
  records?(call: HookedCall): readonly GuardrailRecord[];
  /** Changes copies of the bodies for logs. Rejects if they must not be logged. */
  onLog?(call: HookedCall, bodies: LoggedBodies): Promise<LoggedBodies>;
}
