import type { AuditEntry } from '../common/audit-log.js';
import { errorMessage, InvalidArgumentError, InvalidConfigurationError, NO_VALUE } from '../common/errors.js';
import { checkApiKeyRecord, type ApiKeyRecord } from '../keys/api-key-record.js';
import { aliasTaken, type ApiKeyPage, type ApiKeyQuery } from '../keys/api-key-store.js';
import { auditJson, INSERT_ENTRY, MOST_COUNTED } from './audit-store.js';
import { Conditions } from './conditions.js';
import type { Database } from './database.js';
import { isUnstorable, violates } from './database-failure.js';
import { KeyLookups } from './key-lookups.js';
import type { SqlRow } from './sql-client.js';

const DEFAULT_LIMIT = 100;
/** Maximum number of records per page of `list`. */
const LIST_PAGE = 5_000;
/** Maximum number of unreadable records that health remembers. */
const MOST_UNREADABLE = 100;

/** Columns that copy fields of the record `r`. */
const COLUMNS = `alias, user_id, team_id, organization_id, hashes, expires_at, blocked, revision, created_at, updated_at, record`;
const valuesOf = (createdAt: string): string => `r->>'alias', r->>'user', r->>'team', r->>'organization',
    ARRAY(SELECT h->>'sha256' FROM jsonb_array_elements(r->'hashes') AS h), ${timeOf('expiresAt')},
    coalesce((r->>'blocked')::boolean, false), coalesce((r->>'revision')::int, 1), coalesce(${timeOf('createdAt')}, ${createdAt}),
    coalesce(${timeOf('updatedAt')}, now()), r`;
/** Writes the audit log entry of a change. */
const LOGGED = `logged AS (${INSERT_ENTRY} WHERE $2::text IS NOT NULL AND EXISTS (SELECT FROM changed))
  SELECT count(*)::int AS count FROM changed`;

const FIND = `SELECT public_id, record::text AS record FROM $schema.keys
  WHERE public_id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb)))`;
const INSERT = `WITH changed AS (
    INSERT INTO $schema.keys (public_id, ${COLUMNS})
    SELECT r->>'publicId', ${valuesOf('now()')} FROM (SELECT $1::text::jsonb AS r) AS given
    ON CONFLICT (public_id) DO NOTHING RETURNING public_id
  ), ${LOGGED}`;
const UPDATE = `WITH changed AS (
    UPDATE $schema.keys SET (${COLUMNS}) = (SELECT ${valuesOf('created_at')} FROM (SELECT $1::text::jsonb AS r) AS given)
    WHERE public_id = $1::text::jsonb->>'publicId' AND revision = ($1::text::jsonb->>'revision')::int - 1 RETURNING public_id
  ), ${LOGGED}`;
const DELETE = `WITH changed AS (DELETE FROM $schema.keys WHERE public_id = $1::text RETURNING public_id), ${LOGGED}`;
const LIST = `SELECT public_id, record::text AS record FROM $schema.keys WHERE public_id > $1::text
  ORDER BY public_id LIMIT ${LIST_PAGE}`;
const BY_ALIAS = 'SELECT public_id, record::text AS record FROM $schema.keys WHERE alias = $1::text';
const STATUSES = {
  active: 'NOT blocked AND (expires_at IS NULL OR expires_at > now())',
  expired: 'NOT blocked AND expires_at <= now()',
  revoked: 'blocked',
};

/** API keys in the table `keys`: a row for each, with the whole record in JSON. */
export class PostgresKeys {
  readonly lookups: KeyLookups;
  /** Unreadable records by public id, with the reason. */
  private readonly unreadable = new Map<string, string>();
  private readonly sql: Readonly<Record<'find' | 'insert' | 'update' | 'delete' | 'list' | 'byAlias', string>>;

  constructor(private readonly database: Database) {
    const texts = { find: FIND, insert: INSERT, update: UPDATE, delete: DELETE, list: LIST, byAlias: BY_ALIAS };
    this.sql = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, database.sql(text)])) as typeof this.sql;
    this.lookups = new KeyLookups(async (publicIds) => {
      const rows = await database.rows(this.sql.find, [JSON.stringify(publicIds)]);
      return new Map(rows.map((row) => [String(row.public_id), String(row.record)]));
    });
  }

  async findByPublicId(publicId: string): Promise<ApiKeyRecord | undefined> {
    const text = await this.lookups.find(publicId);
    this.unreadable.delete(publicId);
    return text === undefined ? undefined : this.read(publicId, text);
  }

  async findByAlias(alias: string): Promise<ApiKeyRecord | undefined> {
    const [row] = await this.database.rows(this.sql.byAlias, [alias]);
    return row === undefined ? undefined : this.read(String(row.public_id), String(row.record));
  }

  async put(record: ApiKeyRecord, entry?: AuditEntry): Promise<boolean> {
    const sql = (record.revision ?? 1) === 1 ? this.sql.insert : this.sql.update;
    try {
      return await this.change(sql, JSON.stringify(record), entry);
    } catch (error) {
      if (violates(error, 'keys_alias_unique')) throw aliasTaken(record.alias ?? '');
      if (isUnstorable(error)) throw new InvalidArgumentError('key', NO_VALUE, UNSTORABLE);
      throw error;
    }
  }

  async delete(publicId: string, entry?: AuditEntry): Promise<boolean> {
    this.unreadable.delete(publicId);
    return this.change(this.sql.delete, publicId, entry);
  }

  async list(): Promise<readonly ApiKeyRecord[]> {
    const records: ApiKeyRecord[] = [];
    this.unreadable.clear();
    for (let last = ''; ;) {
      const rows = await this.database.rows(this.sql.list, [last]);
      records.push(...this.readable(rows));
      if (rows.length < LIST_PAGE) return records;
      last = String(rows[rows.length - 1].public_id);
    }
  }

  async search({ user, team, alias, search, publicId, status, limit = DEFAULT_LIMIT, offset = 0 }: ApiKeyQuery): Promise<ApiKeyPage> {
    const conditions = new Conditions()
      .with('user_id = $?::text', user)
      .with('team_id = $?::text', team)
      .with('alias = $?::text', alias)
      .with('public_id = $?::text', publicId)
      .always(status && STATUSES[status]);
    if (search !== undefined) {
      const [prefix, id] = [conditions.param(likePrefix(search)), conditions.param(search)];
      conditions.always(`(lower(alias) LIKE lower(${prefix}::text) OR public_id = ${id}::text)`);
    }
    const from = `FROM $schema.keys ${conditions.where}`;
    const counting = this.database.sql(`SELECT count(*)::int AS total FROM (SELECT 1 ${from} LIMIT ${MOST_COUNTED}) AS counted`);
    const [{ total }] = await this.database.rows(counting, [...conditions.params]);
    const slice = `LIMIT ${conditions.param(limit)}::int OFFSET ${conditions.param(offset)}::int`;
    const page = this.database.sql(`SELECT public_id, record::text AS record ${from} ORDER BY created_at DESC, public_id ${slice}`);
    return { records: this.readable(await this.database.rows(page, conditions.params)), total: Number(total) };
  }

  /** Describes the first unreadable record. */
  fault(): string | undefined {
    const [first] = this.unreadable.values();
    return first;
  }

  private async change(sql: string, value: string, entry: AuditEntry | undefined): Promise<boolean> {
    const [{ count }] = await this.database.rows(sql, [value, entry === undefined ? null : auditJson(entry)]);
    return Number(count) > 0;
  }

  /** Skips unreadable records, so that the others can still be managed. */
  private readable(rows: readonly SqlRow[]): readonly ApiKeyRecord[] {
    return rows.flatMap(({ public_id, record }) => {
      try {
        return [this.read(String(public_id), String(record))];
      } catch {
        return [];
      }
    });
  }

  private read(publicId: string, text: string): ApiKeyRecord {
    try {
      return readRecord(publicId, text);
    } catch (error) {
      if (this.unreadable.size < MOST_UNREADABLE) this.unreadable.set(publicId, errorMessage(error));
      throw error;
    }
  }
}

/** A pattern of `LIKE` for texts that begin with this one. */
function likePrefix(text: string): string {
  return `${text.replace(/[\\%_]/g, '\\$&')}%`;
}

const UNSTORABLE = 'must not contain U+0000, an unpaired surrogate or a date that PostgreSQL cannot store';

/** @throws InvalidConfigurationError for a record that this version cannot read. */
function readRecord(publicId: string, text: string): ApiKeyRecord {
  const path = `the record of the API key ${publicId} in PostgreSQL`;
  const record = checkApiKeyRecord(path, JSON.parse(text) as unknown);
  if (record.publicId === publicId) return record;
  throw new InvalidConfigurationError(path, 'must have the same public id');
}

/** Reads a date without a time as UTC, not in the time zone of the session. */
export function timeOf(field: string): string {
  return `(CASE WHEN length(r->>'${field}') = 10 THEN r->>'${field}' || 'T00:00:00Z' ELSE r->>'${field}' END)::timestamptz`;
}
