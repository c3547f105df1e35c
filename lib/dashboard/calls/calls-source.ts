import type { SpendAttempt, SpendCall } from '../../spend/spend-queries.js';
import type { SpendingBy } from '../spending/dimensions.js';

/** Which calls to list. */
export interface CallsQuestion {
  /** Whole days in UTC. Only for a spend log. */
  readonly from?: string;
  readonly to?: string;
  /** Conditions; a `status` is `success`, `failure`, `cancelled` or `denied`. */
  readonly filter: Partial<Readonly<Record<SpendingBy, string>>> & { readonly status?: string; readonly keyAlias?: string };
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: string;
}

type Unshown = 'stream' | 'organization' | 'errorKind' | 'nanoUsd' | 'savedNanoUsd' | 'attempts' | 'metadata' | 'status';

/** A finished call. Costs of parts are in nano-USD. */
export type CallSummary = Omit<SpendCall, Unshown> & { readonly status: string };

/** One call with its attempts. */
export type CallDetails = CallSummary & { readonly attemptList: readonly SpendAttempt[] };

/** Where finished calls are read from. */
export interface CallsSource {
  /** The newest first. */
  calls(question: CallsQuestion): Promise<{ readonly calls: readonly CallSummary[]; readonly next?: string }>;
  call(id: string): Promise<CallDetails | undefined>;
}
