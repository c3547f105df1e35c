import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorMessage, InvalidArgumentError, InvalidConfigurationError } from '../../common/errors.js';
import { definedFields } from '../../common/objects.js';
import { postgresStore, type PostgresStore } from '../../postgres/postgres-store.js';
import { EXPORT_FORMATS, exportText, type ExportFormat } from '../../spend/export.js';
import { FastLiteLLMSpendService } from '../../spend/spend.service.js';
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
  operands: 'export | retention | delete',
  options: {
    from: { type: 'string', value: 'date', help: 'export: first day in UTC (default: the last 30 days, including today)' },
    to: { type: 'string', value: 'date', help: 'export: last day in UTC, inclusive' },
    format: { type: 'string', short: 'f', value: 'name', help: 'export: csv (default), json or ndjson' },
    team: { type: 'string', value: 'id', help: 'export: only the calls of a team' },
    model: { type: 'string', value: 'name', help: 'export: only the calls of a model group' },
    tag: { type: 'string', value: 'name', help: 'export: only calls with a tag' },
    months: { type: 'string', short: 'm', value: 'n', help: 'retention: months to keep, in addition to the current month' },
    user: { type: 'string', value: 'id', help: 'export, delete: the calls of a user' },
    'end-user': { type: 'string', value: 'id', help: 'export, delete: the calls of an end user' },
    key: { type: 'string', value: 'id', help: 'export, delete: the calls of an API key, by its public id' },
    'dry-run': { type: 'boolean', short: 'n', help: 'delete: count the calls without deleting them' },
    url: { type: 'string', short: 'u', value: 'url', help: 'the database (default: the variable DATABASE_URL)' },
    schema: { type: 'string', short: 's', value: 'name', help: 'the schema of all tables (default fast_litellm)' },
  },
  notes: ['Daily sums of teams, models and all calls are kept; delete also removes the daily sums of the user or key.'],
  run,
};

async function run({ options, operands }: GivenArguments, io: CommandIo): Promise<number> {
  const [action, ...more] = operands;
  const makeTask = more.length === 0 && Object.hasOwn(TASKS, action ?? '') ? TASKS[action] : undefined;
  if (makeTask === undefined) throw new UsageError('must be followed by export, retention or delete');
  const task = makeTask(options, io);
  const url = textOption(options, 'url') ?? io.env.DATABASE_URL;
  if (url === undefined || url === '') throw new UsageError('--url or the variable DATABASE_URL must be set');
  const store = open(url, textOption(options, 'schema'));
  try {
    writeLines(io.stdout, await task(store));
    return 0;
  } finally {
    await store.close();
  }
}

/** Returns lines to write. */
type Task = (store: PostgresStore) => Promise<readonly string[]>;

const TASKS: Readonly<Record<string, (options: GivenArguments['options'], io: CommandIo) => Task>> = {
  export: exportOf,
  retention: retentionOf,
  delete: deletionOf,
};

/** Writes the calls themselves, page by page, as fast as they are read. */
function exportOf(options: GivenArguments['options'], { stdout }: CommandIo): Task {
  const format = textOption(options, 'format') ?? 'csv';
  if (!isFormat(format)) throw new UsageError(`--format: must be one of ${EXPORT_FORMATS.join(', ')}, got '${format}'`);
  const filter = definedFields({
    team: textOption(options, 'team'),
    modelGroup: textOption(options, 'model'),
    tag: textOption(options, 'tag'),
    user: textOption(options, 'user'),
    endUser: textOption(options, 'end-user'),
    key: textOption(options, 'key'),
  });
  const period = definedFields({ from: textOption(options, 'from'), to: textOption(options, 'to') });
  return async ({ spendQueries }) => {
    const calls = new FastLiteLLMSpendService(spendQueries).export({ ...period, filter });
    try {
      await pipeline(Readable.from(exportText(calls, format), { objectMode: false }), stdout, { end: false });
    } catch (error) {
      if (error instanceof InvalidArgumentError) throw new UsageError(`--${error.message}`);
      // `| head` has read enough.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    }
    return [];
  };
}

function isFormat(format: string): format is ExportFormat {
  return (EXPORT_FORMATS as readonly string[]).includes(format);
}

function retentionOf(options: GivenArguments['options']): Task {
  const months = integerOption(options, 'months', 1);
  if (months === undefined) throw new UsageError('--months must be set');
  return async ({ spend }) => {
    const time = monthsBefore(new Date(), months);
    const dropped = await spend.dropBefore(time);
    const day = time.toISOString().slice(0, 10);
    return dropped.length === 0 ? [`no calls before ${day}`] : [`dropped the calls before ${day}:`, ...dropped.map((name) => `  ${name}`)];
  };
}

function deletionOf(options: GivenArguments['options']): Task {
  const given = OWNERS.flatMap(([option, owner]) => {
    const id = textOption(options, option);
    return id === undefined ? [] : [{ option, owner, id }];
  });
  if (given.length !== 1) throw new UsageError('delete requires exactly one of --user, --end-user and --key');
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
