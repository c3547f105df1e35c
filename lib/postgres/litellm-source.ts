import { InvalidConfigurationError } from '../common/errors.js';
import { databaseError } from './database-failure.js';
import { openPool, type OwnedPool } from './pg-pool.js';
import { rowsOf } from './sql-client.js';

/** A row of a table of LiteLLM, by column, as JSON. */
export type LiteLLMRow = Readonly<Record<string, unknown>>;

/** Tables to read, named without `LiteLLM_`, with the columns that order them. */
const TABLES = {
  VerificationToken: ['token'],
  DeprecatedVerificationToken: ['token'],
  BudgetTable: ['budget_id'],
  BudgetWindowSpend: ['entity_type', 'entity_id', 'window_duration'],
  TeamTable: ['team_id'],
  UserTable: ['user_id'],
  TeamMembership: ['team_id', 'user_id'],
  OrganizationTable: ['organization_id'],
  EndUserTable: ['user_id'],
  ModelTable: ['id'],
} as const;

const CALLS = 'SpendLogs';

export type LiteLLMTable = keyof typeof TABLES;
/** The first instant of PostgreSQL. */
const BEGINNING = '-infinity';

const SCHEMA = /^[A-Za-z_][\w$]{0,62}$/;

/** How to read LiteLLM's database. */
export interface LiteLLMSourceOptions {
  /** `postgres://…`; parameters that only Prisma reads are allowed. */
  readonly url: string;
  /** Default: the parameter `schema` of the URL, else `public`. */
  readonly schema?: string;
  readonly timeoutMs: number;
}

/**
 * Reads the tables of a LiteLLM proxy of any version; rows lack the columns that a version does not
 * have. Rows are read as JSON text, so that no time zone or driver setting changes a value.
 */
export class LiteLLMSource {
  readonly schema: string;
  private readonly pool: OwnedPool;

  /** @throws InvalidConfigurationError for the schema; MissingPackageError without pg. */
  constructor({ url, schema, timeoutMs }: LiteLLMSourceOptions) {
    this.schema = schema ?? new URL(url).searchParams.get('schema') ?? 'public';
    if (!SCHEMA.test(this.schema))
      throw new InvalidConfigurationError('schema', `must be 1 to 63 letters, digits, _ and $, got ${JSON.stringify(this.schema)}`);
    this.pool = openPool(url, { purpose: 'import-keys', connectTimeoutMs: timeoutMs, maxConnections: 2 });
  }

  /** Whether the schema has a table. @throws DatabaseError */
  async has(table: LiteLLMTable | typeof CALLS): Promise<boolean> {
    const [row] = await this.query('SELECT to_regclass($1::text) IS NOT NULL AS row', [this.nameOf(table)]);
    return row === true;
  }

  /** Returns the number of rows. @throws DatabaseError */
  async count(table: LiteLLMTable | typeof CALLS): Promise<number> {
    const [count] = await this.query(`SELECT count(*)::int AS row FROM ${this.nameOf(table)}`, []);
    return Number(count);
  }

  /**
   * Yields all rows in key order, page by page.
   * @param after Only rows whose first key column is greater.
   * @throws DatabaseError
   */
  async *pages(table: LiteLLMTable, size: number, after = ''): AsyncGenerator<readonly LiteLLMRow[]> {
    const columns = TABLES[table].map((column) => `"${column}"::text`);
    const order = columns.join(', ');
    const marks = columns.map((_, at) => `$${at + 1}::text`).join(', ');
    const sql = `SELECT to_jsonb(t)::text AS row FROM ${this.nameOf(table)} AS t
      WHERE (${order}) > (${marks}) ORDER BY ${order} LIMIT $${columns.length + 1}::int`;
    let last: readonly string[] = [after, ...columns.slice(1).map(() => '')];
    for (;;) {
      const rows = (await this.query(sql, [...last, size])).map((text) => JSON.parse(String(text)) as LiteLLMRow);
      if (rows.length > 0) yield rows;
      if (rows.length < size) return;
      const end = rows[rows.length - 1];
      last = TABLES[table].map((column) => String(end[column]));
    }
  }

  /** Returns all rows of a table; none if it does not exist. @throws DatabaseError */
  async all(table: LiteLLMTable, size: number): Promise<readonly LiteLLMRow[]> {
    if (!(await this.has(table))) return [];
    const rows: LiteLLMRow[] = [];
    for await (const page of this.pages(table, size)) rows.push(...page);
    return rows;
  }

  /** Returns the keys with these tokens. @throws DatabaseError */
  async keys(tokens: readonly string[]): Promise<readonly LiteLLMRow[]> {
    const sql = `SELECT to_jsonb(t)::text AS row FROM ${this.nameOf('VerificationToken')} AS t
      WHERE token = ANY(ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb)))`;
    return (await this.query(sql, [JSON.stringify(tokens)])).map((text) => JSON.parse(String(text)) as LiteLLMRow);
  }

  /**
   * The rows of `LiteLLM_SpendLogs` in the order of their start, a page at a time.
   * @param columns Those that are read if the table has them; bodies can be large.
   * @param since ISO 8601 in UTC. Default: all.
   * @throws DatabaseError
   */
  async *calls(columns: readonly string[], size: number, since: string = BEGINNING): AsyncGenerator<readonly LiteLLMRow[]> {
    const table = this.nameOf(CALLS);
    const sql = 'SELECT attname AS row FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped';
    const existing = await this.query(sql, [table]);
    const selected = columns.filter((column) => existing.includes(column)).map((column) => `"${column}"`);
    const page = `SELECT to_jsonb(t)::text AS row FROM (
        SELECT ${selected.join(', ')} FROM ${table}
        WHERE ("startTime", request_id) > ($1::text::timestamp, $2::text) ORDER BY "startTime", request_id LIMIT $3::int
      ) AS t`;
    let last: readonly string[] = [since, ''];
    for (;;) {
      const rows = (await this.query(page, [...last, size])).map((text) => JSON.parse(String(text)) as LiteLLMRow);
      if (rows.length > 0) yield rows;
      if (rows.length < size) return;
      const end = rows[rows.length - 1];
      last = [String(end.startTime), String(end.request_id)];
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private nameOf(table: LiteLLMTable | typeof CALLS): string {
    return `"${this.schema}"."LiteLLM_${table}"`;
  }

  /** The column `row` of each row. */
  private async query(sql: string, params: unknown[]): Promise<readonly unknown[]> {
    try {
      return rowsOf(await this.pool.query(sql, params)).map(({ row }) => row);
    } catch (error) {
      throw databaseError(error);
    }
  }
}
