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

/** The function in 0007-daily-upstream-models.sql writes the rows and sums them up by day. */
const WRITE_CALLS_AND_DAILY_SPEND =
  'SELECT written::text AS written, full_sums::text AS "fullSums" FROM $schema.record_calls($1::text::jsonb)';
const CREATE = `SELECT $schema.create_spend_month((date_trunc('month', $1::text::timestamptz AT TIME ZONE 'UTC')
  + months * interval '1 month') AT TIME ZONE 'UTC') FROM generate_series(0, ${MONTHS_AHEAD}) AS months`;
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
  private hasFullSums = false;

  constructor(private readonly database: Database) {
    this.writeSql = database.sql(WRITE_CALLS_AND_DAILY_SPEND);
  }

  async write(calls: readonly string[] | Buffer): Promise<number> {
    const json = calls instanceof Buffer ? this.parameterOf(calls) : storableJson(`[${calls.join(',')}]`);
    const [{ written, fullSums }] = await this.database.rows(this.writeSql, [json], WRITE_TIMEOUT_MS);
    if (Number(fullSums) > 0) this.hasFullSums = true;
    return Number(written);
  }

  /** A driver copies bytes as they are. Adapters of other libraries may not accept them as text. */
  private parameterOf(json: Buffer): Buffer | string {
    const isSentAsItIs = this.database.canListen && !json.includes('\\u');
    return isSentAsItIs ? json : storableJson(json.toString('utf8'));
  }

  fault(): string | undefined {
    return this.hasFullSums ? 'the sums of a day have reached the largest possible number; check the prices' : undefined;
  }

  isRejection(error: unknown): boolean {
    const { sqlState } = failureOf(error instanceof DatabaseError ? error.cause : error);
    return sqlState !== undefined && OF_DATA.test(sqlState);
  }

  async createMonths(now: Date): Promise<void> {
    await this.database.rows(this.database.sql(CREATE), [now.toISOString()], MAINTENANCE_TIMEOUT_MS);
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
