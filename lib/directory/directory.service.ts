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
 * Creates, changes and deletes teams, users, members, budgets, customers and organizations. Changes
 * take effect in all processes at once, as those of keys do, and are in the store's audit log.
 *
 * @example
 * await directory.create('teams', { id: 'mobile', models: ['gpt-4o*'], limits: { usdPerMonth: 500 } });
 * await directory.update('teams', 'mobile', { blocked: true });
 */
export abstract class DirectoryService {
  /** Returns a record; `undefined` for an unknown one. Queries the store. */
  abstract find<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined>;

  /** Returns a user in a team; `undefined` for one that is not in it. */
  abstract findMember(team: string, user: string): Promise<DirectoryRecords['team_members'] | undefined>;

  /** Returns a page of the records that match, the newest first. */
  abstract search<E extends DirectoryEntity>(entity: E, query?: DirectoryQuery): Promise<DirectoryPage<DirectoryRecords[E]>>;

  /**
   * Creates a record.
   * @param by Who creates it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting, or `id` if it already exists.
   */
  abstract create<E extends DirectoryEntity>(entity: E, settings: DirectorySettings<E>, by?: AuditActor): Promise<DirectoryRecords[E]>;

  /**
   * Changes settings of a record. Returns it, or `undefined` for an unknown one.
   * @param changes Settings, or a function of the current record: called again if another process
   * has changed it.
   * @param by Who changes it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError naming an invalid setting.
   */
  abstract update<E extends DirectoryEntity>(
    entity: E,
    id: string,
    changes: DirectoryChanges<E> | ((record: DirectoryRecords[E]) => DirectoryChanges<E>),
    by?: AuditActor,
  ): Promise<DirectoryRecords[E] | undefined>;

  /**
   * Deletes a record and its spend; of a team and a user also the memberships. Returns `false` for
   * an unknown one. Keys stay.
   * @param by Who deletes it, for the audit log of the store. Default: the app.
   * @throws InvalidArgumentError for a budget that other records refer to.
   */
  abstract delete(entity: DirectoryEntity, id: string, by?: AuditActor): Promise<boolean>;

  /**
   * Returns what a record has spent: in the current window of its budget or, without one, in all.
   * `undefined` if the store of the rate limiter keeps no budgets, or is unavailable.
   */
  abstract spendingOf(entity: LimitedEntity, record: LimitedRecord): Promise<BudgetReport | undefined>;

  /**
   * Sets what a record has spent, in USD: in the current window of each of its budgets or, without
   * budgets, in total. Default 0.
   * @param by Who sets it, for the audit log of the store. Default: the app.
   */
  abstract resetSpend(entity: LimitedEntity, record: LimitedRecord, usd?: number, by?: AuditActor): Promise<void>;

  /** Returns the limits of a record, with those of its budget. */
  abstract limitsOf(record: Pick<LimitedRecord, 'limits' | 'budget'>): Promise<RateLimits | undefined>;
}
