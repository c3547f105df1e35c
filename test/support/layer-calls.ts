import type { CallView } from '../../lib/calls/attempt.js';
import { Failure, type FailureReason, type Fault } from '../../lib/calls/failure.js';

export interface FailedOn {
  readonly id: string;
  readonly order?: number;
}

/** The failure of an attempt on a deployment, as `next` returns it. */
export function failedOn(
  deployment: FailedOn,
  reason: Partial<FailureReason> = {},
  error: unknown = new Error(deployment.id),
  fault: Fault = 'provider',
): Failure {
  const failure = new Failure(error, fault, { kind: 'server', ...reason });
  failure.selection = { deployment: { order: 1, modelName: 'm', ...deployment }, group: 'm' } as never;
  return failure;
}

/** A view of a call with these parts. `with` gives views that have the same call. */
export function viewOf(call: object, parts: object = {}): CallView {
  const view = {
    call,
    target: { model: 'm' },
    ...parts,
    with: (changes: object) => viewOf(call, { ...view, after: undefined, ...changes }),
  };
  return view as unknown as CallView;
}

/** A `next` that gives these outcomes in turn and remembers its views; errors are thrown. */
export function nextOf(...outcomes: readonly unknown[]): {
  readonly views: CallView[];
  readonly next: (view: CallView) => Promise<unknown>;
} {
  const views: CallView[] = [];
  const next = async (view: CallView): Promise<unknown> => {
    const outcome = outcomes[views.push(view) - 1];
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return { views, next };
}
