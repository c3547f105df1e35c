import { LARGEST_USD } from '../../common/nano-usd.js';
import type { ApiKeyRecord } from '../../keys/api-key-record.js';
import type { ApiKeyStatus } from '../../keys/api-key-store.js';
import { statusOf } from '../../keys/key-search.js';
import type { RateLimits } from '../../rate-limit/limits.js';
import type { BudgetReport } from '../../rate-limit/rate-limit.service.js';
import { compact, NONE, span, usd } from '../number-format.js';
import { html, type Html } from '../html.js';
import { badge, usageBar } from '../panels/panel.js';

/** Words for the states that LiteLLM names `active`, `revoked` and `expired`. */
export const KEY_STATES: Readonly<Record<ApiKeyStatus, string>> = { active: 'active', revoked: 'blocked', expired: 'expired' };

/** Models of a list that have a line of their own. */
const SHOWN_MODELS = 3;

/** A key without its secret. */
export function maskedKey(publicId: string): string {
  return `sk-${publicId}-…`;
}

/** What a key is called. */
export function keyName({ alias, publicId }: Pick<ApiKeyRecord, 'alias' | 'publicId'>): string {
  return alias ?? maskedKey(publicId);
}

/** The address of a key's page. */
export function keyLink(publicId: string, view?: string): string {
  return `key?${new URLSearchParams({ id: publicId, ...(view !== undefined && { view }) }).toString()}`;
}

export function stateBadge(record: ApiKeyRecord, nowMs: number): Html {
  const status = statusOf(record, nowMs);
  return badge(status === 'active' ? 'good' : status === 'expired' ? 'warn' : 'bad', KEY_STATES[status]);
}

/** `gpt-4o, claude* and 4 more`. */
export function modelWords(models: ApiKeyRecord['models']): string {
  if (models === undefined) return 'all';
  if (models.length === 0) return 'none';
  const more = models.length - SHOWN_MODELS;
  return `${models.slice(0, SHOWN_MODELS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Limits on requests and tokens, without budgets: `60 rpm`. */
export function limitWords(limits: RateLimits = {}): readonly string[] {
  const words: string[] = [];
  const add = (value: number | undefined, unit: string): void => {
    if (value !== undefined) words.push(`${compact(value)} ${unit}`);
  };
  add(limits.requestsPerSecond, 'requests a second');
  add(limits.requestsPerMinute, 'rpm');
  add(limits.requestsPerHour, 'requests an hour');
  add(limits.requestsPerDay, 'requests a day');
  add(limits.requestsPerWindow, `requests in ${span(limits.windowMs ?? 0)}`);
  add(limits.burst, 'requests at once');
  add(limits.tokensPerMinute, 'tpm');
  add(limits.maxConcurrent, 'in flight');
  return words;
}

/** `$2 a day`. */
export function budgetWords(limits: RateLimits = {}): readonly string[] {
  const { usdPerDay, usdPerMonth, usdPerWindow, usdWindow, usdTotal } = limits;
  return [
    ...(usdPerDay === undefined ? [] : [`${usd(usdPerDay)} a day`]),
    ...(usdPerMonth === undefined ? [] : [`${usd(usdPerMonth)} a month`]),
    ...(usdPerWindow === undefined ? [] : [`${usd(usdPerWindow)} in ${usdWindow ?? 'a window'}`]),
    ...(usdTotal === undefined ? [] : [`${usd(usdTotal)} in total`]),
  ];
}

/** Without a budget the limiter counts under one that no key reaches. */
export function isUnlimited({ limitUsd }: BudgetReport): boolean {
  return limitUsd >= LARGEST_USD;
}

/** Spend next to its budget. */
export function spendCell(report: BudgetReport | undefined, nowMs: number): Html {
  if (report === undefined) return html`${NONE}`;
  const { spentUsd, limitUsd } = report;
  if (isUnlimited(report)) return html`${usd(spentUsd)} <span class="note below">no budget</span>`;
  return html`${usd(spentUsd)} of ${usd(limitUsd)}${usageBar(spentUsd, limitUsd)}
    <span class="note below">${resetWords(report, nowMs)}</span>`;
}

/** `resets in 3 d 4 h`. */
export function resetWords({ resetsAt }: BudgetReport, nowMs: number): string {
  return resetsAt === undefined ? 'never resets' : `resets in ${span(resetsAt.getTime() - nowMs)}`;
}

/** `4 min ago`. */
export function agoWords(time: Date | undefined, nowMs: number): string {
  return time === undefined ? NONE : `${span(Math.max(0, nowMs - time.getTime()))} ago`;
}

/** `2027-01-31 08:00`, in UTC. */
export function minuteText(time: Date | string): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

/** When a key expires, or has expired; `undefined`: never. */
export function expiryWords({ expiresAt }: ApiKeyRecord, nowMs: number): string | undefined {
  if (expiresAt === undefined) return undefined;
  const leftMs = Date.parse(expiresAt) - nowMs;
  return leftMs > 0 ? `in ${span(leftMs)}` : `${span(-leftMs)} ago`;
}
