import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseError, MissingFileError } from '../common/errors.js';
import { databaseError, failureOf } from './database-failure.js';
import { rowsOf, type SqlClient } from './sql-client.js';

/** A numbered file of `migrations/`. */
export interface Migration {
  readonly number: number;
  /** `0001-keys` */
  readonly name: string;
  readonly sql: string;
  /** Whether older versions of the package can keep running. `-- breaking` in the file means no. */
  readonly isCompatible: boolean;
}

/** The state of a schema. */
export interface MigrationState {
  /** Migrations of this version that the database lacks. */
  readonly pending: readonly Migration[];
  /** A breaking migration of a newer version. */
  readonly breaking: string | undefined;
}

const FILE = /^((\d{4})-[a-z0-9-]+)\.sql$/;
const BREAKING = /^-- breaking$/m;

/** Reads the migrations of this version, in order. */
export function readMigrations(folder: string = join(__dirname, 'migrations')): readonly Migration[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw new MissingFileError(folder, 'the PostgreSQL store', { cause: error });
  }
  return names.sort().flatMap((file) => {
    const [, name, number] = FILE.exec(file) ?? [];
    if (name === undefined) return [];
    const sql = readFileSync(join(folder, file), 'utf8');
    return [{ number: Number(number), name, sql, isCompatible: !BREAKING.test(sql) }];
  });
}

/** Compares the schema with the migrations of this version. Changes nothing. */
export async function migrationState(client: SqlClient, schema: string, migrations = readMigrations()): Promise<MigrationState> {
  const [found] = rowsOf(await client.query(`SELECT to_regclass('"${schema}".migrations') IS NOT NULL AS "isThere"`, []));
  if (found?.isThere !== true) return { pending: migrations, breaking: undefined };
  const applied = rowsOf(await client.query(`SELECT number, name, compatible FROM "${schema}".migrations ORDER BY number`, []));
  const numbers = new Set(applied.map(({ number }) => Number(number)));
  const last = migrations.at(-1)?.number ?? 0;
  const breaking = applied.find(({ number, compatible }) => Number(number) > last && compatible !== true);
  return { pending: migrations.filter(({ number }) => !numbers.has(number)), breaking: breaking && String(breaking.name) };
}

/**
 * Applies the missing migrations and returns them. Each is a single statement that any client can
 * send: a transaction under an advisory lock, so that several processes can start at the same time
 * and a failure leaves nothing behind.
 * @throws DatabaseError naming the migration, or if a newer version has made the schema
 * incompatible.
 */
export async function applyMigrations(client: SqlClient, schema: string, migrations = readMigrations()): Promise<readonly Migration[]> {
  const { pending, breaking } = await migrationState(client, schema, migrations);
  refuseBreaking(schema, breaking);
  for (const migration of pending) {
    try {
      await client.query(statementOf(migration, schema));
    } catch (error) {
      const { sqlState, message } = failureOf(error);
      if (sqlState === undefined) throw databaseError(error);
      const reason = `${message}; ${sqlState}`;
      throw new DatabaseError('DATABASE_FAILED', `PostgreSQL: migration ${migration.name} failed and was rolled back (${reason})`, {
        cause: error,
      });
    }
  }
  return pending;
}

/** @throws DatabaseError if a newer version has changed the schema in an incompatible way. */
export function refuseBreaking(schema: string, breaking: string | undefined): void {
  if (breaking === undefined) return;
  const what = `schema ${schema} has migration ${breaking} of a newer version`;
  throw new DatabaseError(
    'DATABASE_NOT_MIGRATED',
    `PostgreSQL: ${what}, which is incompatible with this version; update nestjs-fast-litellm`,
  );
}

/** The option has already validated the schema's name, so it needs no escaping. */
function statementOf({ number, name, sql, isCompatible }: Migration, schema: string): string {
  return `DO $fast_litellm$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('fast_litellm'), hashtext('${schema}'));
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '${schema}') THEN
    CREATE SCHEMA "${schema}";
  END IF;
  PERFORM set_config('search_path', '"${schema}", pg_catalog, pg_temp', true);
  IF to_regclass('"${schema}".migrations') IS NULL THEN
    CREATE TABLE "${schema}".migrations (
      number integer PRIMARY KEY,
      name text NOT NULL,
      compatible boolean NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    );
  END IF;
  IF NOT EXISTS (SELECT FROM "${schema}".migrations WHERE number = ${number}) THEN
    EXECUTE $migration$${sql}$migration$;
    INSERT INTO "${schema}".migrations (number, name, compatible) VALUES (${number}, '${name}', ${isCompatible});
  END IF;
END $fast_litellm$`;
}

/** Joins the names of migrations for messages. */
export function namesOf(migrations: readonly Migration[]): string {
  return migrations.map(({ name }) => name).join(', ');
}
