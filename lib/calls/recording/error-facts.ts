import { BudgetExceededError, CallDeniedError } from '../../common/http-errors.js';
import { ProviderError } from '../../common/provider-error.js';
import { kindOfStatus } from '../../providers/failure-kind.js';
import { reasonOf } from '../failure.js';

/**
 * Returns the kind of an error for diagnosis: `ProviderError.kind`, `budget` or `denied` (by a
 * hook).
 */
export function errorKindOf(error: unknown): string | undefined {
  if (error instanceof BudgetExceededError) return 'budget';
  if (error instanceof CallDeniedError) return 'denied';
  if (error instanceof ProviderError) return error.kind;
  const status = statusOf(error);
  return status === undefined ? reasonOf(error)?.kind : kindOfStatus(status, '');
}

/** Returns the HTTP status that the gateway's client receives for an error. */
export function statusOf(error: unknown): number | undefined {
  const { getStatus } = (error ?? {}) as { readonly getStatus?: unknown };
  const status: unknown = typeof getStatus === 'function' ? getStatus.call(error) : reasonOf(error)?.status;
  return typeof status === 'number' ? status : undefined;
}
