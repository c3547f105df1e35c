import { DatabaseError } from '../common/errors.js';
import type { SpendOwner, SpendStore } from '../spend/spend-store.js';
import type { Database } from './database.js';
import { failureOf } from './database-failure.js';
import { storableJson } from './storable-json.js';

/** No request waits for a write, and a slow database is better than a repeated batch. */
const WRITE_TIMEOUT_MS = 10_000;
const MAINTENANCE_TIMEOUT_MS = 60_000;
/** Number of calls that one statement deletes. */
const DELETED_AT_ONCE = 5_000;
const MOST_COUNTED = 1_000_000;
/** Number of future months whose partitions are created. */
const MONTHS_AHEAD = 2;
/** Classes of SQLSTATE for invalid data and for exceeded limits of PostgreSQL. */
const OF_DATA = /^(?:2[12]|23|54)/;

/** The function in 0003-spend-log-and-daily-spend.sql writes the rows and sums them up by day. */
const WRITE_CALLS_AND_DAILY_SPEND = 'SELECT $schema.write_calls($1::text::jsonb)::text AS written';
const CREATE = `SELECT $schema.create_spend_month(now() + months * interval '1 month') FROM generate_series(0, ${MONTHS_AHEAD}) AS months`;
const DROP = 'SELECT dropped AS name FROM $schema.drop_spend_before($1::text::timestamptz) AS dropped';
const DELETE = `SELECT $schema.delete_spend_of($1::text, $2::text, ${DELETED_AT_ONCE})::text AS deleted`;
const countSql = (column: string): string =>
  `SELECT count(*)::text AS count FROM (SELECT 1 FROM $schema.calls WHERE ${column} = $1::text LIMIT ${MOST_COUNTED}) AS counted`;
const COUNTS: Readonly<Record<SpendOwner, string>> = {
  key: countSql('key_id'),
  user: countSql('user_id'),
  end_user: countSql('end_user'),
};

/** The spend log in PostgreSQL: `calls`, `call_attempts`, `call_bodies`, `daily_spend`. */
export class PostgresSpend implements SpendStore {
  private readonly writeSql: string;

  constructor(private readonly database: Database) {
    this.writeSql = database.sql(WRITE_CALLS_AND_DAILY_SPEND);
  }

  async write(calls: readonly string[]): Promise<number> {
    const [{ written }] = await this.database.rows(this.writeSql, [storableJson(`[${calls.join(',')}]`)], WRITE_TIMEOUT_MS);
    return Number(written);
  }

  isRejection(error: unknown): boolean {
    const { sqlState } = failureOf(error instanceof DatabaseError ? error.cause : error);
    return sqlState !== undefined && OF_DATA.test(sqlState);
  }

  async createMonths(): Promise<void> {
    await this.database.rows(this.database.sql(CREATE), [], MAINTENANCE_TIMEOUT_MS);
  }

  async dropBefore(time: Date): Promise<readonly string[]> {
    const rows = await this.database.rows(this.database.sql(DROP), [time.toISOString()], MAINTENANCE_TIMEOUT_MS);
    return rows.map(({ name }) => String(name));
  }

  async deleteOf(owner: SpendOwner, id: string): Promise<number> {
    const sql = this.database.sql(DELETE);
    for (let total = 0; ;) {
      const [{ deleted }] = await this.database.rows(sql, [owner, id], MAINTENANCE_TIMEOUT_MS);
      if (Number(deleted) === 0) return total;
      total += Number(deleted);
    }
  }

  async countOf(owner: SpendOwner, id: string): Promise<number> {
    const [{ count }] = await this.database.rows(this.database.sql(COUNTS[owner]), [id], MAINTENANCE_TIMEOUT_MS);
    return Number(count);
  }
}
