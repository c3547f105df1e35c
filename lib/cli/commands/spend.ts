import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { postgresStore, type PostgresStore } from '../../postgres/postgres-store.js';
import type { SpendOwner } from '../../spend/spend-store.js';
import { monthsBefore } from '../../spend/months.js';
import { integerOption, isGiven, textOption, UsageError, type Command, type CommandIo, type GivenArguments } from '../command.js';
import { writeLines } from '../output.js';

/** A connection over a slow network is opened within this time. */
const TIMEOUT_MS = 30_000;
const OWNERS: readonly (readonly [option: string, owner: SpendOwner])[] = [
  ['user', 'user'],
  ['end-user', 'end_user'],
  ['key', 'key'],
];

/** `npx nestjs-fast-litellm spend` */
export const SPEND: Command = {
  operands: 'retention | delete',
  options: {
    months: { type: 'string', short: 'm', value: 'n', help: 'retention: months to keep, besides the current one' },
    user: { type: 'string', value: 'id', help: 'delete: the calls of a user' },
    'end-user': { type: 'string', value: 'id', help: 'delete: the calls of an end user' },
    key: { type: 'string', value: 'id', help: 'delete: the calls of an API key, by its public id' },
    'dry-run': { type: 'boolean', short: 'n', help: 'delete: count the calls without deleting them' },
    url: { type: 'string', short: 'u', value: 'url', help: 'the database (default: the variable DATABASE_URL)' },
    schema: { type: 'string', short: 's', value: 'name', help: 'the schema of all tables (default fast_litellm)' },
  },
  notes: ['Daily sums of teams, models and all calls stay; delete also removes the sums of the user or key itself.'],
  run,
};

async function run({ options, operands }: GivenArguments, io: CommandIo): Promise<number> {
  const [action, ...more] = operands;
  if (more.length > 0 || (action !== 'retention' && action !== 'delete')) throw new UsageError('must be followed by retention or delete');
  const task = action === 'retention' ? retentionOf(options) : deletionOf(options);
  const url = textOption(options, 'url') ?? io.env.DATABASE_URL;
  if (url === undefined || url === '') throw new UsageError('--url: must be set, or the variable DATABASE_URL');
  const store = open(url, textOption(options, 'schema'));
  try {
    writeLines(io.stdout, await task(store));
    return 0;
  } finally {
    await store.close();
  }
}

type Task = (store: PostgresStore) => Promise<readonly string[]>;

function retentionOf(options: GivenArguments['options']): Task {
  const months = integerOption(options, 'months', 1);
  if (months === undefined) throw new UsageError('--months: must be set');
  return async ({ spend }) => {
    const time = monthsBefore(new Date(), months);
    const dropped = await spend.dropBefore(time);
    const day = time.toISOString().slice(0, 10);
    return dropped.length === 0
      ? [`no calls from before ${day}`]
      : [`dropped the calls from before ${day}:`, ...dropped.map((name) => `  ${name}`)];
  };
}

function deletionOf(options: GivenArguments['options']): Task {
  const given = OWNERS.flatMap(([option, owner]) => {
    const id = textOption(options, option);
    return id === undefined ? [] : [{ option, owner, id }];
  });
  if (given.length !== 1) throw new UsageError('delete: must have one of --user, --end-user and --key');
  const [{ option, owner, id }] = given;
  return async ({ spend }) => {
    if (!isGiven(options, 'dry-run')) return [`${option} ${id}: deleted ${await spend.deleteOf(owner, id)} calls`];
    return [`${option} ${id}: has ${await spend.countOf(owner, id)} calls`];
  };
}

/** @throws UsageError naming the option of the command */
function open(url: string, schema: string | undefined): PostgresStore {
  try {
    return postgresStore({ url, schema, timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    throw new UsageError(errorMessage(error).replace(/^postgres\./, '--'));
  }
}
