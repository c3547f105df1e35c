import { custom, integer, list, number, oneOf, string, type OptionsOf } from '../../common/option.js';
import { checkObject } from '../../common/options.js';
import { ALERT_TYPES } from './alert.js';

export const ALERTING = {
  /** Channels for alerts. File: `general_settings.alerting`. Default: none. */
  channels: list(oneOf(['slack', 'webhook']), { default: [] }),
  /**
   * Incoming webhooks of Slack or a compatible service, separated by commas. Default:
   * `SLACK_WEBHOOK_URL`.
   */
  slackUrl: string(),
  /** URL that receives alerts as JSON. Default: `WEBHOOK_URL`. */
  webhookUrl: string(),
  /** Types of alerts to send. File: `alert_types`. Default: all. */
  types: list(oneOf(ALERT_TYPES), { default: ALERT_TYPES }),
  /** Slack webhooks by alert type. File: `alert_to_webhook_url`. Default: none. */
  urlsByType: custom<Readonly<Record<string, string | readonly string[]>>>('object', checkUrls, {}),
  /** Duration in seconds above which a call is slow. File: `alerting_threshold`. Default 300. */
  slowSeconds: number({ min: 0.001, default: 300 }),
  /**
   * Seconds before an alert for the same mark of a budget is repeated. File: `budget_alert_ttl`.
   * Default 86,400.
   */
  budgetTtlSeconds: integer({ min: 1, default: 86_400 }),
  /**
   * Window in seconds for counting the errors of a deployment. File: `outage_alert_ttl`. Default
   * 60.
   */
  outageSeconds: integer({ min: 1, default: 60 }),
  /**
   * Number of errors that count as a minor outage. File: `minor_outage_alert_threshold`. Default 5.
   */
  minorOutageErrors: integer({ min: 1, default: 5 }),
  /**
   * Number of errors that count as a major outage. File: `major_outage_alert_threshold`. Default
   * 10.
   */
  majorOutageErrors: integer({ min: 1, default: 10 }),
  /** Minimum interval between two messages of one type, in seconds. Default 60. */
  digestSeconds: integer({ min: 1, default: 60 }),
};

/** Options of alerts. */
export interface AlertingOptions extends OptionsOf<typeof ALERTING> {}

function checkUrls(path: string, value: unknown): Readonly<Record<string, string | readonly string[]>> {
  return checkObject(path, value) as Readonly<Record<string, string | readonly string[]>>;
}
