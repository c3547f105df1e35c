import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { Database } from '../../postgres/database.js';
import { resolvePostgresStoreOptions } from '../../postgres/postgres-store.js';
import { isGiven, textOption, UsageError, type Command, type CommandIo, type GivenArguments } from '../command.js';
import { writeLines } from '../output.js';

/** A connection over a slow network is opened within this time. */
const TIMEOUT_MS = 30_000;

/** `npx nestjs-fast-litellm migrate` */
export const MIGRATE: Command = {
  options: {
    url: { type: 'string', short: 'u', value: 'url', help: 'the database (default: the variable DATABASE_URL)' },
    schema: { type: 'string', short: 's', value: 'name', help: 'the schema of all tables (default fast_litellm)' },
    'dry-run': { type: 'boolean', short: 'n', help: 'list the missing migrations without applying them; exit with 1 if there are any' },
    json: { type: 'boolean', help: 'write JSON' },
  },
  notes: ['Each migration runs in its own transaction. A failed migration is rolled back, and the next run starts with it.'],
  run,
};

async function run({ options }: GivenArguments, io: CommandIo): Promise<number> {
  const url = textOption(options, 'url') ?? io.env.DATABASE_URL;
  if (url === undefined || url === '') throw new UsageError('--url or the variable DATABASE_URL must be set');
  const isDryRun = isGiven(options, 'dry-run');
  const database = open(url, textOption(options, 'schema'));
  try {
    const names = isDryRun ? (await database.pending()).map(({ name }) => name) : await database.migrate();
    const { schema } = database.options;
    if (isGiven(options, 'json')) io.stdout.write(`${JSON.stringify({ schema, applied: !isDryRun, migrations: names }, null, 2)}\n`);
    else if (names.length === 0) writeLines(io.stdout, [`schema ${schema} is up to date`]);
    else
      writeLines(io.stdout, [
        `schema ${schema}: ${isDryRun ? 'missing migrations' : 'applied migrations'}`,
        ...names.map((name) => `  ${name}`),
      ]);
    return isDryRun && names.length > 0 ? 1 : 0;
  } finally {
    await database.close();
  }
}

/** @throws UsageError naming the option of the command */
function open(url: string, schema: string | undefined): Database {
  try {
    return new Database(resolvePostgresStoreOptions({ url, schema, timeoutMs: TIMEOUT_MS }));
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    throw new UsageError(errorMessage(error).replace(/^postgres\./, '--'));
  }
}
