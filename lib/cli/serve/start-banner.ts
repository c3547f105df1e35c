import { masterKeyWeakness, isLoopbackHost } from '../../gateway/server/listen-address.js';
import type { ServeSettings } from '../../serve/serve.settings.js';
import { VERSION } from '../../common/version.js';
import { alignedLines } from '../output.js';
import { shownAddress } from '../shown-address.js';
import type { IgnoredSetting } from './serve-settings.environment.js';
import type { ServerReport } from './server-report.js';

/** Facts on the first screen in addition to the server's report. */
export interface BannerContext {
  readonly settings: ServeSettings;
  readonly ignored: readonly IgnoredSetting[];
  /** Variables that `.env` has added. */
  readonly envFileVariables: number;
  /** Names of migrations that were applied. */
  readonly migrations: readonly string[];
  readonly startMs: number;
}

const MOST_LISTED = 20;

/** The lines that `serve` writes once it listens: addresses, state, and what needs attention. */
export function startBanner(report: ServerReport, context: BannerContext): string[] {
  const { settings, startMs } = context;
  const { workers } = settings;
  const processes = workers === 1 ? `process ${process.pid}` : `process ${process.pid} with ${workers} workers`;
  return [
    `nestjs-fast-litellm ${VERSION} is ready after ${(startMs / 1_000).toFixed(1)} s (${processes})`,
    '',
    ...alignedLines([...addressRows(report, settings), ['', ''], ...stateRows(report, context)]).map((line) => `  ${line}`.trimEnd()),
    ...attentionLines(report, context),
  ];
}

/** Findings that need attention: deployments, settings, warnings. Empty if there are none. */
export function attentionLines(report: Omit<ServerReport, 'url' | 'hasDocs'>, { ignored }: Pick<BannerContext, 'ignored'>): string[] {
  const { uncallable, settings, warnings, unpriced, deployments } = report;
  const named = ignored.map(({ name, reason }) => ({ detail: `${name} has no effect`, advice: reason }));
  return [
    ...section(
      `${uncallable.length} of ${deployments} deployments cannot be called:`,
      uncallable.map(({ id, reason, advice }) => ({ detail: `${id}: ${reason}`, advice })),
    ),
    ...section('Settings without effect:', [...settings, ...named]),
    ...section('Without a known price, so their cost is not counted:', priceRows(unpriced)),
    ...section(
      'Warnings:',
      warnings.map((line) => ({ detail: line, advice: '' })),
    ),
  ];
}

function priceRows(models: readonly string[]): Row[] {
  const advice = 'set input_cost_per_token and output_cost_per_token, or base_model';
  return models.length === 0 ? [] : [{ detail: models.join(', '), advice }];
}

interface Row {
  readonly detail: string;
  readonly advice: string;
}

function section(title: string, rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const lines = rows.slice(0, MOST_LISTED).flatMap(({ detail, advice }) => {
    const [first, ...rest] = detail.split('\n');
    return [`  ${first}`, ...rest.map((line) => `  ${line}`), ...(advice === '' ? [] : [`    -> ${advice}`])];
  });
  const more = rows.length > MOST_LISTED ? [`  and ${rows.length - MOST_LISTED} more: run nestjs-fast-litellm doctor`] : [];
  return ['', title, ...lines, ...more];
}

function addressRows(
  { url, hasDocs }: ServerReport,
  { masterKey, dashboardToken, hasDashboard, hasDocs: wantsDocs, protectsMetrics }: ServeSettings,
): string[][] {
  const withKey = masterKey === null || !protectsMetrics ? '' : ', with the master key';
  const keys = [...(masterKey === null ? [] : ['the master key']), ...(dashboardToken === undefined ? [] : [`DASHBOARD_TOKEN`])];
  const login = keys.length === 0 ? '' : `, log in with ${keys.join(' or ')}`;
  return [
    ['OpenAI', `${url}/v1`],
    ['Anthropic', url],
    ['dashboard', hasDashboard ? `${url}/dashboard${login}` : 'off (DISABLE_ADMIN_UI, or production without a master key)'],
    ...(wantsDocs ? [['API docs', hasDocs ? `${url}/docs` : 'off: npm install @nestjs/swagger']] : []),
    ['metrics', `${url}/metrics${withKey}`],
    ['health', `${url}/health/readiness`],
  ];
}

function stateRows(
  { deployments, groups, uncallable }: ServerReport,
  { settings, envFileVariables, migrations }: BannerContext,
): string[][] {
  const { configPath, databaseUrl } = settings;
  const source = configPath ?? (settings.modelList.length > 0 ? '--model' : 'no file');
  const callable = deployments - uncallable.length;
  return [
    ['models', `${source}: ${groups} model groups, ${callable} of ${deployments} deployments can be called`],
    ...(envFileVariables > 0 ? [['.env', `${envFileVariables} variables`]] : []),
    ['access', accessText(settings)],
    ['keys', keysText(settings)],
    ...(settings.storesModels ? [['stored', modelsText(settings)]] : []),
    ['limits', limitsText(settings)],
    ['spend log', databaseUrl === undefined ? 'off: set DATABASE_URL' : `PostgreSQL ${shownAddress(databaseUrl)}`],
    ...(migrations.length > 0 ? [['migrated', migrations.join(', ')]] : []),
  ];
}

function accessText({ masterKey, address: { host } }: ServeSettings): string {
  if (masterKey === null) {
    const open = 'clients on this machine need no key';
    return isLoopbackHost(host) ? `${open}; set LITELLM_MASTER_KEY to serve others` : 'OPEN: any machine can send requests without a key';
  }
  const weakness = masterKeyWeakness(masterKey);
  return weakness === undefined ? 'the master key, and keys created with /key/generate' : `only this machine: the master key ${weakness}`;
}

function keysText({ databaseUrl, redisUrl, stateFolder }: ServeSettings): string {
  if (databaseUrl !== undefined) return `PostgreSQL ${shownAddress(databaseUrl)}`;
  if (redisUrl !== undefined) return `Redis ${shownAddress(redisUrl)}`;
  return stateFolder === undefined
    ? 'memory, lost on restart: set DATABASE_URL, REDIS_URL or --state_folder'
    : `file ${stateFolder}/keys.json`;
}

function modelsText({ databaseUrl, stateFolder }: ServeSettings): string {
  return databaseUrl === undefined
    ? `models added with /model/new: ${stateFolder}/configuration.json`
    : `models added with /model/new: PostgreSQL ${shownAddress(databaseUrl)}`;
}

function limitsText({ databaseUrl, redisUrl, stateFolder }: ServeSettings): string {
  if (redisUrl !== undefined) return `Redis ${shownAddress(redisUrl)}`;
  if (databaseUrl !== undefined) return 'budgets in PostgreSQL, rates in memory';
  return stateFolder === undefined ? 'memory; budgets are lost on restart' : `memory, budgets in ${stateFolder}/budgets.json`;
}
