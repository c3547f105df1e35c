import { randomUUID } from 'node:crypto';
import {
  maskSecrets,
  type AuditEntry,
  type AuditLog,
  type AuditPage,
  type AuditQuery,
  type RecordedAuditEntry,
} from '../common/audit-log.js';
import { DatabaseError, errorMessage } from '../common/errors.js';
import { Conditions } from './conditions.js';
import type { Database } from './database.js';
import type { SqlRow } from './sql-client.js';
import { storableJson } from './storable-json.js';

/** Maximum number of entries that wait for the database. */
const MOST_WAITING = 1_000;
const RETRY_MS = 2_000;
const MOST_ENTRIES = 1_000;
const DEFAULT_ENTRIES = 100;
/** Counting stops here, because it reads every row. */
export const MOST_COUNTED = 100_000;

const COLUMNS = `id::text, (extract(epoch FROM at) * 1000)::float8::text AS at, actor, address, action, entity, entity_id,
  before::text AS before, after::text AS after, request_id`;

/** Serializes an entry for `INSERT_ENTRY`. */
export function auditJson(entry: AuditEntry): string {
  const { before, after, ...rest } = entry;
  const masked = { before: maskSecrets(before), after: maskSecrets(after) };
  return storableJson(JSON.stringify({ id: randomUUID(), at: new Date(), ...rest, ...masked }));
}

/**
 * Inserts the entry in parameter `$2` (JSON). The caller appends `FROM` and a condition, so that
 * one statement makes a change and logs it.
 */
export const INSERT_ENTRY = `INSERT INTO $schema.audit_log
    (id, at, actor, address, action, entity, entity_id, before, after, request_id)
  SELECT (e->>'id')::uuid, (e->>'at')::timestamptz, e->>'actor', e->>'address', e->>'action', e->>'entity', e->>'entityId',
    e->'before', e->'after', e->>'requestId'
  FROM (SELECT $2::text::jsonb AS e) AS given`;

/** The audit log in PostgreSQL. */
export class PostgresAuditLog implements AuditLog {
  private readonly insertSql: string;
  private readonly waiting: string[] = [];
  private lost = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private writing: Promise<boolean> | undefined = undefined;
  private failure: string | undefined = undefined;

  constructor(private readonly database: Database) {
    this.insertSql = database.sql(`${INSERT_ENTRY.replace('$2', '$1')} ON CONFLICT (id) DO NOTHING`);
  }

  async record(entry: AuditEntry): Promise<boolean> {
    const json = auditJson(entry);
    this.waiting.push(json);
    if (this.waiting.length > MOST_WAITING) {
      this.waiting.shift();
      this.lost++;
    }
    const isWritten = await this.flush();
    // A write that was just finishing did not include this entry.
    return isWritten && this.waiting.includes(json) ? this.flush() : isWritten;
  }

  async search(query: AuditQuery): Promise<AuditPage> {
    const { id, actor, action, entity, entityId, since, until, oldestFirst = false, limit = DEFAULT_ENTRIES, offset = 0 } = query;
    const conditions = new Conditions()
      .with('id = $?::text::uuid', id)
      .with('actor = $?::text', actor)
      .with('action = $?::text', action)
      .with('entity = $?::text', entity)
      .with('entity_id = $?::text', entityId)
      .with('at >= $?::text::timestamptz', since?.toISOString())
      .with('at < $?::text::timestamptz', until?.toISOString());
    const from = `FROM $schema.audit_log ${conditions.where}`;
    const counted = this.database.sql(`SELECT count(*)::int AS total FROM (SELECT 1 ${from} LIMIT ${MOST_COUNTED}) AS counted`);
    const [{ total }] = await this.database.rows(counted, [...conditions.params]);
    const order = oldestFirst ? 'at, id DESC' : 'at DESC, id';
    const slice = `LIMIT ${conditions.param(Math.min(limit, MOST_ENTRIES))}::int OFFSET ${conditions.param(offset)}::int`;
    const page = this.database.sql(`SELECT ${COLUMNS} ${from} ORDER BY ${order} ${slice}`);
    const rows = await this.database.rows(page, conditions.params);
    return { entries: rows.map(entryOf), total: Number(total) };
  }

  /** Why entries were lost or cannot be written now. */
  fault(): string | undefined {
    if (this.lost > 0) return `${this.lost} entries of the audit log were lost while PostgreSQL was unavailable`;
    return this.waiting.length > 0 ? this.failure : undefined;
  }

  /** Writes the waiting entries; one run at a time. */
  async close(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.flush();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private flush(): Promise<boolean> {
    return (this.writing ??= this.write().finally(() => (this.writing = undefined)));
  }

  private async write(): Promise<boolean> {
    try {
      while (this.waiting.length > 0) {
        const [first] = this.waiting;
        await this.database.rows(this.insertSql, [first]);
        if (this.waiting[0] === first) this.waiting.shift();
      }
      this.failure = undefined;
      return true;
    } catch (error) {
      this.failure = errorMessage(error);
      // An entry that the database rejects must not block the others.
      if (error instanceof DatabaseError && error.code === 'DATABASE_FAILED' && this.waiting.shift() !== undefined) this.lost++;
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        void this.flush();
      }, RETRY_MS).unref();
      return false;
    }
  }
}

function entryOf(row: SqlRow): RecordedAuditEntry {
  const text = (name: string): string | undefined => (row[name] === null ? undefined : (row[name] as string));
  const json = (name: string): object | undefined => (row[name] === null ? undefined : (JSON.parse(row[name] as string) as object));
  return {
    id: String(row.id),
    at: new Date(Number(row.at)),
    actor: String(row.actor),
    address: text('address'),
    action: String(row.action),
    entity: String(row.entity),
    entityId: String(row.entity_id),
    before: json('before'),
    after: json('after'),
    requestId: text('request_id'),
  };
}
