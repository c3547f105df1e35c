import type { AuditEntry, AuditLog } from '../../common/audit-log.js';

/** The kinds of rows in a store: deployments, credentials that deployments share, and settings. */
export type StoredEntity = 'models' | 'credentials' | 'settings';

/**
 * A row of the store. Secret values are encrypted individually, separate from the others:
 *
 *     plain:  { "model_name": "gpt-4o", "litellm_params": { "model": "openai/gpt-4o" } }
 *     sealed: { "litellm_params.api_key": "v1.5c1f0a9e.…" }
 */
export interface StoredRow {
  readonly entity: StoredEntity;
  readonly id: string;
  /** Starts at 1 and increases by 1 with each write. */
  readonly revision: number;
  readonly createdAt: string;
  readonly createdBy: string;
  /** Time of the last change of the content; encrypting it again is not a change. */
  readonly updatedAt: string;
  readonly updatedBy: string;
  readonly plain: Readonly<Record<string, unknown>>;
  /** Encrypted values by the path of their field. */
  readonly sealed: Readonly<Record<string, string>>;
}

/** Stores the models, credentials and settings of the admin API, for any number of processes. */
export interface ConfigurationStore {
  /** `postgres`, `file`, or the app's own name. */
  readonly kind?: string;
  /** Returns all rows. */
  list(): Promise<readonly StoredRow[]>;
  /**
   * Writes a row: a new one with revision 1, otherwise one with the next revision. The entry is
   * written to the audit log in the same transaction, if the store keeps one.
   * @returns `false` if another process has written the row in the meantime
   */
  put(row: StoredRow, entry?: AuditEntry): Promise<boolean>;
  /** Deletes a row. Returns `false` if it does not exist. */
  delete(entity: StoredEntity, id: string, entry?: AuditEntry): Promise<boolean>;
  /**
   * Calls `listener` within a second after any process has changed something. Returns a function
   * that stops it.
   */
  onChange(listener: () => void): () => void;
  /** Why the store is unavailable. */
  fault?(): string | undefined;
}

/**
 * A store that `FastLiteLLMAdminModule` accepts: `postgresStore(…)`, `fileConfigurationStore(…)`.
 */
export interface ConfigurationStoreSource {
  readonly configuration: ConfigurationStore;
  /** Absent if the store keeps no audit log. */
  readonly audit?: AuditLog;
  /** Closes the connections. Can be called more than once. */
  close(): Promise<void>;
}
