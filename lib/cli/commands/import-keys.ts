import { errorMessage, FastLiteLLMError, InvalidConfigurationError } from '../../common/errors.js';
import { ZoneClock } from '../../rate-limit/budget/calendar.js';
import { fileApiKeyStore } from '../../keys/file-store.js';
import { redisApiKeyStore } from '../../keys/redis/redis-store.js';
import type { ApiKeyStore } from '../../keys/api-key-store.js';
import { LiteLLMSource } from '../../postgres/litellm-source.js';
import { checkPostgresUrl } from '../../postgres/pg-pool.js';
import { postgresStore } from '../../postgres/postgres-store.js';
import {
  CommandError,
  integerOption,
  isGiven,
  textOption,
  UsageError,
  type Command,
  type CommandIo,
  type GivenArguments,
} from '../command.js';
import type { GivenOptions } from '../command.js';
import type { DirectoryStore } from '../../directory/directory-store.js';
import { DirectoryTarget } from '../import/directory-target.js';
import type { SpendStore } from '../../spend/spend-store.js';
import { ImportFindings } from '../import/findings.js';
import { ImportProgress } from '../import/import-progress.js';
import { ImportRun } from '../import/import-run.js';
import { summaryJson, summaryLines, type SummaryContext } from '../import/import-summary.js';
import { KeyTarget } from '../import/key-target.js';
import { timeOf } from '../import/litellm-values.js';
import { SpendTarget, type SpendTargetOptions } from '../import/spend-target.js';
import { writeLines } from '../output.js';
import { shownAddress } from '../shown-address.js';

const TIMEOUT_MS = 30_000;
const DEFAULT_BATCH = 1_000;
const LARGEST_BATCH = 5_000;

/** `npx nestjs-fast-litellm import-keys` */
export const IMPORT_KEYS: Command = {
  options: {
    from: { type: 'string', value: 'url', help: "LiteLLM's database (default: the variable LITELLM_DATABASE_URL)" },
    schema: { type: 'string', value: 'name', help: "the schema of LiteLLM's tables (default: the schema in the URL, otherwise public)" },
    to: { type: 'string', value: 'url', help: 'the PostgreSQL database of postgresStore (default: the variable DATABASE_URL)' },
    'to-schema': { type: 'string', value: 'name', help: 'the schema of all tables in --to (default fast_litellm)' },
    file: { type: 'string', value: 'file', help: 'instead of --to: the file of fileApiKeyStore' },
    redis: { type: 'string', value: 'url', help: 'Redis, for spend; without --to and --file, also for keys' },
    prefix: { type: 'string', value: 'text', help: 'the prefix of all key names in Redis (default fast-litellm:)' },
    'budgets-file': { type: 'string', value: 'file', help: 'for spend without Redis: rateLimit.budgets.snapshotFile' },
    'postgres-budgets': { type: 'boolean', help: 'for spend without Redis: the budgets of --to (postgresRateLimitStore)' },
    'time-zone': { type: 'string', value: 'name', help: 'the time zone of budgets: litellm_settings.timezone (default UTC)' },
    'spend-logs': { type: 'boolean', help: 'with --to: also import the call history (LiteLLM_SpendLogs), without bodies' },
    'calls-since': { type: 'string', value: 'time', help: 'import calls from this time on: 2026-01-31 or 2026-01-31T12:00:00Z' },
    'dry-run': { type: 'boolean', short: 'n', help: 'check every row and show the result without writing anything' },
    after: { type: 'string', value: 'id', help: 'continue after the key with this public id' },
    batch: { type: 'string', value: 'rows', help: `rows per statement (default ${DEFAULT_BATCH})` },
    json: { type: 'boolean', help: 'write JSON' },
  },
  notes: [
    'Clients keep their keys: only hashes are read and written. Start with --dry-run. The import can be repeated: it keeps records',
    'that have been changed here, and never lowers spend. It exits with 1 if a row could not be imported.',
  ],
  run,
};

/** Stores by the options. */
interface Targets {
  readonly store: ApiKeyStore | undefined;
  readonly directory?: DirectoryStore;
  readonly calls?: SpendStore;
  readonly shown: string;
  readonly spend: (() => SpendTarget) | undefined;
  readonly shownSpend: string | undefined;
}

async function run({ options }: GivenArguments, io: CommandIo): Promise<number> {
  const isDryRun = isGiven(options, 'dry-run');
  const batch = Math.min(LARGEST_BATCH, integerOption(options, 'batch', 1) ?? DEFAULT_BATCH);
  const timeZone = checkedTimeZone(textOption(options, 'time-zone'));
  const callsSince = timeOption(options, 'calls-since');
  const from = checkedUrl('from', textOption(options, 'from') ?? io.env.LITELLM_DATABASE_URL);
  if (from === undefined) throw new UsageError('--from or the variable LITELLM_DATABASE_URL must be set');
  const source = asUsage(() => new LiteLLMSource({ url: from, schema: textOption(options, 'schema'), timeoutMs: TIMEOUT_MS }));
  const targets = targetsOf(options, io, isDryRun);
  const withCalls = isGiven(options, 'spend-logs') || callsSince !== undefined;
  if (withCalls && targets.calls === undefined) throw new UsageError('--spend-logs requires --to, because only PostgreSQL stores calls');
  const findings = new ImportFindings();
  let spend: SpendTarget | undefined;
  const progress = new ImportProgress(io.stderr);
  let importing: ImportRun | undefined;
  try {
    if (!(await source.has('VerificationToken')))
      throw new CommandError(
        `schema ${source.schema} of ${shownAddress(from)} has no table LiteLLM_VerificationToken; set the schema with --schema`,
      );
    if (!isDryRun) spend = targets.spend?.();
    const { directory } = targets;
    const parts = {
      source,
      keys: new KeyTarget(targets.store, findings),
      directory: directory && new DirectoryTarget(directory, findings, isDryRun),
      spend,
      calls: withCalls ? targets.calls : undefined,
      findings,
    };
    importing = new ImportRun(
      parts,
      { isDryRun, batch, timeZone, callsSince, after: textOption(options, 'after'), nowMs: Date.now() },
      progress,
    );
    await importing.run();
  } catch (error) {
    progress.end();
    const { lastKey, lastCall } = importing?.report ?? {};
    if (!(error instanceof FastLiteLLMError) || lastKey === undefined) throw error;
    const next = `--after ${lastKey}${lastCall === undefined ? '' : ` --calls-since ${lastCall}`}`;
    throw new CommandError(`${errorMessage(error)}; run the command again, or continue with ${next}`, { cause: error });
  } finally {
    await source.close();
    await spend?.close();
    await targets.store?.close?.();
  }
  const context: SummaryContext = {
    source: `schema ${source.schema} of ${shownAddress(from)}`,
    target: targets.shown,
    spendTarget: targets.shownSpend,
    isDryRun,
  };
  if (isGiven(options, 'json')) io.stdout.write(`${JSON.stringify(summaryJson(importing.report, findings, context), null, 2)}\n`);
  else writeLines(io.stdout, summaryLines(importing.report, findings, context));
  return findings.failed.length > 0 ? 1 : 0;
}

/** @throws UsageError for a combination without one store of keys */
function targetsOf(options: GivenOptions, io: CommandIo, isDryRun: boolean): Targets {
  const [file, redis, budgetsFile] = ['file', 'redis', 'budgets-file'].map((name) => textOption(options, name));
  const prefix = textOption(options, 'prefix');
  const to = checkedUrl('to', textOption(options, 'to') ?? (file === undefined && redis === undefined ? io.env.DATABASE_URL : undefined));
  if (to !== undefined && file !== undefined) throw new UsageError('--to cannot be combined with --file');
  const inPostgres = isGiven(options, 'postgres-budgets');
  if ([redis !== undefined, budgetsFile !== undefined, inPostgres].filter(Boolean).length > 1)
    throw new UsageError('only one of --redis, --budgets-file and --postgres-budgets can be set');
  if (inPostgres && to === undefined) throw new UsageError('--postgres-budgets requires --to');
  const shownRedis = redis === undefined ? undefined : `Redis ${shownAddress(redis)}`;
  const names = { url: 'redis', snapshotFile: 'budgets-file' };
  const spendIn = (target: SpendTargetOptions) => (): SpendTarget => asUsage(() => new SpendTarget(target), names);
  const spend =
    redis !== undefined
      ? spendIn({ redis: { url: redis, prefix } })
      : budgetsFile === undefined
        ? undefined
        : spendIn({ file: budgetsFile });
  const target = { spend, shownSpend: shownRedis ?? budgetsFile };
  if (to !== undefined) {
    const schema = textOption(options, 'to-schema');
    const store = asUsage(() => postgresStore({ url: to, schema, migrate: !isDryRun, listen: 'polling', timeoutMs: TIMEOUT_MS }), {
      schema: 'to-schema',
    });
    const shown = `schema ${schema ?? 'fast_litellm'} of ${shownAddress(to)}`;
    const budgets = inPostgres ? { spend: spendIn({ postgres: store }), shownSpend: `the budgets in ${shown}` } : {};
    return { ...target, ...budgets, store, directory: store.directory, calls: store.spend, shown };
  }
  if (file !== undefined) return { ...target, store: fileApiKeyStore(file), shown: file };
  if (redis !== undefined) {
    const store = asUsage(() => redisApiKeyStore({ url: redis, prefix, timeoutMs: TIMEOUT_MS }), { url: 'redis' });
    return { ...target, store, shown: String(shownRedis) };
  }
  if (!isDryRun) throw new UsageError('--to, --file, --redis or the variable DATABASE_URL must be set');
  return { ...target, store: undefined, shown: 'an empty store' };
}

/** @throws UsageError */
function checkedUrl(option: string, url: string | undefined): string | undefined {
  return url === undefined || url === '' ? undefined : asUsage(() => checkPostgresUrl(option, url));
}

/** In UTC. @throws UsageError */
function timeOption(options: GivenOptions, name: string): string | undefined {
  const text = textOption(options, name);
  const ms = text === undefined ? undefined : timeOf(text.length === 10 ? `${text}T00:00:00` : text);
  if (text === undefined || ms !== undefined) return ms === undefined ? undefined : new Date(ms).toISOString();
  throw new UsageError(`--${name}: must be a time such as 2026-01-31 or 2026-01-31T12:00:00Z, got '${text}'`);
}

function checkedTimeZone(timeZone: string | undefined): string | undefined {
  try {
    if (timeZone !== undefined) ZoneClock.of(timeZone);
    return timeZone;
  } catch {
    throw new UsageError(`--time-zone: must be an IANA time zone such as Europe/Zurich, got '${timeZone}'`);
  }
}

/** Names the option of the command in errors of options. @throws UsageError */
function asUsage<T>(work: () => T, names: Readonly<Record<string, string>> = {}): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    const [, path = '', rest = ''] = /^(?:\w+\.)*(\w+)(: [^]*)$/.exec(errorMessage(error)) ?? [];
    throw new UsageError(`--${Object.hasOwn(names, path) ? names[path] : path}${rest}`);
  }
}
