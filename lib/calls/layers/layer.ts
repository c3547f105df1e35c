import { ProviderError } from '../../common/provider-error.js';
import type { CallView } from '../call-view.js';
import { Failure } from '../failure.js';

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
