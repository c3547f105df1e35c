import type { Principal, PrincipalScope } from '../http/principal.js';
import type { RateLimits } from '../rate-limit/limits.js';
import type { ApiKeyRecord } from './api-key-record.js';

/** Further limits on the requests of keys: teams, users, organizations and budgets. */
export interface KeyDirectory {
  /**
   * Returns the sender of requests with a key, with the limits of its team, user and others. A
   * promise if one of them has to be read.
   * @param principal the sender by the key alone
   * @param isRaised whether `raisedUsd` counts
   * @throws ApiKeyError if the team or the user is blocked; the store's error
   */
  principalOf(record: ApiKeyRecord, principal: Principal, isRaised: boolean): Principal | Promise<Principal>;
  /**
   * Returns the limits of an end user: none for an unknown one, or if the store is unavailable.
   * @throws ApiKeyError if the end user is blocked
   */
  customerScopes(id: string): readonly PrincipalScope[] | Promise<readonly PrincipalScope[]>;
  /** Returns the limits of a record, with those of its budget. */
  limitsOf(record: Pick<ApiKeyRecord, 'limits' | 'budget'>): Promise<RateLimits | undefined>;
  /** Whether there is a budget of this id. Queries the store. */
  hasBudget(id: string): Promise<boolean>;
  close?(): void;
}
