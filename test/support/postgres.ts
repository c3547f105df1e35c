import { randomBytes } from 'node:crypto';
import type { SqlClient } from 'nestjs-fast-litellm';

/** The server that tests share; each suite has databases of its own. By `jest-setup.js`. */
export const SERVER_URL = process.env.POSTGRES_URL ?? '';

/** Without PostgreSQL, its tests cannot run: they are shown as skipped. */
export const hasPostgres = SERVER_URL !== '';

/** A pool of `pg`, as tests use it. */
export interface TestPool extends SqlClient {
  query(sql: string, params?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  connect(): Promise<unknown>;
  end(): Promise<void>;
}

/** Opens a pool of pg. Tests end it. */
export function openTestPool(url: string, options: object = {}): TestPool {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer
  const { Pool } = require('pg') as {
    readonly Pool: new (options: object) => TestPool & { on(event: 'error', listener: () => void): void };
  };
  const pool = new Pool({ connectionString: url, ...options });
  pool.on('error', () => {});
  return pool;
}

/** A database of a test's own. */
export class TestDatabase {
  private readonly pools: TestPool[] = [];

  private constructor(
    readonly name: string,
    readonly url: string,
  ) {}

  static async create(): Promise<TestDatabase> {
    const name = `fast_litellm_test_${randomBytes(6).toString('hex')}`;
    await onServer(`CREATE DATABASE ${name}`);
    const url = new URL(SERVER_URL);
    url.pathname = `/${name}`;
    return new TestDatabase(name, url.href);
  }

  /** A pool that ends with the database. */
  pool(options: object = {}): TestPool {
    const pool = openTestPool(this.url, options);
    this.pools.push(pool);
    return pool;
  }

  /** Rows of a statement, by a connection of its own. */
  async query(sql: string, params: unknown[] = []): Promise<Record<string, unknown>[]> {
    const pool = openTestPool(this.url, { max: 1 });
    try {
      return (await pool.query(sql, params)).rows;
    } finally {
      await pool.end();
    }
  }

  async drop(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.end()));
    await onServer(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
  }
}

async function onServer(sql: string): Promise<void> {
  const pool = openTestPool(SERVER_URL, { max: 1 });
  try {
    await pool.query(sql);
  } finally {
    await pool.end();
  }
}
