import type { AuditEntry } from '../common/audit-log.js';
import { errorMessage } from '../common/errors.js';
import type { ConfigurationStore, StoredEntity, StoredRow } from '../configuration/stored/configuration-store.js';
import { readStoredRow } from '../configuration/stored/stored-rows.js';
import { auditJson, INSERT_ENTRY } from './audit-store.js';
import type { ChangeFeed } from './change-feed.js';
import type { Database } from './database.js';

/** The name of its changes in the change feed. */
export const CONFIGURATION_CHANGES = 'configuration';

/** Writes the audit log entry of a change. */
const LOGGED = `logged AS (${INSERT_ENTRY} WHERE $2::text IS NOT NULL AND EXISTS (SELECT FROM changed))
  SELECT count(*)::int AS count FROM changed`;
const LIST = 'SELECT entity, id, record::text AS record FROM $schema.configuration ORDER BY entity, id';
const INSERT = `WITH changed AS (
    INSERT INTO $schema.configuration (entity, id, revision, created_at, updated_at, record)
    SELECT r->>'entity', r->>'id', 1, (r->>'createdAt')::timestamptz, (r->>'updatedAt')::timestamptz, r
    FROM (SELECT $1::text::jsonb AS r) AS given
    ON CONFLICT (entity, id) DO NOTHING RETURNING id
  ), ${LOGGED}`;
const UPDATE = `WITH changed AS (
    UPDATE $schema.configuration SET (revision, updated_at, record) =
      (SELECT (r->>'revision')::int, (r->>'updatedAt')::timestamptz, r FROM (SELECT $1::text::jsonb AS r) AS given)
    WHERE entity = $1::text::jsonb->>'entity' AND id = $1::text::jsonb->>'id'
      AND revision = ($1::text::jsonb->>'revision')::int - 1 RETURNING id
  ), ${LOGGED}`;
const DELETE = `WITH changed AS (
    DELETE FROM $schema.configuration WHERE entity = $1::text::jsonb->>'entity' AND id = $1::text::jsonb->>'id' RETURNING id
  ), ${LOGGED}`;

/** Models, credentials and settings in the table `configuration`. */
export class PostgresConfiguration implements ConfigurationStore {
  readonly kind = 'postgres';
  private readonly sql: Readonly<Record<'list' | 'insert' | 'update' | 'delete', string>>;
  /** Why rows cannot be read, each with its name. */
  private unreadable: readonly string[] = [];

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeFeed,
  ) {
    const texts = { list: LIST, insert: INSERT, update: UPDATE, delete: DELETE };
    this.sql = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, database.sql(text)])) as typeof this.sql;
  }

  /** A row that was written by hand and cannot be read is omitted and reported. */
  async list(): Promise<readonly StoredRow[]> {
    const unreadable: string[] = [];
    const rows = (await this.database.rows(this.sql.list)).flatMap(({ entity, id, record }) => {
      try {
        const row = readStoredRow(`${String(entity)} ${String(id)}`, JSON.parse(String(record)));
        // The columns are the primary key: values of a row belong to them.
        return [{ ...row, entity: entity as StoredEntity, id: String(id) }];
      } catch (error) {
        unreadable.push(errorMessage(error));
        return [];
      }
    });
    this.unreadable = unreadable;
    return rows;
  }

  async put(row: StoredRow, entry?: AuditEntry): Promise<boolean> {
    return this.change(row.revision === 1 ? this.sql.insert : this.sql.update, row, entry);
  }

  async delete(entity: StoredEntity, id: string, entry?: AuditEntry): Promise<boolean> {
    return this.change(this.sql.delete, { entity, id }, entry);
  }

  onChange(listener: () => void): () => void {
    return this.changes.on(CONFIGURATION_CHANGES, listener);
  }

  fault(): string | undefined {
    return this.unreadable[0];
  }

  private async change(sql: string, value: object, entry: AuditEntry | undefined): Promise<boolean> {
    const [{ count }] = await this.database.rows(sql, [JSON.stringify(value), entry === undefined ? null : auditJson(entry)]);
    return Number(count) > 0;
  }
}
