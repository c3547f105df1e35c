import { dayText, isWholeDays } from '../spend/spend-range.js';
import type { CallFilter, SpendDimension, SpendFilter, SpendRange } from '../spend/spend-queries.js';
import { Conditions } from './conditions.js';

/** Dimensions with their own rows in `daily_spend`, and their names there. */
const ENTITIES: Partial<Readonly<Record<SpendDimension, string>>> = {
  team: 'team',
  user: 'user',
  endUser: 'end_user',
  organization: 'organization',
  tag: 'tag',
  model: 'model',
};

/** Columns of every row of `daily_spend`. */
const COLUMNS: Partial<Readonly<Record<SpendDimension, string>>> = {
  key: 'd.key_id',
  modelGroup: 'd.model_group',
  provider: 'd.provider',
  operation: 'd.operation',
  // Daily sums from before migration 0007 have only the group.
  model: `coalesce(nullif(d.upstream_model, ''), d.model_group)`,
};

const CALL_COLUMNS: Readonly<Record<SpendDimension, string>> = {
  key: 'c.key_id',
  team: 'c.team_id',
  user: 'c.user_id',
  endUser: 'c.end_user',
  organization: 'c.organization_id',
  tag: 'of.tag',
  model: 'coalesce(c.upstream_model, c.model)',
  modelGroup: 'c.model_group',
  provider: 'c.provider',
  operation: 'c.operation',
};

const SUMS: readonly (readonly [name: string, column: string])[] = [
  ['promptTokens', 'prompt_tokens'],
  ['completionTokens', 'completion_tokens'],
  ['cacheReadTokens', 'cache_read_tokens'],
  ['cacheWriteTokens', 'cache_write_tokens'],
  ['nanoUsd', 'nano_usd'],
  ['savedNanoUsd', 'saved_nano_usd'],
  ['durationMs', 'duration_ms'],
];
const sumOf = (table: string, [name, column]: readonly [string, string]): string => `coalesce(sum(${table}.${column}), 0) AS "${name}"`;
const DAILY_SUMS = [
  ...['requests', 'successes', 'failures'].map((name) => sumOf('d', [name, name])),
  ...SUMS.map((sum) => sumOf('d', sum)),
].join(', ');
const CALL_SUMS = [
  'count(*) AS requests',
  `count(*) FILTER (WHERE c.status = 'success') AS successes`,
  `count(*) FILTER (WHERE c.status <> 'success') AS failures`,
  ...SUMS.map((sum) => sumOf('c', sum)),
].join(', ');

/** The table that a query of sums reads. */
export interface SpendSource {
  /** Expressions of the sums, named as in `SpendSums`. */
  readonly sums: string;
  readonly day: string;
  /** `FROM`, and `WHERE` with at least one condition. */
  readonly from: string;
  readonly params: readonly unknown[];
  /** Returns the column of a dimension. */
  name(dimension: SpendDimension): string;
  param(value: unknown): string;
}

/**
 * Uses the daily sums if they can answer the query, otherwise the calls. Daily sums exist for each
 * team, user, end user, organization and tag, but not for combinations of them; those of each have
 * the model.
 * @param dimensions to group by
 */
export function sourceOf(dimensions: readonly SpendDimension[], range: SpendRange, filter: SpendFilter): SpendSource {
  const { excludeTeams, ...conditions } = filter;
  const named = [...dimensions, ...(Object.keys(conditions) as SpendDimension[]).filter((name) => conditions[name] !== undefined)];
  const entities = new Set(named.filter((name) => ENTITIES[name] !== undefined));
  // Rows of all other entities are also grouped by model.
  if (entities.size > 1) entities.delete('model');
  const isOfTeams = entities.size === 1 && entities.has('team');
  const fits = entities.size <= 1 && (excludeTeams === undefined || isOfTeams) && isWholeDays(range);
  return fits ? dailySource([...entities][0], dimensions, range, filter) : callSource(dimensions, range, filter);
}

function dailySource(
  entity: SpendDimension | undefined,
  dimensions: readonly SpendDimension[],
  range: SpendRange,
  { excludeTeams, ...filter }: SpendFilter,
): SpendSource {
  const conditions = new Conditions();
  const ofKey = entity === undefined && (filter.key !== undefined || dimensions.includes('key'));
  const dimension = entity !== undefined ? ENTITIES[entity] : ofKey ? 'key' : 'all';
  conditions.always(`d.dimension = '${dimension}'`);
  if (dimension === 'all') conditions.always(`d.entity = ''`);
  if (entity !== undefined) among(conditions, 'd.entity', filter[entity]);
  if (ofKey) among(conditions, 'd.entity', filter.key);
  else among(conditions, 'd.key_id', filter.key);
  for (const name of ['modelGroup', 'provider', 'operation', 'model'] as const)
    if (name !== entity) among(conditions, COLUMNS[name]!, filter[name]);
  notAmong(conditions, 'd.entity', excludeTeams);
  conditions.with('d.day >= $?::text::date', dayText(range.fromMs)).with('d.day < $?::text::date', dayText(range.toMs));
  return {
    sums: DAILY_SUMS,
    day: `to_char(d.day, 'YYYY-MM-DD')`,
    from: `FROM $schema.daily_spend AS d ${conditions.where}`,
    params: conditions.params,
    name: (name) => (name === entity ? 'd.entity' : COLUMNS[name]!),
    param: (value) => conditions.param(value),
  };
}

function callSource(dimensions: readonly SpendDimension[], range: SpendRange, filter: SpendFilter): SpendSource {
  const conditions = conditionsOnCalls(range, filter);
  // Counts a call only once if it repeats a tag.
  const tags = dimensions.includes('tag') ? 'CROSS JOIN LATERAL (SELECT DISTINCT unnest(c.tags) AS tag) AS of' : '';
  if (dimensions.includes('tag')) among(conditions, 'of.tag', filter.tag);
  return {
    sums: CALL_SUMS,
    day: `to_char(c.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')`,
    from: `FROM $schema.calls AS c ${tags} ${conditions.where}`,
    params: conditions.params,
    name: (name) => CALL_COLUMNS[name],
    param: (value) => conditions.param(value),
  };
}

/** @param range `undefined`: no limit on time */
export function conditionsOnCalls(range: SpendRange | undefined, filter: CallFilter): Conditions {
  const conditions = new Conditions();
  for (const name of ['key', 'team', 'user', 'endUser', 'organization', 'model', 'modelGroup', 'provider', 'operation'] as const)
    among(conditions, CALL_COLUMNS[name], filter[name]);
  if (typeof filter.tag === 'string') conditions.with('c.tags @> ARRAY[$?::text]', filter.tag);
  else if (filter.tag !== undefined) conditions.with(`c.tags && ${LIST}`, JSON.stringify(filter.tag));
  // The index on tags covers only calls that have tags.
  conditions.always(filter.tag === undefined ? undefined : `c.tags <> '{}'`);
  notAmong(conditions, 'c.team_id', filter.excludeTeams);
  const { minNanoUsd, maxNanoUsd } = filter;
  return conditions
    .with('(c.id = $?::text OR c.request_id = $?::text)', filter.id)
    .with('c.session_id = $?::text', filter.sessionId)
    .with('c.key_alias = $?::text', filter.keyAlias)
    .with('c.model = $?::text', filter.requestedModel)
    .with('c.deployment_id = $?::text', filter.deploymentId)
    .with('c.status = $?::text', filter.status)
    .always(filter.isFailed === true ? `c.status <> 'success'` : undefined)
    .with('c.error_code = $?::text', filter.errorCode)
    .with('c.cache_status = $?::text', filter.cacheStatus)
    .with('coalesce(c.nano_usd, 0) >= $?::text::numeric', minNanoUsd === undefined ? undefined : String(minNanoUsd))
    .with('coalesce(c.nano_usd, 0) <= $?::text::numeric', maxNanoUsd === undefined ? undefined : String(maxNanoUsd))
    .with('c.started_at >= $?::text::timestamptz', range && new Date(range.fromMs).toISOString())
    .with('c.started_at < $?::text::timestamptz', range && new Date(range.toMs).toISOString());
}

/** A list as JSON, because not every library supports array parameters. */
const LIST = 'ARRAY(SELECT jsonb_array_elements_text($?::text::jsonb))';

function among(conditions: Conditions, column: string, values: string | readonly string[] | undefined): void {
  if (typeof values === 'string' || values === undefined) conditions.with(`${column} = $?::text`, values);
  else conditions.with(`${column} = ANY(${LIST})`, JSON.stringify(values));
}

function notAmong(conditions: Conditions, column: string, values: readonly string[] | undefined): void {
  if (values !== undefined) conditions.with(`coalesce(${column}, '') <> ALL(${LIST})`, JSON.stringify(values));
}
