import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import { ProviderError } from '../../common/provider-error.js';

/** Facts about a failed call besides its error. */
export interface FailedCall {
  /** Also in the log and in the journal of calls. */
  readonly id: string;
  readonly retries: number;
  readonly fallbacks: number;
  /** Whether the retry budget of all calls allowed no further retry. */
  readonly isRetryDenied: boolean;
  /** Where the error comes from; absent if no deployment was asked. */
  readonly deploymentId?: string;
  readonly group?: string;
  /** Names of the guardrails that apply to the call. */
  readonly guardrails?: readonly string[];
}

/** Not stored on the errors, which can be anything that the app's `send` throws. */
const failedCalls = new WeakMap<object, Partial<FailedCall>>();

/** Adds facts about the call that an error has ended. */
export function describeFailedCall(error: unknown, facts: Partial<FailedCall>): void {
  if (typeof error === 'object' && error !== null) failedCalls.set(error, { ...failedCalls.get(error), ...facts });
}

/** Facts about the call that failed with an error; `undefined` if the error is not from a call. */
export function failedCallOf(error: unknown): Partial<FailedCall> {
  return (typeof error === 'object' && error !== null && failedCalls.get(error)) || {};
}

/**
 * Whether a retry by the client cannot help: the call was already retried here, must not be
 * retried, or fails until the operator corrects something.
 */
export function isFinal(error: unknown): boolean {
  if (error instanceof DeploymentMisconfiguredError || (error instanceof ProviderError && error.kind === 'authentication')) return true;
  const { retries = 0, fallbacks = 0, isRetryDenied } = failedCallOf(error);
  return retries + fallbacks > 0 || isRetryDenied === true;
}
