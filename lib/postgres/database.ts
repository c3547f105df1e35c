import { steadyNow } from '../common/clock.js';
import { DatabaseError } from '../common/errors.js';
import { databaseError } from './database-failure.js';
import { applyMigrations, migrationState, namesOf, refuseBreaking, type Migration } from './migrate.js';
import { openPool, type OwnedPool } from './pg-pool.js';
import { lendsSessions, rowsOf, type LendingClient, type SqlClient, type SqlRow, type SqlSession } from './sql-client.js';

/** How to connect to a database. */
export interface DatabaseOptions {
  readonly url: string | undefined;
  readonly pool: SqlClient | undefined;
  readonly schema: string;
  readonly migrate: boolean;
  readonly timeoutMs: number;
}

/** After a failed start, statements fail with the same reason for this long. */
const RESTART_MS = 250;
/** Long, because migrations create indexes on tables of any size. */
const MIGRATION_TIMEOUT_MS = 600_000;

/** A database and one schema: connections, migrations, timeouts, errors without secrets. */
export class Database {
  private readonly owned: OwnedPool | undefined;
  private readonly client: SqlClient;
  /** Whether the schema is ready for statements. */
  private isReady = false;
  private start: Promise<void> | undefined = undefined;
  private failedStart: { readonly error: DatabaseError; readonly untilMs: number } | undefined = undefined;
  private failure: string | undefined = undefined;

  /** @throws MissingPackageError without pg. */
  constructor(readonly options: DatabaseOptions) {
    const { url, pool, timeoutMs } = options;
    this.owned = url === undefined ? undefined : openPool(url, { purpose: 'the PostgreSQL store', connectTimeoutMs: timeoutMs });
    this.client = this.owned ?? (pool as SqlClient);
  }

  /** Returns the statement for this schema, with its name in place of `$schema`. */
  sql(text: string): string {
    return text.replaceAll('$schema', `"${this.options.schema}"`);
  }

  /**
   * Runs a statement and returns its rows. The first one applies missing migrations.
   * @throws DatabaseError
   */
  async rows(sql: string, params: unknown[] = [], timeoutMs: number = this.options.timeoutMs): Promise<readonly SqlRow[]> {
    if (!this.isReady) await this.ready();
    return this.send(sql, params, timeoutMs);
  }

  /** Resolves when the schema has all migrations. @throws DatabaseError */
  async ready(): Promise<void> {
    if (this.isReady) return;
    const { failedStart } = this;
    if (failedStart !== undefined && steadyNow() < failedStart.untilMs) throw failedStart.error;
    this.start ??= this.prepare().finally(() => (this.start = undefined));
    await this.start;
  }

  /** Applies the missing migrations and returns their names. @throws DatabaseError */
  async migrate(): Promise<readonly string[]> {
    const applied = await this.watched(applyMigrations(this.client, this.options.schema), MIGRATION_TIMEOUT_MS);
    this.isReady = true;
    return applied.map(({ name }) => name);
  }

  /** Returns the missing migrations. Changes nothing. @throws DatabaseError */
  async pending(): Promise<readonly Migration[]> {
    const { pending, breaking } = await this.watched(migrationState(this.client, this.options.schema));
    refuseBreaking(this.options.schema, breaking);
    return pending;
  }

  /** Most connections, if the client is a pool that states it. */
  get poolSize(): number | undefined {
    const { options } = this.client as { readonly options?: { readonly max?: unknown } };
    return typeof options?.max === 'number' ? options.max : undefined;
  }

  /** Whether the client can lend a connection to listen on. */
  get canListen(): boolean {
    return lendsSessions(this.client);
  }

  /** Lends a connection. @throws DatabaseError */
  async session(): Promise<SqlSession> {
    const { client } = this;
    if (!lendsSessions(client)) throw new TypeError('the client cannot provide a dedicated connection');
    return this.watched(client.connect());
  }

  /** Why the database is unavailable; `undefined` if it answered the last statement. */
  fault(): string | undefined {
    return this.failure;
  }

  /** Closes the pool if this object opened it, once all connections are returned. */
  async close(): Promise<void> {
    await this.owned?.end().catch(() => {});
  }

  /** Runs a statement even if the schema is not ready. @throws DatabaseError */
  private async send(sql: string, params: unknown[], timeoutMs: number): Promise<readonly SqlRow[]> {
    const { client } = this;
    const answer = lendsSessions(client)
      ? this.onSession(client, sql, params, timeoutMs)
      : this.watched(client.query(sql, params), timeoutMs);
    return rowsOf(await answer);
  }

  /**
   * Uses a dedicated connection. After a timeout it is closed, because the pool would lend it
   * again.
   */
  private async onSession(client: LendingClient, sql: string, params: unknown[], timeoutMs: number): Promise<unknown> {
    const lent = client.connect();
    const session = await this.watched(lent, timeoutMs, () => void lent.then((late) => late.release()).catch(() => {}));
    let isLost = true;
    // An error on a leased connection must not end the process.
    const ignore = (): void => {};
    session.on('error', ignore);
    try {
      const answer = await this.watched(session.query(sql, params), timeoutMs);
      isLost = false;
      return answer;
    } catch (error) {
      isLost = (error as DatabaseError).code === 'DATABASE_UNAVAILABLE';
      throw error;
    } finally {
      session.removeListener('error', ignore);
      session.release(isLost);
    }
  }

  private async prepare(): Promise<void> {
    const { schema, migrate } = this.options;
    try {
      const pending = await this.pending();
      if (pending.length > 0 && migrate) await this.migrate();
      else if (pending.length > 0) {
        const missing = `schema ${schema} lacks the migrations ${namesOf(pending)}`;
        throw new DatabaseError('DATABASE_NOT_MIGRATED', `PostgreSQL: ${missing}; run npx nestjs-fast-litellm migrate --schema ${schema}`);
      }
      this.isReady = true;
      this.failedStart = undefined;
    } catch (error) {
      const failed = this.noted(error);
      this.failedStart = { error: failed, untilMs: steadyNow() + RESTART_MS };
      throw failed;
    }
  }

  /** Waits for an answer up to a timeout, and records whether the database works. */
  private async watched<T>(answer: Promise<T>, timeoutMs: number = this.options.timeoutMs, onTimeout?: () => void): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        onTimeout?.();
        reject(new DatabaseError('DATABASE_UNAVAILABLE', `PostgreSQL: no response within ${timeoutMs} ms`));
      }, timeoutMs);
    });
    // Ignore its failure after the timeout.
    answer.catch(() => {});
    try {
      const result = await Promise.race([answer, late]);
      this.failure = undefined;
      return result;
    } catch (error) {
      throw this.noted(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A statement with an error of its own does not make the database unavailable. */
  private noted(error: unknown): DatabaseError {
    const failed = databaseError(error);
    if (failed.code === 'DATABASE_FAILED' && !/; (?:42|0A)/.test(failed.message)) this.failure = undefined;
    else this.failure = failed.message;
    return failed;
  }
}
