import { usdOf } from '../../common/nano-usd.js';
import type { DailySpend, SpendCell, SpendPart } from '../spend-queries.js';

type Fields = Record<string, unknown>;

/** LiteLLM reports so many models. */
const MOST_MODELS = 10;
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** Builds LiteLLM's report by day, with the teams or customers of each day. */
export function reportByDay(cells: readonly SpendCell[], by: 'team' | 'endUser'): Fields[] {
  const [list, name] = by === 'team' ? ['teams', 'team_name'] : ['customers', 'customer'];
  return [...grouped(cells, ({ day }) => day)].map(([day, ofDay]) => ({
    group_by_day: `${day}T00:00:00+00:00`,
    [list]: [...grouped(ofDay, ({ names }) => names[by]!)].map(([entity, parts]) => ({
      [name]: entity,
      total_spend: usdOf(spendOf(parts)),
      metadata: parts.map(({ names, usd, totalTokens, requests }) => ({
        model: names.model,
        api_key: names.key,
        spend: usd,
        total_tokens: totalTokens,
        api_requests: requests,
      })),
    })),
  }));
}

/** Builds LiteLLM's report by API key, highest spend first. */
export function reportByKey(cells: readonly SpendCell[]): Fields[] {
  const keys = [...grouped(cells, ({ names }) => names.key!)].toSorted(([, a], [, b]) => spendOf(b) - spendOf(a));
  return keys.map(([key, ofKey]) => ({
    api_key: key,
    ...costsOf(ofKey),
    model_details: [...grouped(ofKey, ({ names }) => names.model!)].map(([model, parts]) => ({ model, ...costsOf(parts) })),
  }));
}

/** Builds LiteLLM's summary of the log by day: spend by user and model, or of one API key. */
export function summaryByDay(
  days: readonly { readonly day: string; readonly usd: number }[],
  users: readonly SpendPart[],
  models: readonly SpendPart[],
  key: string | undefined,
): Fields[] {
  const spendBy = (parts: readonly SpendPart[], kind: SpendPart['kind'], day: string): Fields =>
    Object.fromEntries(
      parts.filter((part) => part.day === day && part.kind === kind && part.key === null).map(({ name, usd }) => [name, usd]),
    );
  return days.map(({ day, usd }) => ({
    startTime: day,
    spend: usd,
    users: spendBy(users, 'user', day),
    models: spendBy(models, 'model', day),
    ...(key !== undefined && { [key]: usd }),
  }));
}

/** Builds LiteLLM's requests and tokens by day. */
export function activityOf(days: readonly DailySpend[]): Fields {
  return {
    daily_data: days.map(({ day, requests, totalTokens }) => ({
      date: monthAndDay(day),
      api_requests: requests,
      total_tokens: totalTokens,
    })),
    sum_api_requests: days.reduce((sum, { requests }) => sum + requests, 0),
    sum_total_tokens: days.reduce((sum, { totalTokens }) => sum + totalTokens, 0),
  };
}

/** Builds LiteLLM's requests and tokens by day of the model groups with the most requests. */
export function activityByModel(cells: readonly SpendCell[]): Fields[] {
  const requestsOf = (parts: readonly SpendCell[]): number => parts.reduce((sum, { requests }) => sum + requests, 0);
  const models = [...grouped(cells, ({ names }) => names.modelGroup!)].filter(([model]) => model !== '');
  const largest = models.toSorted(([, a], [, b]) => requestsOf(b) - requestsOf(a)).slice(0, MOST_MODELS);
  return largest.map(([model, parts]) => ({ model, ...activityOf(parts) }));
}

/** `Jan 31`, as LiteLLM writes it. */
function monthAndDay(day: string): string {
  const [, month, date] = day.split('-');
  return `${MONTHS[Number(month) - 1]} ${date}`;
}

function costsOf(cells: readonly SpendCell[]): Fields {
  return {
    total_cost: usdOf(spendOf(cells)),
    total_input_tokens: cells.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    total_output_tokens: cells.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
  };
}

/** Adds nano-USD, because a sum of USD would not be exact. */
function spendOf(cells: readonly SpendCell[]): number {
  return cells.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0);
}

function grouped<T>(list: readonly T[], keyOf: (each: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of list) {
    const group = groups.get(keyOf(each));
    if (group === undefined) groups.set(keyOf(each), [each]);
    else group.push(each);
  }
  return groups;
}
