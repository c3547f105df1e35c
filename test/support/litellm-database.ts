import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestDatabase, type TestPool } from './postgres.js';

const TABLES = readFileSync(join(__dirname, '../fixtures/litellm/database.sql'), 'utf8');

/** A database with the tables of a LiteLLM proxy. */
export class LiteLLMDatabase {
  private constructor(
    private readonly database: TestDatabase,
    private readonly pool: TestPool,
  ) {}

  static async create(): Promise<LiteLLMDatabase> {
    const database = await TestDatabase.create();
    const pool = database.pool({ max: 2 });
    await pool.query(TABLES);
    return new LiteLLMDatabase(database, pool);
  }

  get url(): string {
    return this.database.url;
  }

  get name(): string {
    return this.database.name;
  }

  /** Inserts rows; columns that are absent get their defaults. */
  async insert(table: string, ...rows: readonly object[]): Promise<void> {
    const name = `"LiteLLM_${table}"`;
    for (const row of rows) {
      const columns = Object.keys(row)
        .map((column) => `"${column}"`)
        .join(', ');
      const sql = `INSERT INTO ${name} (${columns}) SELECT ${columns} FROM jsonb_populate_record(NULL::${name}, $1::text::jsonb)`;
      await this.pool.query(sql, [JSON.stringify(row)]);
    }
  }

  /** Inserts keys, by the keys themselves. */
  async insertKeys(rows: Readonly<Record<string, object>>): Promise<void> {
    const all = Object.entries(rows).map(([key, row]) => ({ token: tokenOf(key), models: [], created_at: '2026-01-01T00:00:00', ...row }));
    await this.insert('VerificationToken', ...all);
  }

  query(sql: string, params: unknown[] = []): Promise<Record<string, unknown>[]> {
    return this.database.query(sql, params);
  }

  drop(): Promise<void> {
    return this.database.drop();
  }
}

/** The hash that LiteLLM stores of a key. */
export function tokenOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
