import { DAY_MS } from '../spend-range.js';
import type { SpendDimension, SpendFilter, SpendLabel, SpendPart, SpendQueries, SpendRange, SpendSums } from '../spend-queries.js';
import { callTypeOf } from './spend-log-rows.js';

type Fields = Record<string, unknown>;

interface Branch {
  readonly metrics: Fields;
  readonly metadata: Fields;
  readonly api_key_breakdown: Record<string, { readonly metrics: Fields; readonly metadata: Fields }>;
}

/** Names of the breakdowns of a day in LiteLLM's answer. */
const BRANCHES: Partial<Readonly<Record<SpendDimension, readonly string[]>>> = {
  model: ['models'],
  modelGroup: ['model_groups'],
  provider: ['providers'],
  operation: ['endpoints'],
};

/** Selects the days of the answer. */
export interface ActivityQuestion {
  readonly range: SpendRange;
  readonly filter: SpendFilter;
  /** Dimension of `entities`. */
  readonly entity: SpendDimension | undefined;
  /** Page number, starting at 1. */
  readonly page: number;
  /** Days per page; `Infinity` for all. */
  readonly pageSize: number;
}

/**
 * Builds LiteLLM's daily activity, newest day first. A page contains whole days; totals cover all
 * days, not only the page.
 */
export async function dailyActivity(queries: SpendQueries, { range, filter, entity, page, pageSize }: ActivityQuestion): Promise<Fields> {
  const [days, total] = await Promise.all([queries.days(range, filter), queries.sums(range, filter)]);
  const newest = days.map(({ day }) => day).reverse();
  const shown = pageSize === Infinity ? newest : newest.slice((page - 1) * pageSize, page * pageSize);
  const pages = pageSize === Infinity ? 1 : Math.max(1, Math.ceil(newest.length / pageSize));
  const parts = shown.length === 0 ? [] : await queries.parts(spanOf(shown, range), filter, entity);
  const namesOf = (kind: SpendDimension): string[] => [
    ...new Set(parts.flatMap((part) => (part.kind === kind ? [part.name] : kind === 'key' && part.key !== null ? [part.key] : []))),
  ];
  const [keys, entities] = await Promise.all([
    queries.labels('key', namesOf('key')),
    entity === undefined ? new Map<string, SpendLabel>() : queries.labels(entity, namesOf(entity)),
  ]);
  const labels = { keys, entities };
  const byDay = new Map<string, SpendPart[]>(shown.map((day) => [day, []]));
  for (const part of parts) byDay.get(part.day)?.push(part);
  const sumsOf = new Map(days.map((each) => [each.day, each]));
  return {
    results: shown.map((date) => ({
      date,
      metrics: metricsOf(sumsOf.get(date)!),
      breakdown: breakdownOf(byDay.get(date)!, entity, labels),
    })),
    metadata: { ...totalsOf(total), page, total_pages: pages, has_more: page < pages },
  };
}

/** Returns the part of the requested range that the days of a page cover. */
function spanOf(days: readonly string[], { fromMs, toMs }: SpendRange): SpendRange {
  const [newest, oldest] = [Date.parse(days[0]), Date.parse(days[days.length - 1])];
  return { fromMs: Math.max(fromMs, oldest), toMs: Math.min(toMs, newest + DAY_MS) };
}

interface Labels {
  readonly keys: ReadonlyMap<string, SpendLabel>;
  readonly entities: ReadonlyMap<string, SpendLabel>;
}

function breakdownOf(parts: readonly SpendPart[], entity: SpendDimension | undefined, labels: Labels): Fields {
  // Clients choose tags and models: `__proto__`, too.
  const empty = (): Record<string, Branch> => Object.create(null) as Record<string, Branch>;
  const breakdown: Record<string, Record<string, Branch>> = {
    models: empty(),
    model_groups: empty(),
    providers: empty(),
    endpoints: empty(),
    api_keys: empty(),
    mcp_servers: empty(),
    entities: empty(),
  };
  const branchesOf = (kind: SpendDimension): readonly string[] => BRANCHES[kind] ?? (kind === entity ? ['entities'] : ['api_keys']);
  const metadataOf = (kind: SpendDimension, name: string): Fields => {
    const { alias = null, team = null } = (kind === entity ? labels.entities : labels.keys).get(name) ?? {};
    return kind === 'key' ? { key_alias: alias, team_id: team } : kind === entity ? { [`${kind}_alias`]: alias } : {};
  };
  // A branch precedes its API keys.
  for (const part of parts.toSorted((a, b) => Number(a.key !== null) - Number(b.key !== null))) {
    const { kind, key } = part;
    if (kind === null) continue;
    const name = kind === 'operation' ? callTypeOf(part.name) : part.name;
    for (const branch of branchesOf(kind)) {
      if (key === null) breakdown[branch][name] = { metrics: metricsOf(part), metadata: metadataOf(kind, name), api_key_breakdown: {} };
      else breakdown[branch][name].api_key_breakdown[key] = { metrics: metricsOf(part), metadata: metadataOf('key', key) };
    }
  }
  return breakdown;
}

function metricsOf(sums: SpendSums): Fields {
  return {
    spend: sums.usd,
    prompt_tokens: sums.promptTokens,
    completion_tokens: sums.completionTokens,
    cache_read_input_tokens: sums.cacheReadTokens,
    cache_creation_input_tokens: sums.cacheWriteTokens,
    total_tokens: sums.totalTokens,
    successful_requests: sums.successes,
    failed_requests: sums.failures,
    api_requests: sums.requests,
  };
}

function totalsOf(sums: SpendSums): Fields {
  const { total_tokens: tokens, ...metrics } = metricsOf(sums);
  return { ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`total_${name}`, value])), total_tokens: tokens };
}
