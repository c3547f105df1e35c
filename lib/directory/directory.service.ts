import type { AuditActor } from '../common/audit-log.js';
import type { RateLimits } from '../rate-limit/limits.js';
import type { BudgetReport } from '../rate-limit/rate-limit.service.js';
import type { DirectoryEntity, DirectoryRecords, LimitedEntity, LimitedRecord } from './directory-records.js';
import type { DirectoryPage, DirectoryQuery } from './directory-store.js';

type Stored = 'revision' | 'createdAt' | 'updatedAt';

/** Settings of a new record. */
export type DirectorySettings<E extends DirectoryEntity> = Omit<DirectoryRecords[E], Stored>;

/** Settings to change; `null` removes one. */
export type DirectoryChanges<E extends DirectoryEntity> = {
  readonly [K in keyof Omit<DirectoryRecords[E], Stored | 'id'>]?: DirectoryRecords[E][K] | null;
};

/**
 * Creates, changes and deletes teams, users, members, budgets, customers and organizations. As with
 * keys, changes take effect in all processes at once and are recorded in the store's audit log.
 *
 * @example
 * await directory.create('teams', { id: 'mobile', models: ['gpt-4o*'], limits: { usdPerMonth: 500 } });
 * await directory.update('teams', 'mobile', { blocked: true });
 */
export abstract class DirectoryService {
  /** Returns a record; `undefined` for an unknown one. Queries the store. */
  abstract find<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined>;

  /** Returns the membership of a user; `undefined` for a user who is not in the team. */
  abstract findMember(team: string, user: string): Promise<DirectoryRecords['team_members'] | undefined>;

  /** Returns a page of matching records, newest first. */
  abstract list<E extends DirectoryEntity>(entity: E, query?: DirectoryQuery): Promise<DirectoryPage<DirectoryRecords[E]>>;

  /**
   * Creates a record.
   * @param by Actor in the store's audit log. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting, or `id` if it already exists.
   */
  abstract create<E extends DirectoryEntity>(entity: E, settings: DirectorySettings<E>, by?: AuditActor): Promise<DirectoryRecords[E]>;

  /**
   * Changes settings of a record. Returns the record; `undefined` if it does not exist.
   * @param changes Settings, or a function of the current record: called again if another process
   * has changed it.
   * @param by Actor in the store's audit log. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting.
   */
  abstract update<E extends DirectoryEntity>(
    entity: E,
    id: string,
    changes: DirectoryChanges<E> | ((record: DirectoryRecords[E]) => DirectoryChanges<E>),
    by?: AuditActor,
  ): Promise<DirectoryRecords[E] | undefined>;

  /**
   * Deletes a record and its spend, and the memberships of a team or user. Keys are kept. Returns
   * `false` if the record does not exist.
   * @param by Actor in the store's audit log. Default: the app.
   * @throws InvalidArgumentError for a budget that keys or other records use.
   */
  abstract delete(entity: DirectoryEntity, id: string, by?: AuditActor): Promise<boolean>;

  /**
   * Returns the spend of a record: in the current window of its budget, or in total without a
   * budget. `undefined` if the rate limiter's store has no budgets or is unavailable.
   */
  abstract spendingOf(entity: LimitedEntity, record: LimitedRecord): Promise<BudgetReport | undefined>;

  /**
   * Sets the spend of a record in USD: in the current window of each of its budgets, or in total
   * without budgets. Default 0.
   * @param by Actor in the store's audit log. Default: the app.
   */
  abstract resetSpend(entity: LimitedEntity, record: LimitedRecord, usd?: number, by?: AuditActor): Promise<void>;

  /** Returns the limits of a record, including those of its budget. */
  abstract limitsOf(record: Pick<LimitedRecord, 'limits' | 'budget'>): Promise<RateLimits | undefined>;
}
