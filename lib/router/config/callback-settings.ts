import { fieldsOf, type Fields } from '../../common/objects.js';
import { isCheckingCallback } from './protecting-keys.js';

/** LiteLLM's callbacks and alerts of a configuration file, as they are written there. */
export interface CallbackConfig {
  /** Of the file, for messages. */
  readonly path: string;
  readonly success: readonly string[];
  readonly failure: readonly string[];
  /** `litellm_settings.turn_off_message_logging` */
  readonly isRedacted: boolean;
  /** `callback_settings` */
  readonly settings: Fields;
  /** `litellm_settings.s3_callback_params` */
  readonly s3: Fields;
  readonly hasCallbacks: boolean;
  /** The settings of `general_settings` that concern alerts; `undefined` if it has none. */
  readonly alerting: Fields | undefined;
}

/** Keys of `litellm_settings` that concern callbacks. */
const OF_CALLBACKS: ReadonlySet<string> = new Set([
  'callbacks',
  'success_callback',
  'failure_callback',
  'turn_off_message_logging',
  's3_callback_params',
]);
/** Keys of `general_settings` that concern alerts. */
const OF_ALERTS: ReadonlySet<string> = new Set(['alerting', 'alerting_args', 'alerting_threshold', 'alert_types', 'alert_to_webhook_url']);
const SECTION = 'callback_settings';

/** Whether a setting, `section.key`, concerns callbacks or alerts. */
export function isOfCallbacks(setting: string): boolean {
  const [section, key = ''] = setting.split('.');
  if (section === SECTION) return true;
  return section === 'litellm_settings' ? OF_CALLBACKS.has(key) : section === 'general_settings' && OF_ALERTS.has(key);
}

/**
 * The callbacks and alerts of a file; `undefined` if it has none.
 *
 * @param isHandled Whether the app handles a setting itself
 */
export function callbackConfigOf(
  path: string,
  sections: Readonly<Record<'litellm_settings' | 'general_settings' | 'callback_settings', Fields>>,
  isHandled: (setting: string) => boolean,
): CallbackConfig | undefined {
  const { litellm_settings: litellm, general_settings: general } = sections;
  // Callbacks that check requests are reported with the other protective settings.
  const names = (key: string): readonly string[] =>
    isHandled(`litellm_settings.${key}`) ? [] : namesIn(litellm[key]).filter((name) => !isCheckingCallback(name));
  const both = names('callbacks');
  const success = [...new Set([...names('success_callback'), ...both])];
  const failure = [...new Set([...names('failure_callback'), ...both])];
  const hasCallbacks = success.length > 0 || failure.length > 0;
  const hasAlerts = namesIn(general.alerting).length > 0 && !isHandled('general_settings.alerting');
  if (!hasCallbacks && !hasAlerts) return undefined;
  return {
    path,
    success,
    failure,
    isRedacted: litellm.turn_off_message_logging === true,
    settings: sections.callback_settings,
    s3: fieldsOf(litellm.s3_callback_params),
    hasCallbacks,
    alerting: hasAlerts ? Object.fromEntries(Object.entries(general).filter(([key]) => OF_ALERTS.has(key))) : undefined,
  };
}

/** A list of names, or one. */
export function namesIn(value: unknown): readonly string[] {
  const names: readonly unknown[] = Array.isArray(value) ? value : [value];
  return names.filter((name): name is string => typeof name === 'string' && name !== '');
}
