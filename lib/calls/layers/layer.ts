import type { TriedDeployments } from '../../router/selection/tried.js';
import type { OutputHold } from '../attempt-hold.js';
import type { Sender } from '../attempt.js';
import type { Call, CallTarget } from '../call.js';
import type { CallCancellation } from '../cancellation.js';
import { Failure } from '../failure.js';
import { ProviderError } from '../../common/provider-error.js';

/**
 * What comes of a call: its answer (of a stream, once its first chunk is there), or a `Failure`
 * after which another attempt may succeed. Any other error is thrown, and ends the call.
 */
export type Outcome = unknown;

export type Next = (view: CallView) => Promise<Outcome>;

/** One concern of a call, wrapped around the rest of it. */
export interface CallLayer {
  readonly name: string;
  /** Answers the call itself, through `next`, or through several calls of `next`. */
  run(view: CallView, next: Next): Promise<Outcome>;
}

/** @param layers the outermost first; `undefined`: not configured */
export function composeLayers(layers: readonly (CallLayer | undefined)[], attempt: Next): Next {
  return layers.filter((layer) => layer !== undefined).reduceRight<Next>((next, layer) => (view) => layer.run(view, next), attempt);
}

/**
 * The answer of a call, for layers that see no failures but errors.
 * @throws the first group's error as it came, or one from which the client can recover
 */
export function answerOf({ call }: CallView, outcome: Outcome): unknown {
  if (!(outcome instanceof Failure)) return outcome;
  const first = outcome.error as Error;
  const isRecoverable = first instanceof ProviderError && first.error.details !== undefined;
  throw isRecoverable ? first : (call.recovery ?? first);
}

/** What has failed in a model group before. */
export interface FailedAttempts {
  readonly last: Failure;
  readonly tried: TriedDeployments;
}

/**
 * A call, as one step of its layers sees it. A layer that calls `next` more than once gives each a
 * view of its own (`with`), so that no two attempts share anything that changes but the totals of
 * the call.
 */
export class CallView {
  /** Money that was held for its attempt while the call waited. */
  heldAhead: OutputHold | undefined = undefined;

  constructor(
    readonly call: Call,
    readonly sender: Sender<unknown>,
    readonly target: CallTarget = call.firstTarget,
    readonly cancellation: CallCancellation = call.cancellation,
    /** `undefined`: nothing has failed in this model group yet. */
    readonly after?: FailedAttempts,
  ) {}

  /** Another view of the call, which can be cancelled by itself. */
  with({ target = this.target, after }: { readonly target?: CallTarget; readonly after?: FailedAttempts }): CallView {
    return new CallView(this.call, this.sender, target, this.cancellation.child(), after);
  }
}
