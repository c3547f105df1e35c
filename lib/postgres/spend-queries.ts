import { usdOf } from '../common/nano-usd.js';
import type {
  CallFilter,
  CallOrder,
  CallSlice,
  CallsRead,
  DailySpend,
  SpendAttempt,
  SpendCall,
  SpendCallDetails,
  SpendCell,
  SpendDimension,
  SpendFilter,
  SpendLabel,
  SpendPart,
  SpendQueries,
  SpendRange,
  SpendRow,
  SpendSums,
} from '../spend/spend-queries.js';
import { Conditions } from './conditions.js';
import type { Database } from './database.js';
import { ReportSlots } from './report-slots.js';
import { conditionsOnCalls, sourceOf } from './spend-source.js';
import type { SqlRow } from './sql-client.js';

/** Longer than for look-ups, because reports read more rows. */
const TIMEOUT_MS = 30_000;

/** Columns of a call, named as in `SpendCall`. */
const CALL_COLUMNS = `c.id, (extract(epoch FROM c.started_at) * 1000)::float8 AS "startedAt", c.duration_ms AS "durationMs",
  c.ttft_ms AS "timeToFirstTokenMs", c.operation, c.stream, c.model AS "requestedModel", c.upstream_model AS model,
  c.model_group AS "modelGroup", c.deployment_id AS "deploymentId", c.provider, c.key_id AS key, c.key_alias AS "keyAlias",
  c.user_id AS "user", c.team_id AS team, c.organization_id AS organization, c.end_user AS "endUser", c.tags,
  c.session_id AS "sessionId", c.request_id AS "requestId", c.ip, c.status, c.error_kind AS "errorKind", c.error_code AS "errorCode",
  c.http_status AS "httpStatus", c.prompt_tokens AS "promptTokens", c.completion_tokens AS "completionTokens",
  c.cache_read_tokens AS "cacheReadTokens", c.cache_write_tokens AS "cacheWriteTokens", c.reasoning_tokens AS "reasoningTokens",
  c.nano_usd AS "nanoUsd", c.cost_input AS "costInput", c.cost_output AS "costOutput", c.cost_cache_read AS "costCacheRead",
  c.cost_cache_write AS "costCacheWrite", c.cost_other AS "costOther", c.saved_nano_usd AS "savedNanoUsd",
  c.cache_status AS "cacheStatus", c.is_estimated AS "isEstimated", c.attempts, c.metadata`;
const MICROSECONDS = `(extract(epoch FROM c.started_at) * 1000000)::bigint::text AS "startedUs"`;

const ATTEMPTS = `SELECT row_to_json(a)::text AS row FROM (
  SELECT number, (extract(epoch FROM attempt_started_at) * 1000)::float8 AS "startedAt", duration_ms AS "durationMs",
    ttft_ms AS "timeToFirstTokenMs", model_group AS "modelGroup", deployment_id AS "deploymentId", provider, upstream_model AS model,
    status, error_kind AS "errorKind", error_code AS "errorCode", http_status AS "httpStatus", prompt_tokens AS "promptTokens",
    completion_tokens AS "completionTokens", nano_usd AS "nanoUsd"
  FROM $schema.call_attempts WHERE call_id = $1::text AND started_at = $TIME ORDER BY number) AS a`;
const BODIES = `SELECT json_build_array(request, answer)::text AS row FROM $schema.call_bodies
  WHERE call_id = $1::text AND started_at = $TIME`;
const TIME = `timestamptz 'epoch' + $2::text::bigint * interval '1 microsecond'`;

const ORDERS: Readonly<Record<CallOrder, string>> = {
  spend: 'coalesce("nanoUsd", 0)',
  totalTokens: '"promptTokens" + "completionTokens"',
  durationMs: '"durationMs"',
};

/** Tables that contain the aliases of each dimension. */
const LABELS: Partial<Readonly<Record<SpendDimension, string>>> = {
  key: 'keys',
  team: 'teams',
  user: 'users',
  endUser: 'customers',
  organization: 'organizations',
};
const idOf = (dimension: SpendDimension): string => (dimension === 'key' ? 'public_id' : 'id');

interface SumsJson extends Record<string, unknown> {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly nanoUsd: number;
  readonly savedNanoUsd: number;
}

/**
 * Queries the spend log. Rows are read as JSON text, because some libraries convert `bigint` and
 * `timestamptz`.
 */
export class PostgresSpendQueries implements SpendQueries {
  private readonly attemptsSql: string;
  private readonly bodiesSql: string;

  private readonly slots: ReportSlots;

  constructor(private readonly database: Database) {
    this.slots = new ReportSlots(database.poolSize);
    this.attemptsSql = database.sql(ATTEMPTS.replace('$TIME', TIME));
    this.bodiesSql = database.sql(BODIES.replace('$TIME', TIME));
  }

  async sums(range: SpendRange, filter: SpendFilter): Promise<SpendSums> {
    const source = sourceOf([], range, filter);
    const [sums] = await this.json<SumsJson>(`SELECT ${source.sums} ${source.from}`, source.params);
    return withMoney<SpendSums>(sums);
  }

  async grouped(by: SpendDimension, range: SpendRange, filter: SpendFilter, limit: number): Promise<readonly SpendRow[]> {
    const source = sourceOf([by], range, filter);
    const groups = `SELECT ${source.name(by)} AS name, ${source.sums} ${source.from} AND ${source.name(by)} <> ''
      GROUP BY 1 ORDER BY "nanoUsd" DESC, requests DESC, name LIMIT ${source.param(limit)}::int`;
    const labelled = `SELECT g.*, l.alias AS label FROM (${groups}) AS g LEFT JOIN $schema.${LABELS[by]} AS l ON l.${idOf(by)} = g.name
      ORDER BY g."nanoUsd" DESC, g.requests DESC, g.name`;
    const rows = await this.json<SumsJson & { label?: string | null }>(LABELS[by] === undefined ? groups : labelled, source.params);
    return rows.map(({ label, ...sums }) => ({ ...withMoney<SpendRow>(sums), ...(typeof label === 'string' && { label }) }));
  }

  async days(range: SpendRange, filter: SpendFilter): Promise<readonly DailySpend[]> {
    const source = sourceOf([], range, filter);
    const rows = await this.json<SumsJson>(
      `SELECT ${source.day} AS day, ${source.sums} ${source.from} GROUP BY 1 ORDER BY 1`,
      source.params,
    );
    return rows.map((row) => withMoney<DailySpend>(row));
  }

  async parts(range: SpendRange, filter: SpendFilter, entity: SpendDimension | undefined): Promise<readonly SpendPart[]> {
    const source = sourceOf(entity === undefined ? [] : [entity], range, filter);
    const others = entity === undefined || entity === 'model' ? [] : [entity];
    const kinds: readonly SpendDimension[] = ['model', 'modelGroup', 'provider', 'operation', 'key', ...others];
    const columns = kinds.map((kind) => `${source.name(kind)} AS "${kind}"`).join(', ');
    const sets = [
      '()',
      ...kinds.map((kind) => `("${kind}")`),
      '("model", "key")',
      '("modelGroup", "key")',
      ...others.map((each) => `("${each}", "key")`),
    ];
    const sql = `SELECT day, ${kinds.map((kind) => `"${kind}"`).join(', ')}, ${kinds.map((kind) => `grouping("${kind}") AS "no_${kind}"`).join(', ')},
        ${SUMMED}
      FROM (SELECT ${source.day} AS day, ${columns}, ${source.sums} ${source.from} GROUP BY 1, ${kinds.map((_, at) => at + 2).join(', ')}) AS whole
      GROUP BY day, GROUPING SETS (${sets.join(', ')}) ORDER BY day`;
    const rows = await this.json<SumsJson & { day: string }>(sql, source.params);
    return rows.flatMap((row) => {
      const present = kinds.filter((kind) => row[`no_${kind}`] === 0);
      const kind = present.find((each) => each !== 'key') ?? present[0] ?? null;
      const name = kind === null ? '' : ((row[kind] ?? '') as string);
      if (kind !== null && name === '') return [];
      const key = present.length === 2 ? ((row.key ?? '') as string) : null;
      return key === '' ? [] : [{ ...withMoney<DailySpend>(sumsIn(row)), day: row.day, kind, name, key }];
    });
  }

  async cells(by: readonly SpendDimension[], range: SpendRange, filter: SpendFilter, most: number): Promise<readonly SpendCell[]> {
    const source = sourceOf(by, range, filter);
    const columns = by.map((name) => `coalesce(${source.name(name)}, '') AS "${name}"`).join(', ');
    const sql = `SELECT ${source.day} AS day, ${columns}, ${source.sums} ${source.from}
      GROUP BY 1, ${by.map((_, at) => at + 2).join(', ')} ORDER BY 1, "nanoUsd" DESC LIMIT ${source.param(most)}::int`;
    const rows = await this.json<SumsJson & { day: string }>(sql, source.params);
    return rows.map((row) => ({
      ...withMoney<DailySpend>(sumsIn(row)),
      day: row.day,
      names: Object.fromEntries(by.map((name) => [name, String(row[name])])),
    }));
  }

  async calls(slice: CallSlice): Promise<CallsRead> {
    // One extra row shows whether another page follows.
    const { sql, params } = this.sliceOf({ ...slice, limit: slice.limit + 1 });
    const rows = await this.json<CallJson>(sql, params);
    const shown = rows.slice(0, slice.limit);
    const last = rows.length > slice.limit ? shown.at(-1) : undefined;
    return { calls: shown.map(callOf), next: last && { startedUs: last.startedUs, id: last.id } };
  }

  async sortedCalls({ limit, offset = 0, ...slice }: CallSlice, order: CallOrder, most: number): Promise<readonly SpendCall[]> {
    const { sql, params } = this.sliceOf({ ...slice, oldestFirst: false, limit: most });
    const conditions = new Conditions();
    conditions.params.push(...params);
    const direction = slice.oldestFirst ? 'ASC' : 'DESC';
    const sorted = `SELECT * FROM (${sql}) AS newest ORDER BY ${ORDERS[order]} ${direction}, "startedAt" DESC, id
      LIMIT ${conditions.param(limit)}::int OFFSET ${conditions.param(offset)}::int`;
    return (await this.json<CallJson>(sorted, conditions.params)).map(callOf);
  }

  async countCalls(range: SpendRange, filter: CallFilter, most: number): Promise<number> {
    const conditions = conditionsOnCalls(range, filter);
    const counted = `SELECT count(*) AS count FROM (SELECT 1 FROM $schema.calls AS c ${conditions.where}
      LIMIT ${conditions.param(most)}::int) AS counted`;
    const [{ count }] = await this.json<{ count: number }>(counted, conditions.params);
    return count;
  }

  async labels(of: SpendDimension, names: readonly string[]): Promise<ReadonlyMap<string, SpendLabel>> {
    if (LABELS[of] === undefined || names.length === 0) return new Map();
    const sql = `SELECT ${idOf(of)} AS id, alias, ${of === 'key' ? 'team_id' : 'NULL'} AS team FROM $schema.${LABELS[of]}
      WHERE ${idOf(of)} = ANY(ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb)))`;
    const rows = await this.json<SpendLabel & { id: string }>(sql, [JSON.stringify(names)]);
    return new Map(rows.map(({ id, ...label }) => [id, label]));
  }

  async isTeamAdmin(team: string, user: string): Promise<boolean> {
    const sql = `SELECT 1 AS one FROM $schema.team_members WHERE team_id = $1::text AND user_id = $2::text AND role = 'admin'`;
    return (await this.json(sql, [team, user])).length > 0;
  }

  async call(id: string, filter: SpendFilter): Promise<SpendCallDetails | undefined> {
    const conditions = conditionsOnCalls(undefined, filter).with('c.id = $?::text', id);
    const sql = `SELECT ${CALL_COLUMNS}, ${MICROSECONDS} FROM $schema.calls AS c ${conditions.where} ORDER BY c.started_at DESC LIMIT 1`;
    const [found] = await this.json<CallJson>(sql, conditions.params);
    if (found === undefined) return undefined;
    const [attempts, bodies] = await Promise.all([
      this.rows(this.attemptsSql, [id, found.startedUs]),
      this.rows(this.bodiesSql, [id, found.startedUs]),
    ]);
    const [[request, answer]] = bodies.length === 0 ? [[null, null]] : [JSON.parse(String(bodies[0].row)) as [unknown, unknown]];
    const attemptList = attempts.map(({ row }) => withDate<SpendAttempt>(JSON.parse(String(row)) as { startedAt: number }));
    return { ...callOf(found), attemptList, request, answer };
  }

  private sliceOf({ range, filter, limit, oldestFirst, after, offset }: CallSlice): { sql: string; params: unknown[] } {
    const conditions = conditionsOnCalls(range, filter);
    if (after !== undefined) {
      const time = `timestamptz 'epoch' + ${conditions.param(after.startedUs)}::text::bigint * interval '1 microsecond'`;
      const id = `${conditions.param(after.id)}::text`;
      const [beyond, next] = oldestFirst ? ['>', `c.id < ${id}`] : ['<', `c.id > ${id}`];
      // The first condition lets PostgreSQL use the index.
      conditions.always(`c.started_at ${beyond}= ${time} AND (c.started_at ${beyond} ${time} OR ${next})`);
    }
    const order = oldestFirst ? 'c.started_at ASC, c.id DESC' : 'c.started_at DESC, c.id ASC';
    const rest = `LIMIT ${conditions.param(limit)}::int${offset === undefined ? '' : ` OFFSET ${conditions.param(offset)}::int`}`;
    const sql = `SELECT ${CALL_COLUMNS}, ${MICROSECONDS} FROM $schema.calls AS c ${conditions.where} ORDER BY ${order} ${rest}`;
    return { sql, params: conditions.params };
  }

  private async json<T>(sql: string, params: readonly unknown[]): Promise<T[]> {
    const rows = await this.rows(this.database.sql(`SELECT row_to_json(r)::text AS row FROM (${sql}) AS r`), [...params]);
    return rows.map(({ row }) => JSON.parse(String(row)) as T);
  }

  private rows(sql: string, params: unknown[]): Promise<readonly SqlRow[]> {
    return this.slots.run(() => this.database.rows(sql, params, TIMEOUT_MS));
  }
}

const SUM_NAMES = [
  ...['requests', 'successes', 'failures', 'promptTokens', 'completionTokens', 'cacheReadTokens', 'cacheWriteTokens'],
  ...['nanoUsd', 'savedNanoUsd', 'durationMs'],
];
const SUMMED = SUM_NAMES.map((name) => `sum("${name}") AS "${name}"`).join(', ');

type CallJson = { readonly id: string; readonly startedAt: number; readonly startedUs: string; readonly nanoUsd: number | null };

function callOf({ startedUs: _, ...call }: CallJson): SpendCall {
  return { ...withDate<SpendCall>(call), usd: call.nanoUsd === null ? null : usdOf(call.nanoUsd) };
}

function withDate<T>(row: { readonly startedAt: number }): T {
  return { ...row, startedAt: new Date(Math.round(row.startedAt)) } as T;
}

function sumsIn(row: SumsJson): SumsJson {
  return Object.fromEntries(SUM_NAMES.map((name) => [name, row[name]])) as SumsJson;
}

function withMoney<T>(sums: SumsJson): T {
  const { promptTokens, completionTokens, nanoUsd, savedNanoUsd } = sums;
  return { ...sums, totalTokens: promptTokens + completionTokens, usd: usdOf(nanoUsd), savedUsd: usdOf(savedNanoUsd) } as T;
}
