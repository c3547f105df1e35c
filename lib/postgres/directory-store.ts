import { isStorable } from '../common/storable-text.js';
import type { AuditEntry } from '../common/audit-log.js';
import { InvalidArgumentError, NO_VALUE } from '../common/errors.js';
import { checkDirectoryRecord, DIRECTORY_ENTITIES, type DirectoryEntity, type DirectoryRecords } from '../directory/directory-records.js';
import type { DirectoryPage, DirectoryQuery } from '../directory/directory-store.js';
import { auditJson, INSERT_ENTRY, MOST_COUNTED } from './audit-store.js';
import { Conditions } from './conditions.js';
import type { Database } from './database.js';
import { isUnstorable, violates } from './database-failure.js';
import { KeyLookups } from './key-lookups.js';
import { timeOf } from './key-store.js';
import type { SqlRow } from './sql-client.js';

const DEFAULT_LIMIT = 100;
const UNSTORABLE = 'must not contain U+0000, an unpaired surrogate or a date that PostgreSQL cannot store';

/** Columns that copy a field of the record `r`, with the expression for its value. */
const COLUMNS: Readonly<Record<DirectoryEntity, Readonly<Record<string, string>>>> = {
  budgets: {},
  organizations: { alias: `r->>'alias'`, budget_id: `r->>'budget'` },
  teams: {
    alias: `r->>'alias'`,
    organization_id: `r->>'organization'`,
    budget_id: `r->>'budget'`,
    blocked: `coalesce((r->>'blocked')::boolean, false)`,
  },
  users: {
    alias: `r->>'alias'`,
    email: `lower(r->>'email')`,
    role: `r->>'role'`,
    budget_id: `r->>'budget'`,
    blocked: `coalesce((r->>'blocked')::boolean, false)`,
  },
  team_members: {
    team_id: `r->>'team'`,
    user_id: `r->>'user'`,
    role: `coalesce(r->>'role', 'user')`,
    budget_id: `r->>'budget'`,
  },
  customers: { alias: `r->>'alias'`, budget_id: `r->>'budget'`, blocked: `coalesce((r->>'blocked')::boolean, false)` },
};
const VERSION = {
  revision: `coalesce((r->>'revision')::int, 1)`,
  updated_at: `coalesce(${timeOf('updatedAt')}, now())`,
  record: 'r',
};

/** Writes the audit log entry of a change. */
const LOGGED = `logged AS (${INSERT_ENTRY} WHERE $2::text IS NOT NULL AND EXISTS (SELECT FROM changed))
  SELECT count(*)::int AS count FROM changed`;

/** A budget in use is kept: without it, the records would have no limits. */
const UNUSED = ['organizations', 'teams', 'users', 'team_members', 'customers']
  .map((table) => ` AND NOT EXISTS (SELECT FROM $schema.${table} WHERE budget_id = $1::text)`)
  .concat(` AND NOT EXISTS (SELECT FROM $schema.keys WHERE record->>'budget' = $1::text)`)
  .join('');

/** Separates entity and id in the id of a look-up. */
const SEPARATOR = ' ';

interface Statements {
  readonly find: string;
  readonly insert: string;
  readonly update: string;
  readonly delete: string;
}

/**
 * Teams, users and other records with limits: a table for each kind, with the whole record in JSON.
 */
export class PostgresDirectory {
  /** Shared by all tables: one statement reads all waiting look-ups. */
  readonly lookups: KeyLookups;
  private readonly statements: ReadonlyMap<DirectoryEntity, Statements>;

  constructor(private readonly database: Database) {
    this.statements = new Map(DIRECTORY_ENTITIES.map((entity) => [entity, statementsOf(database, entity)]));
    const find = database.sql(DIRECTORY_ENTITIES.map(findIn).join('\n  UNION ALL '));
    this.lookups = new KeyLookups(async (asked) => {
      const rows = await database.rows(find, [JSON.stringify(idsByEntity(asked))]);
      return new Map(rows.map((row) => [`${String(row.entity)}${SEPARATOR}${String(row.id)}`, String(row.record)]));
    });
  }

  async find<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined> {
    if (!isStorable(id)) return undefined;
    const [row] = await this.database.rows(this.statementsOf(entity).find, [id]);
    return row === undefined ? undefined : read(entity, id, String(row.record));
  }

  /** With few statements in a second, for requests. */
  async lookUp<E extends DirectoryEntity>(entity: E, id: string): Promise<DirectoryRecords[E] | undefined> {
    // An id that cannot be stored would fail the statement for every other look-up in it.
    if (!isStorable(id)) return undefined;
    const text = await this.lookups.find(`${entity}${SEPARATOR}${id}`);
    return text === undefined ? undefined : read(entity, id, text);
  }

  async put<E extends DirectoryEntity>(entity: E, record: DirectoryRecords[E], entry?: AuditEntry): Promise<boolean> {
    const { insert, update } = this.statementsOf(entity);
    try {
      return await this.change((record.revision ?? 1) === 1 ? insert : update, JSON.stringify(record), entry);
    } catch (error) {
      if (violates(error, 'team_members_team_id_fkey', '23503')) throw new InvalidArgumentError('team', NO_VALUE, 'must exist');
      if (isUnstorable(error)) throw new InvalidArgumentError(entity, NO_VALUE, UNSTORABLE);
      throw error;
    }
  }

  async delete(entity: DirectoryEntity, id: string, entry?: AuditEntry): Promise<boolean> {
    return this.change(this.statementsOf(entity).delete, id, entry);
  }

  async list<E extends DirectoryEntity>(entity: E, query: DirectoryQuery): Promise<DirectoryPage<DirectoryRecords[E]>> {
    const { ids, teams, user, organization, alias, email, role, search, limit = DEFAULT_LIMIT, offset = 0 } = query;
    const names = ['id', ...['alias', 'email'].filter((name) => name in COLUMNS[entity])];
    const conditions = new Conditions()
      .with('id = ANY(ARRAY(SELECT jsonb_array_elements_text($?::text::jsonb)))', ids && JSON.stringify(ids))
      .with('team_id = ANY(ARRAY(SELECT jsonb_array_elements_text($?::text::jsonb)))', teams && JSON.stringify(teams))
      .with('user_id = $?::text', user)
      .with('organization_id = $?::text', organization)
      .with('alias = $?::text', alias)
      .with('email = lower($?::text)', email)
      .with('role = $?::text', role)
      .with(`(${names.map((name) => `position(lower($?::text) in lower(${name})) > 0`).join(' OR ')})`, search);
    const from = `FROM $schema.${entity} ${conditions.where}`;
    const counting = this.database.sql(`SELECT count(*)::int AS total FROM (SELECT 1 ${from} LIMIT ${MOST_COUNTED}) AS counted`);
    const [{ total }] = await this.database.rows(counting, [...conditions.params]);
    const slice = `LIMIT ${conditions.param(limit)}::int OFFSET ${conditions.param(offset)}::int`;
    const page = this.database.sql(`SELECT id, record::text AS record ${from} ORDER BY created_at DESC, id ${slice}`);
    const rows = await this.database.rows(page, conditions.params);
    return { records: rows.map(({ id, record }: SqlRow) => read(entity, String(id), String(record))), total: Number(total) };
  }

  private statementsOf(entity: DirectoryEntity): Statements {
    return this.statements.get(entity) as Statements;
  }

  private async change(sql: string, value: string, entry: AuditEntry | undefined): Promise<boolean> {
    const [{ count }] = await this.database.rows(sql, [value, entry === undefined ? null : auditJson(entry)]);
    return Number(count) > 0;
  }
}

function statementsOf(database: Database, entity: DirectoryEntity): Statements {
  const values = { ...COLUMNS[entity], ...VERSION };
  const names = Object.keys(values).join(', ');
  const expressions = Object.values(values).join(', ');
  const given = `FROM (SELECT $1::text::jsonb AS r) AS given`;
  return {
    find: database.sql(`SELECT record::text AS record FROM $schema.${entity} WHERE id = $1::text`),
    insert: database.sql(`WITH changed AS (
    INSERT INTO $schema.${entity} (id, created_at, ${names})
    SELECT r->>'id', coalesce(${timeOf('createdAt')}, now()), ${expressions} ${given}
    ON CONFLICT (id) DO NOTHING RETURNING id
  ), ${LOGGED}`),
    update: database.sql(`WITH changed AS (
    UPDATE $schema.${entity} SET (${names}) = (SELECT ${expressions} ${given})
    WHERE id = $1::text::jsonb->>'id' AND revision = ($1::text::jsonb->>'revision')::int - 1 RETURNING id
  ), ${LOGGED}`),
    delete: database.sql(
      `WITH changed AS (DELETE FROM $schema.${entity} WHERE id = $1::text${entity === 'budgets' ? UNUSED : ''} RETURNING id), ${LOGGED}`,
    ),
  };
}

function findIn(entity: DirectoryEntity): string {
  return `SELECT '${entity}' AS entity, id, record::text AS record FROM $schema.${entity}
    WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb->'${entity}')))`;
}

function idsByEntity(asked: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const ids: Record<string, string[]> = {};
  for (const each of asked) {
    const at = each.indexOf(SEPARATOR);
    (ids[each.slice(0, at)] ??= []).push(each.slice(at + 1));
  }
  return ids;
}

/** @throws InvalidConfigurationError for a record that this version cannot read. */
function read<E extends DirectoryEntity>(entity: E, id: string, text: string): DirectoryRecords[E] {
  return checkDirectoryRecord(entity, `the record ${id} of ${entity} in PostgreSQL`, JSON.parse(text) as unknown);
}
