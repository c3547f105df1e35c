import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODEL_CALLS } from '../../lib/gateway/routes/model-calls.js';
import { MODEL_LISTS } from '../../lib/gateway/routes/models.js';
import { PROBE_ROUTES } from '../../lib/gateway/routes/probes.js';
import { MODEL_INFO_ROUTES } from '../../lib/gateway/routes/model-info.js';
import { TOKEN_COUNTER_ROUTES } from '../../lib/gateway/routes/token-counter.js';
import { SPOKEN } from '../../lib/providers/endpoint/provider-table.environment.js';
import { isOfCallbacks } from '../../lib/router/config/callback-settings.js';
import { readConfigFile } from '../../lib/router/config/config-file.js';
import {
  ENTRY_KEYS,
  fateOfParam,
  IGNORED_SETTINGS,
  isInfoKey,
  REDIS_SETTINGS,
  UNHEEDED_KEYS,
} from '../../lib/router/config/litellm-keys.js';
import { fromLiteLLM } from '../../lib/router/config/litellm-router-settings.js';
import { readLiteLLMProxySettings } from '../../lib/router/config/proxy-settings.js';
import { strategyNamed } from '../../lib/router/selection/strategies/registry.js';
import { InvalidConfigurationError } from '../../lib/common/errors.js';
import { readSources, root } from './sources.js';

// UPDATE_COMING_FROM=1 writes the tables into docs/coming-from-litellm.md; run prettier on it afterwards.

const PATH = join(root, 'docs/coming-from-litellm.md');

/** What LiteLLM knows, by `test/fixtures/litellm/config_keys.py`. */
const THEIRS = JSON.parse(readFileSync(join(root, 'test/fixtures/litellm/config-keys.json'), 'utf8')) as Readonly<
  Record<
    | 'sections'
    | 'entry'
    | 'litellm_params'
    | 'model_info'
    | 'router_settings'
    | 'litellm_settings'
    | 'general_settings'
    | 'headers'
    | 'endpoints',
    readonly string[]
  >
>;
const PROVIDERS = JSON.parse(readFileSync(join(root, 'test/fixtures/litellm-providers.json'), 'utf8')) as {
  readonly prefixes: Readonly<Record<string, unknown>>;
};

type Fate = 'works' | 'sent' | 'none';

/** What differs, or what there is instead. A key has a note only if it is one of LiteLLM's. */
const NOTES: Readonly<Record<string, string>> = {
  'sections.guardrails': '[guardrails](guardrails.md)',
  'sections.callback_settings': '[callbacks](callbacks.md#sinks)',
  'litellm_params.max_budget': 'needs `budget_duration` as well',
  'litellm_params.litellm_credential_name': 'an entry of `credential_list`',
  'litellm_params.fallbacks': 'set them in the request or in `router_settings.fallbacks`',
  'router_settings.routing_strategy':
    '`simple-shuffle`, `least-busy`, `latency-based-routing`, `cost-based-routing`, `usage-based-routing`, `usage-based-routing-v2`: [strategies](router.md)',
  'router_settings.optional_pre_call_checks': '`enforce_model_rate_limits`; others are reported',
  'router_settings.cache_kwargs': 'for the connection to Redis',
  'router_settings.enable_health_check_routing': '[`router.healthChecks`](router.md)',
  'router_settings.cache_responses': '[a call hook](hooks.md#an-answer-cache)',
  'router_settings.alerting_config': '[Prometheus alerts](observability.md)',
  'litellm_settings.drop_params': 'also `llmClient.dropParams`',
  'litellm_settings.include_cost_in_streaming_usage': 'also `llmClient.streamCost`',
  'litellm_settings.cache': '[a call hook](hooks.md#an-answer-cache); the caches of LangChain and the AI SDK work',
  'litellm_settings.callbacks':
    '[callbacks](callbacks.md): `langfuse`, `langfuse_otel`, `otel`, `generic_api`, `s3_v2`; others are reported',
  'litellm_settings.success_callback':
    '[callbacks](callbacks.md): `langfuse`, `langfuse_otel`, `otel`, `generic_api`, `s3_v2`; others are reported',
  'litellm_settings.failure_callback':
    '[callbacks](callbacks.md): `langfuse`, `langfuse_otel`, `otel`, `generic_api`, `s3_v2`; others are reported',
  'litellm_settings.max_budget':
    'limits all requests of `FastLiteLLMGatewayModule` together; models without a price need [`unpricedUsd`](budgets.md#what-is-held)',
  'litellm_settings.budget_duration':
    'without it `max_budget` never resets; lengths of [`usdWindow`](budgets.md#windows) follow the calendar, others start with the first request after the last window',
  'litellm_settings.json_logs': "the app's logger",
  'litellm_settings.sse_keepalive_ping_interval_seconds': 'Messages streams always send pings',
  'general_settings.master_key': 'protects `FastLiteLLMGatewayModule` and `/key/…`; default: the variable `LITELLM_MASTER_KEY`',
  'general_settings.litellm_key_header_name': 'for the master key and for API keys',
  'general_settings.dangerously_permit_weak_or_unset_master_key':
    'with [`gateway.openOnLoopback`](gateway.md#who-may-use-it), and in the sample gateway',
  'general_settings.custom_auth': '`guards` of the gateway: any guard of Nest',
  'general_settings.enable_jwt_auth': '`guards` of the gateway: any guard of Nest',
  'general_settings.enable_oauth2_auth': '`guards` of the gateway: any guard of Nest',
  'general_settings.allowed_ips': '`guards` of the gateway: any guard of Nest',
  'general_settings.allowed_routes': '`endpoints` of the gateway',
  'general_settings.database_url': 'no database: keys are in a file or in Redis',
  'general_settings.store_model_in_db': 'no database; `router.setModelList()` at run time',
  'general_settings.max_parallel_requests': '[rate limits](rate-limits.md)',
  'general_settings.global_max_parallel_requests': '[rate limits](rate-limits.md)',
  'general_settings.max_request_size_mb': '[bounds of bodies](limits.md)',
  'general_settings.background_health_checks': '[`router.healthChecks`](router.md)',
  'general_settings.health_check_interval': '[`router.healthChecks`](router.md)',
  'general_settings.alerting': '[alerts](callbacks.md#alerts) to `slack` and `webhook`',
  'general_settings.pass_through_endpoints': "the app's own routes",
};

const codes = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

const folder = mkdtempSync(join(tmpdir(), 'coming-from-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Keys of a section that the reading of a file reports as without effect. */
const unheeded: ReadonlySet<string> = (() => {
  const path = join(folder, 'config.json');
  const nulls = (keys: readonly string[]): object => Object.fromEntries(keys.map((key) => [key, null]));
  const sections = Object.fromEntries(THEIRS.sections.map((section) => [section, null]));
  const settings = { litellm_settings: nulls(THEIRS.litellm_settings), general_settings: nulls(THEIRS.general_settings) };
  writeFileSync(path, JSON.stringify({ ...sections, model_list: [], ...settings }));
  const warnings: string[] = [];
  readConfigFile(path, { env: {}, warn: (text) => void warnings.push(text), handledSettings: [] });
  const [, listed = ''] = /no effect here: (.*)/.exec(warnings.join('\n')) ?? [];
  return new Set(listed.split(', '));
})();

const settingsText = readFileSync(join(root, 'lib/router/config/proxy-settings.ts'), 'utf8').toLowerCase();

/** Whether the gateway reads a key of `general_settings`; those that an app has to enforce itself have no effect. */
function fateOfGeneral(key: string): Fate {
  const path = join(folder, 'general.json');
  const read = (general: object): unknown[] => {
    writeFileSync(path, JSON.stringify({ general_settings: general }));
    const { masterKey, keyHeader, permitsWeakMasterKey } = readLiteLLMProxySettings(path, {});
    return [masterKey, keyHeader, permitsWeakMasterKey];
  };
  if (isOfCallbacks(`general_settings.${key}`)) return 'works';
  if (!settingsText.includes(key)) return 'none';
  return read({ [key]: 'sk-1' }).join() === read({}).join() ? 'none' : 'works';
}

function fateOfSetting(key: string): Fate {
  if (IGNORED_SETTINGS.has(key)) return 'none';
  if (REDIS_SETTINGS.has(key)) return 'works';
  const warnings: string[] = [];
  const refuse = (path: string, _: unknown, rule: string): Error => new InvalidConfigurationError(path, rule);
  try {
    fromLiteLLM('router_settings', { [key]: {} }, { refuse, warn: (text) => void warnings.push(text) });
  } catch {
    // It has a rule for values, so it has an effect.
  }
  return warnings.some((text) => text.startsWith('unknown option')) ? 'none' : 'works';
}

const ours = new Set(
  [...MODEL_CALLS, ...MODEL_LISTS, ...MODEL_INFO_ROUTES, ...TOKEN_COUNTER_ROUTES, ...PROBE_ROUTES].flatMap((route) =>
    [route.path, ...(route.morePaths ?? [])].map((path) => (route.atRoot === 'only' ? `/${path}` : `/v1/${path}`)),
  ),
);
const libraryText = [...readSources(['lib'], /\.ts$/)].filter(([path]) => !path.endsWith('.test.ts')).map(([, text]) => text);
const ourHeaders = new Set(libraryText.flatMap((text) => [...text.matchAll(/'(x-litellm-[a-z-]+)'/g)].map(([, name]) => name)));

const FATES: Readonly<Record<string, (key: string) => Fate>> = {
  sections: (key) => (unheeded.has(key) ? 'none' : 'works'),
  entry: (key) => (ENTRY_KEYS.has(key) && !UNHEEDED_KEYS.has(`model_list.${key}`) ? 'works' : 'none'),
  litellm_params: (key) => ({ used: 'works', sent: 'sent', ignored: 'none' })[fateOfParam(key)] as Fate,
  model_info: (key) => (isInfoKey(key) && !UNHEEDED_KEYS.has(`model_info.${key}`) ? 'works' : 'none'),
  router_settings: fateOfSetting,
  litellm_settings: (key) => (unheeded.has(`litellm_settings.${key}`) ? 'none' : 'works'),
  general_settings: fateOfGeneral,
  headers: (key) => (ourHeaders.has(key) ? 'works' : 'none'),
  endpoints: (path) => (ours.has(path.replace(/\{[^}]+\}/g, ':id')) ? 'works' : 'none'),
};

const WITHOUT: Readonly<Record<string, string>> = { endpoints: 'Not served:', headers: 'Neither read nor sent:' };

/** The keys of a section by what happens to them, and a table of what there is to say. */
function described(section: keyof typeof THEIRS): string {
  const keys = THEIRS[section].filter((key) => !key.startsWith('_'));
  const by = (fate: Fate): readonly string[] => keys.filter((key) => FATES[section](key) === fate);
  const list = (title: string, names: readonly string[]): string[] => (names.length === 0 ? [] : [`**${title}** ${codes(names)}.`]);
  const noted = keys.filter((key) => `${section}.${key}` in NOTES);
  const row = (key: string): string =>
    `| \`${key}\` | ${FATES[section](key) === 'none' ? 'no effect' : 'works'} | ${NOTES[`${section}.${key}`]} |`;
  const table = noted.length === 0 ? [] : [['| key | here | |', '| --- | --- | --- |', ...noted.map(row)].join('\n')];
  return [
    ...list('Work:', by('works')),
    ...list('Sent to the provider:', by('sent')),
    ...list(WITHOUT[section] ?? 'Without effect:', by('none')),
    ...table,
  ].join('\n\n');
}

function providers(): string {
  const names = Object.keys(PROVIDERS.prefixes).filter((name) => PROVIDERS.prefixes[name] !== null);
  const spoken = names.filter((name) => name in SPOKEN);
  const others = names.filter((name) => !(name in SPOKEN));
  return `${spoken.length} of LiteLLM's ${names.length} prefixes can be called. The others are reported as \`uncallable\`: ${codes(others)}.`;
}

/** Generated blocks, by their name. */
const blocks: Readonly<Record<string, () => string>> = {
  ...Object.fromEntries((Object.keys(FATES) as (keyof typeof THEIRS)[]).map((section) => [section, () => described(section)])),
  providers,
};
const block = (name: string): RegExp => new RegExp(`(<!-- generated:${name} -->)[^]*?(<!-- end -->)`);
/** Prettier breaks lines and widens tables. */
const plain = (text: string): string => text.replace(/-{3,}/g, '---').replace(/\s+/g, ' ').trim();

it.each(Object.keys(blocks))('docs/coming-from-litellm.md says what happens to %s', (name) => {
  const text = readFileSync(PATH, 'utf8');
  const [found] = block(name).exec(text) ?? [];
  expect(found).toBeDefined();
  if (process.env.UPDATE_COMING_FROM === '1') {
    writeFileSync(
      PATH,
      text.replace(block(name), (_, start: string, end: string) => `${start}\n\n${blocks[name]()}\n\n${end}`),
    );
    return;
  }
  const [, inner] = new RegExp(`<!-- generated:${name} -->([^]*?)<!-- end -->`).exec(text) ?? [];
  expect(plain(inner)).toBe(plain(blocks[name]()));
});

it('names the strategies that the router knows', () => {
  const named = [...NOTES['router_settings.routing_strategy'].matchAll(/`([a-z0-9-]+)`/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter((name) => strategyNamed(name) === undefined)).toEqual([]);
});

it('has notes for keys of LiteLLM only', () => {
  const known = Object.entries(THEIRS).flatMap(([section, keys]) => keys.map((key) => `${section}.${key}`));
  expect(Object.keys(NOTES).filter((key) => !known.includes(key))).toEqual([]);
});
