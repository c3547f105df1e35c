import type { Digest } from './alert-digest.js';

const MOST_LINES = 10;

/**
 * Builds a message for Slack, and for services that accept its format: Discord, Teams, Mattermost.
 */
export function slackMessage({ type, level, entries, count }: Digest, proxyUrl: string | undefined, now: Date): string {
  const lines = entries
    .slice(0, MOST_LINES)
    .map(({ alert, count: times }) => (times === 1 ? alert.message : `${alert.message} (${times} times)`));
  const shown = entries.slice(0, MOST_LINES).reduce((sum, entry) => sum + entry.count, 0);
  if (count > shown) lines.push(`… and ${count - shown} more`);
  const time = now.toISOString().slice(11, 19);
  const text = `*Alert type:* \`${type}\`\nLevel: \`${level}\`\nTimestamp: \`${time}\` (UTC)\n\nMessage: ${lines.join('\n')}`;
  return JSON.stringify({ text: proxyUrl === undefined ? text : `${text}\n\nProxy URL: \`${proxyUrl}\`` });
}

/** Budget fields of alerts that are not about a budget. */
const NO_BUDGET = {
  spend: 0,
  max_budget: null,
  soft_budget: null,
  token: null,
  customer_id: null,
  user_id: null,
  team_id: null,
  organization_id: null,
  key_alias: null,
};

/**
 * Builds events in the JSON format of LiteLLM's webhook: one for each budget, and one for all other
 * alerts of a type, which LiteLLM does not send.
 */
export function webhookEvents({ type, level, entries, count }: Digest): string[] {
  const common = { team_alias: null, user_email: null, projected_exceeded_date: null, projected_spend: null, alert_type: type, level };
  const budgets = entries.flatMap(({ alert }) => (alert.budget === undefined ? [] : [{ ...alert.budget, event_message: alert.message }]));
  if (budgets.length > 0) {
    // The last event counts the alerts that did not fit.
    const omitted = count - entries.reduce((sum, entry) => sum + entry.count, 0);
    return budgets.map((budget, i) => JSON.stringify({ ...budget, ...common, count: i === budgets.length - 1 ? 1 + omitted : 1 }));
  }
  const message = entries.slice(0, MOST_LINES).map(({ alert }) => alert.message);
  return [JSON.stringify({ ...NO_BUDGET, event: type, event_group: 'proxy', event_message: message.join('\n'), ...common, count })];
}
