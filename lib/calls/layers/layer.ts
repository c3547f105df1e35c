import { ProviderError } from '../../common/provider-error.js';
import type { CallView } from '../attempt.js';
import type { Failure } from '../failure.js';

/**
 * Outcome of a call: its answer (for a stream, once the first chunk has arrived), or a `Failure`
 * after which another attempt may succeed. Any other error is thrown, and ends the call.
 */
export type Outcome = unknown;

/** The rest of a call: the layers further in, around the attempt. */
export type Next = (view: CallView) => Promise<Outcome>;

/**
 * One concern of a call, wrapped around the rest of it: answers the call itself, through `next`, or
 * through several calls of `next`.
 */
export type CallLayer = (next: Next) => Next;

/** @param layers the outermost first; `undefined`: not configured */
export function composeLayers(layers: readonly (CallLayer | undefined)[], attempt: Next): Next {
  return layers.filter((layer) => layer !== undefined).reduceRight((next, layer) => layer(next), attempt);
}

/**
 * The error that a failure ends its call with: that of the first group as it came, or one from
 * which the client can recover.
 */
export function errorOf({ call }: CallView, { error }: Failure): Error {
  const first = error as Error;
  const isRecoverable = first instanceof ProviderError && first.error.details !== undefined;
  return isRecoverable ? first : (call.recovery ?? first);
}
