import cluster from 'node:cluster';
import { errorMessage } from '../../common/errors.js';
import { VERSION } from '../../common/version.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { postgresStore } from '../../postgres/postgres-store.js';
import { CommandError, isGiven, UsageError, type Command, type CommandIo, type GivenArguments } from '../command.js';
import { writeLines } from '../output.js';
import { attentionLines, startBanner, type BannerContext } from '../serve/start-banner.js';
import { FLAG_OPTIONS, withUnderscores } from '../serve/serve-flags.environment.js';
import { serveHere, serveInWorker } from '../serve/process.js';
import { addressOf, loadEnvFile, readServeSettings, type ReadSettings } from '../serve/serve-settings.environment.js';
import { findingsOf } from '../serve/server-report.js';
import { supervise } from '../serve/supervisor.js';

/** A probe of a container fails after this time. */
const HEALTH_TIMEOUT_MS = 5_000;

/** `npx nestjs-fast-litellm serve` */
export const SERVE: Command = {
  options: FLAG_OPTIONS,
  spell: withUnderscores,
  notes: [
    "Flags of LiteLLM's proxy that have no effect here are accepted and listed at startup. Flags can also be written with dashes.",
    'On SIGTERM, requests in flight can finish. docs/serve.md lists all flags and variables.',
  ],
  run,
};

async function run({ options }: GivenArguments, io: CommandIo): Promise<number> {
  if (isGiven(options, 'version')) {
    io.stdout.write(`${VERSION}\n`);
    return 0;
  }
  // The parts of the app read the environment of the process.
  const env = io.env as Record<string, string | undefined>;
  const envFileVariables = loadEnvFile(env);
  if (isGiven(options, 'health')) return probe(addressOf(options, env), io);
  const read = readServeSettings(options, env);
  if (isGiven(options, 'validate_config')) return validate(read, io);
  if (cluster.isWorker) return serveInWorker(read.settings, io);
  const migrations = await migrate(read.settings.databaseUrl);
  if (isGiven(options, 'skip_server_startup')) {
    if (read.settings.databaseUrl === undefined) throw new UsageError('--skip_server_startup: requires DATABASE_URL');
    writeLines(io.stdout, [migrations.length === 0 ? 'the database is up to date' : `migrated: ${migrations.join(', ')}`]);
    return 0;
  }
  const context: Omit<BannerContext, 'startMs'> = { ...read, envFileVariables, migrations };
  const show = (report: Parameters<typeof startBanner>[0]): void =>
    writeLines(io.stdout, ['', ...startBanner(report, { ...context, startMs: performance.now() }), '']);
  return read.settings.workers === 1 ? serveHere(read.settings, io, show) : supervise(read.settings, io, show);
}

/** Applies missing migrations, one process at a time. */
async function migrate(databaseUrl: string | undefined): Promise<readonly string[]> {
  if (databaseUrl === undefined) return [];
  const store = postgresStore({ url: databaseUrl });
  try {
    return await store.migrate();
  } finally {
    await store.close();
  }
}

/** Checks the file as the start does, without listening. */
async function validate({ settings, ignored }: ReadSettings, io: CommandIo): Promise<number> {
  const { configPath, modelList, handledSettings } = settings;
  const warnings: string[] = [];
  const keep = (line: string): void => void warnings.push(line);
  const logger = { log() {}, warn: keep, error: keep };
  const llm = new FastLiteLLM(
    { router: { configPath, modelList: [...modelList], handledSettings }, logger },
    { env: { ...io.env }, logger },
  );
  try {
    const findings = findingsOf(llm, warnings);
    const valid = `${configPath ?? '--model'} is valid; ${findings.deployments - findings.uncallable.length} of ${findings.deployments} deployments can be called`;
    writeLines(io.stdout, [valid, ...attentionLines(findings, { ignored })]);
    return 0;
  } finally {
    await llm.close();
  }
}

/** Asks a running server. */
async function probe(address: string, io: CommandIo): Promise<number> {
  const url = `${address}/health/readiness`;
  let answer: Response;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    io.stdout.write(`${await answer.text()}\n`);
  } catch (error) {
    throw new CommandError(`${url}: does not respond (${errorMessage((error as Error).cause ?? error)})`, { cause: error });
  }
  return answer.ok ? 0 : 1;
}
