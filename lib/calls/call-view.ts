import type { TriedDeployments } from '../router/selection/tried.js';
import type { OutputHold } from './attempt-hold.js';
import type { Sender } from './attempt.js';
import type { Call, CallTarget } from './call.js';
import type { CallCancellation } from './cancellation.js';
import type { Failure } from './failure.js';

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
