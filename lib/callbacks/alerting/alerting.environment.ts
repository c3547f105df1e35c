import { InvalidConfigurationError } from '../../common/errors.js';
import { fieldsOf, trimmedText, type Fields } from '../../common/objects.js';
import { resolveOptions, type Resolved } from '../../common/option.js';
import { checkObject } from '../../common/options.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import type { CallbackConfig } from '../../router/config/callback-settings.js';
import { ALERT_TYPES, type AlertType } from './alert.js';
import { ALERTING, type AlertingOptions } from './alerting.options.js';

/** Resolved settings of alerts. */
export interface ResolvedAlerting extends Resolved<typeof ALERTING> {
  /** Addresses by channel; none if the channel is off. */
  readonly slackUrls: readonly string[];
  readonly webhook: string | undefined;
  readonly urlsOfType: ReadonlyMap<AlertType, readonly string[]>;
  /** `PROXY_BASE_URL`, for messages. */
  readonly proxyUrl: string | undefined;
  /** Settings in the file that have no effect, with the reason. */
  readonly warnings: readonly string[];
}

/** LiteLLM's `alerting_args` by the corresponding option. */
const ARGS: Readonly<Record<string, keyof AlertingOptions>> = {
  budget_alert_ttl: 'budgetTtlSeconds',
  outage_alert_ttl: 'outageSeconds',
  minor_outage_alert_threshold: 'minorOutageErrors',
  major_outage_alert_threshold: 'majorOutageErrors',
};
const CHANNELS: readonly string[] = ['slack', 'webhook'];

/**
 * Merges the options with those of LiteLLM's file.
 * @throws InvalidConfigurationError naming the option or the variable
 */
export function resolveAlerting(
  options: AlertingOptions | undefined,
  file: CallbackConfig | undefined,
  env: Environment,
): ResolvedAlerting {
  const warnings: string[] = [];
  const under = file?.alerting === undefined ? {} : ofFile(file.path, file.alerting, (line) => void warnings.push(line));
  const resolved = resolveOptions(ALERTING, 'alerting', options, { under });
  const hasChannel = (name: 'slack' | 'webhook'): boolean => resolved.channels.includes(name);
  const required = (name: 'slack' | 'webhook', urls: readonly string[], variable: string): void => {
    if (!hasChannel(name) || urls.length > 0) return;
    const rule = `must be set to send alerts to ${name}`;
    // As in LiteLLM, the app starts even if a file enables alerts without an address.
    if (options?.channels?.includes(name) === true) throw new InvalidConfigurationError(variable, rule);
    warnings.push(
      `${file?.path ?? 'alerting'}: alerts are not sent to ${name} (${variable} is not set); set it, or remove ${name} from alerting`,
    );
  };
  const urlsOfType = new Map(
    Object.entries(resolved.urlsByType).map(([type, urls]) => [type as AlertType, urlsIn('alerting.urlsByType', urls)]),
  );
  const given = resolved.slackUrl ?? env.SLACK_WEBHOOK_URL ?? env.ALERTING_WEBHOOK_URL;
  const slackUrls = hasChannel('slack') ? urlsIn(resolved.slackUrl === undefined ? 'SLACK_WEBHOOK_URL' : 'alerting.slackUrl', given) : [];
  const ofWebhook = hasChannel('webhook')
    ? urlsIn(resolved.webhookUrl === undefined ? 'WEBHOOK_URL' : 'alerting.webhookUrl', resolved.webhookUrl ?? env.WEBHOOK_URL)
    : [];
  required('slack', [...slackUrls, ...[...urlsOfType.values()].flat()], 'SLACK_WEBHOOK_URL');
  required('webhook', ofWebhook, 'WEBHOOK_URL');
  const proxyUrl = trimmedText(env.PROXY_BASE_URL);
  return { ...resolved, slackUrls, webhook: ofWebhook[0], urlsOfType: hasChannel('slack') ? urlsOfType : new Map(), proxyUrl, warnings };
}

function ofFile(path: string, alerting: Fields, warn: (line: string) => void): Fields {
  const at = `${path}: general_settings`;
  const { alerting: named, alert_types: types, alerting_args: given, alerting_threshold: slow, alert_to_webhook_url: urls } = alerting;
  const names = textsIn(named);
  const channels = names.filter((name) => CHANNELS.includes(name));
  const others = names.filter((name) => !CHANNELS.includes(name));
  if (others.length > 0) warn(`${at}.alerting: ${others.join(', ')} has no effect here; use slack or webhook`);
  const args = checkObject(`${at}.alerting_args`, given ?? {});
  const unheeded = Object.keys(args).filter((key) => !(key in ARGS));
  if (unheeded.length > 0) warn(`${at}.alerting_args: these settings have no effect here: ${unheeded.join(', ')}`);
  const known = knownTypes(textsIn(types), `${at}.alert_types`, warn);
  const byType = Object.entries(fieldsOf(urls)).filter(([type]) => knownTypes([type], `${at}.alert_to_webhook_url`, warn).length > 0);
  return {
    channels,
    ...(types !== undefined && types !== null && { types: known }),
    ...(byType.length > 0 && { urlsByType: Object.fromEntries(byType) }),
    ...(slow !== undefined && slow !== null && { slowSeconds: Number(slow) }),
    ...Object.fromEntries(Object.entries(args).flatMap(([key, value]) => (key in ARGS ? [[ARGS[key], Number(value)]] : []))),
  };
}

function knownTypes(types: readonly string[], path: string, warn: (line: string) => void): readonly string[] {
  const others = types.filter((type) => !(ALERT_TYPES as readonly string[]).includes(type));
  if (others.length > 0) warn(`${path}: these alert types have no effect here: ${others.join(', ')}; use ${ALERT_TYPES.join(', ')}`);
  return types.filter((type) => !others.includes(type));
}

function textsIn(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter((each): each is string => typeof each === 'string' && each !== '');
}

/** Parses one address, several separated by commas, or a list. */
function urlsIn(path: string, value: unknown): readonly string[] {
  const urls = textsIn(value).flatMap((text) => text.split(',').flatMap((each) => trimmedText(each) ?? []));
  for (const url of urls)
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) throw new InvalidConfigurationError(path, 'must be an http:// or https:// URL');
  return urls;
}
