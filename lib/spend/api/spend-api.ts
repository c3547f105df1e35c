import { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { InvalidArgumentError } from '../../common/errors.js';
import { checkString, refuseArgument } from '../../common/options.js';
import { definedFields } from '../../common/objects.js';
import type { Principal } from '../../http/principal.js';
import { EXPORT_FORMATS, exportText, type ExportFormat } from '../export.js';
import { DAY_MS } from '../spend-range.js';
import type { CallFilter, SpendCallStatus, SpendCell, SpendDimension, SpendFilter, SpendQueries, SpendRange } from '../spend-queries.js';
import type { FastLiteLLMSpendService } from '../spend.service.js';
import { dailyActivity } from './daily-activity.js';
import { notVisible, visibleTo, type IsTeamAdmin } from './spend-access.js';
import { DATES, SpendFields } from './spend-fields.js';
import { spendLogDetails, spendLogRow } from './spend-log-rows.js';
import { activityByModel, activityOf, reportByDay, reportByKey, summaryByDay } from './spend-reports.js';

type Fields = Record<string, unknown>;

/** Dependencies of the spend routes. */
export interface SpendServices {
  readonly service: FastLiteLLMSpendService;
  readonly queries: SpendQueries;
  /** Authenticates the sender. @throws ApiKeyError without a valid key. */
  authenticate(headers: IncomingHttpHeaders): Promise<Principal>;
  readonly isTeamAdmin: IsTeamAdmin;
  /** Returns the public id of a key named in a query. @throws InvalidArgumentError */
  keyIdOf(name: string, text: string): string;
  readonly now?: () => number;
}

/**
 * Maximum number of rows that LiteLLM's first `/spend/logs` returns and the newer routes count and
 * sort.
 */
const MOST_LOGS = 10_000;
const MOST_CELLS = 200_000;
const LARGEST_PAGE = 1_000;
const MOST_DAYS = 400;
const ALL_TIME: SpendRange = { fromMs: 0, toMs: Date.UTC(9998, 0) };

const LOG_FILTERS = 'api_key user_id request_id session_id team_id model model_id model_group key_alias end_user error_code tags'.split(
  ' ',
);
const LOG_FIELDS = [
  ...DATES,
  ...LOG_FILTERS,
  ...'page page_size min_spend max_spend status_filter cache_hit_filter sort_by sort_order'.split(' '),
];
const ACTIVITY = [...DATES, 'page', 'page_size', 'model', 'api_key', 'timezone'];
const SORTED = { spend: 'spend', total_tokens: 'totalTokens', request_duration_ms: 'durationMs' } as const;

/** LiteLLM's spend routes. Each answer contains only calls that the sender may read. */
export class SpendApi {
  private readonly now: () => number;

  constructor(private readonly services: SpendServices) {
    this.now = services.now ?? Date.now;
  }

  /** LiteLLM's first `/spend/logs`: sums by day, or the newest calls with `summarize=false`. */
  async logs(query: unknown, sender: Principal): Promise<unknown> {
    const fields = new SpendFields(query, [...DATES, 'api_key', 'user_id', 'request_id', 'summarize']);
    const filter = await this.visible(fields, sender);
    const id = fields.text('request_id');
    const hasDates = fields.text('start_date') !== undefined && fields.text('end_date') !== undefined;
    const range = hasDates ? fields.range(this.now()) : ALL_TIME;
    if (id === undefined && hasDates && fields.isTrue('summarize', true)) return this.summary(range, filter);
    const { calls } = await this.services.queries.calls({ range, filter: { ...filter, id }, limit: MOST_LOGS, oldestFirst: false });
    return calls.map(spendLogRow);
  }

  /**
   * `/spend/logs/v2` and `/spend/logs/ui`: a page of calls. Dates or times without a zone are UTC.
   */
  async logPage(query: unknown, sender: Principal): Promise<Fields> {
    const fields = new SpendFields(query, LOG_FIELDS);
    const [page, size] = [fields.page(), fields.integer('page_size', 50, LARGEST_PAGE)];
    const sortBy = fields.choice('sort_by', ['startTime', ...(Object.keys(SORTED) as (keyof typeof SORTED)[])]) ?? 'startTime';
    const oldestFirst = fields.choice('sort_order', ['asc', 'desc']) === 'asc';
    const range = fields.range(this.now());
    const filter: CallFilter = { ...(await this.visible(fields, sender)), ...conditionsOf(fields) };
    const offset = (page - 1) * size;
    // The same limit as in LiteLLM, because an offset reads every row that it skips.
    const limit = Math.max(0, Math.min(size, MOST_LOGS - offset));
    const slice = { range, filter, limit, oldestFirst, offset };
    const { queries } = this.services;
    const [total, calls] = await Promise.all([
      queries.countCalls(range, filter, MOST_LOGS),
      limit === 0
        ? []
        : sortBy === 'startTime'
          ? queries.calls(slice).then((read) => read.calls)
          : queries.sortedCalls(slice, SORTED[sortBy], MOST_LOGS),
    ]);
    const pages = { total, page, page_size: size, total_pages: Math.ceil(total / size), total_is_capped: total === MOST_LOGS };
    return { data: calls.map(spendLogRow), ...pages };
  }

  /** `/spend/logs/ui/{id}`: a call with its attempts and, if stored, its bodies. */
  async log(id: string, query: unknown, sender: Principal): Promise<Fields> {
    const fields = new SpendFields(query, DATES);
    const filter = await this.visible(fields, sender);
    const call = await this.services.service.call(checkString('request_id', id, refuseArgument), filter);
    if (call !== undefined) return spendLogDetails(call);
    const message = 'The call does not exist in the spend log, or this key cannot read it.';
    throw new HttpException({ error: { message, type: 'invalid_request_error', param: 'request_id', code: 'call_not_found' } }, 404);
  }

  async tags(query: unknown, sender: Principal): Promise<readonly Fields[]> {
    const fields = new SpendFields(query, [...DATES, 'tags']);
    const tag = fields.names('tags');
    const filter = { ...(await this.visible(fields, sender)), ...(tag !== undefined && { tag }) };
    const rows = await this.services.queries.grouped('tag', fields.range(this.now()), filter, MOST_LOGS);
    return rows.map(({ name, requests, usd }) => ({ individual_request_tag: name, log_count: requests, total_spend: usd }));
  }

  async report(query: unknown, sender: Principal): Promise<readonly Fields[]> {
    const names = ['group_by', 'api_key', 'internal_user_id', 'team_id', 'customer_id'];
    const fields = new SpendFields(query, [...DATES, ...names]);
    checkMaster(sender);
    const [key, user, team, endUser] = [
      this.keyOf(fields),
      fields.text('internal_user_id'),
      fields.text('team_id'),
      fields.text('customer_id'),
    ];
    const groupBy =
      fields.choice('group_by', ['team', 'customer', 'api_key']) ?? (key === undefined && user === undefined ? 'team' : 'api_key');
    const entity = ({ team: 'team', customer: 'endUser', api_key: 'key' } as const)[groupBy];
    const by: SpendDimension[] = entity === 'key' ? ['key', 'model'] : [entity, 'model', 'key'];
    const filter = definedFields({ key, user, team, endUser });
    const cells = await this.cellsOf(by, fields, filter);
    const named = cells.filter(({ names: each }) => each[entity] !== '');
    return entity === 'key' ? reportByKey(named) : reportByDay(named, entity);
  }

  /** Total spend of all time. */
  async global(query: unknown, sender: Principal): Promise<Fields> {
    const fields = new SpendFields(query, DATES);
    checkMaster(sender);
    const hasDates = fields.text('start_date') !== undefined || fields.text('end_date') !== undefined;
    const { usd } = await this.services.queries.sums(hasDates ? fields.range(this.now()) : ALL_TIME, {});
    return { spend: usd, max_budget: null };
  }

  async globalKeys(query: unknown, sender: Principal): Promise<readonly Fields[]> {
    const rows = await this.globalBy('key', query, sender);
    return rows.map(({ name, label, usd }) => ({ api_key: name, key_alias: label ?? null, key_name: `sk-${name}-…`, total_spend: usd }));
  }

  async globalModels(query: unknown, sender: Principal): Promise<readonly Fields[]> {
    const rows = await this.globalBy('model', query, sender);
    return rows.map(({ name, usd }) => ({ model: name, total_spend: usd }));
  }

  async globalTeams(query: unknown, sender: Principal): Promise<Fields> {
    const fields = new SpendFields(query, [...DATES, 'limit']);
    checkMaster(sender);
    const range = fields.range(this.now());
    const { queries } = this.services;
    const rows = await queries.grouped('team', range, {}, fields.integer('limit', 10, LARGEST_PAGE));
    const teams = rows.map(({ name }) => name);
    const cells = teams.length === 0 ? [] : await queries.cells(['team'], range, { team: teams }, MOST_CELLS);
    const days = new Map<string, Fields>();
    for (const { day, names, usd } of cells) days.set(day, { ...(days.get(day) ?? { date: day }), [names.team!]: usd });
    return {
      daily_spend: [...days.values()],
      teams,
      total_spend_per_team: rows.map(({ name, usd }) => ({ team_id: name, total_spend: usd })),
    };
  }

  /** Spend by day: of all calls, or of one API key. */
  async globalLogs(query: unknown, sender: Principal): Promise<readonly Fields[]> {
    const fields = new SpendFields(query, [...DATES, 'api_key']);
    checkMaster(sender);
    const key = this.keyOf(fields);
    const days = await this.services.queries.days(fields.range(this.now()), definedFields({ key }));
    return days.map(({ day, usd }) => ({ date: day, spend: usd, ...(key !== undefined && { api_key: key }) }));
  }

  /** Requests and tokens by day. */
  async globalActivity(query: unknown, sender: Principal): Promise<Fields> {
    const fields = new SpendFields(query, DATES);
    checkMaster(sender);
    return activityOf(await this.services.queries.days(fields.range(this.now()), {}));
  }

  /** Requests and tokens by day of each model group, the one with the most requests first. */
  async globalModelActivity(query: unknown, sender: Principal): Promise<readonly Fields[]> {
    const fields = new SpendFields(query, DATES);
    checkMaster(sender);
    const cells = await this.cellsOf(['modelGroup'], fields, {});
    return activityByModel(cells);
  }

  /** `/user`, `/team` and `/tag/daily/activity`. */
  async activity(of: 'user' | 'team' | 'tag', query: unknown, sender: Principal, isAggregated: boolean): Promise<Fields> {
    const own = { user: ['user_id'], team: ['team_ids', 'exclude_team_ids'], tag: ['tags'] }[of];
    // Sums are by day in UTC, regardless of the client's time zone.
    const fields = new SpendFields(query, [...ACTIVITY, ...own]);
    const range = fields.range(this.now());
    if (range.toMs - range.fromMs > MOST_DAYS * DAY_MS)
      throw new InvalidArgumentError('start_date', fields.text('start_date'), `must be at most ${MOST_DAYS} days before end_date`);
    const [page, size] = isAggregated ? [1, Infinity] : [fields.page(), fields.integer('page_size', of === 'user' ? 50 : 10, LARGEST_PAGE)];
    const isOfTeam = of === 'team' && !sender.isAdmin && sender.team !== undefined;
    const asked = definedFields({
      key: this.keyOf(fields),
      modelGroup: fields.text('model'),
      ...(of === 'user' && { user: fields.text('user_id') }),
      ...(of === 'team' && {
        team: fields.names('team_ids') ?? (isOfTeam ? [sender.team] : undefined),
        excludeTeams: fields.names('exclude_team_ids'),
      }),
      ...(of === 'tag' && { tag: fields.names('tags') }),
    });
    if (of === 'team' && !sender.isAdmin && asked.team === undefined) throw notVisible();
    const filter = await visibleTo(sender, asked, this.services.isTeamAdmin);
    const entity = of === 'user' ? undefined : of;
    return dailyActivity(this.services.queries, { range, filter, entity, page, pageSize: size });
  }

  /** `/spend/export`: streams the calls of a period as text. */
  async export(query: unknown, sender: Principal): Promise<{ readonly format: ExportFormat; readonly text: AsyncIterable<string> }> {
    const fields = new SpendFields(query, [...DATES, ...LOG_FILTERS, 'format', 'status_filter']);
    const format = fields.choice('format', EXPORT_FORMATS) ?? 'csv';
    const filter: CallFilter = { ...(await this.visible(fields, sender)), ...conditionsOf(fields) };
    const { fromMs, toMs } = fields.range(this.now());
    const calls = this.services.service.export({ from: new Date(fromMs), to: new Date(toMs), filter });
    // A failure of the first page is returned with its own status.
    const first = await calls.next();
    return { format, text: exportText(withFirst(first, calls), format) };
  }

  private async summary(range: SpendRange, filter: SpendFilter): Promise<readonly Fields[]> {
    const { queries } = this.services;
    const { key } = filter;
    const [days, users, models] = await Promise.all([
      queries.days(range, filter),
      queries.parts(range, filter, 'user'),
      queries.parts(range, filter, 'model'),
    ]);
    return summaryByDay(days, users, models, typeof key === 'string' ? key : undefined);
  }

  private async globalBy(by: SpendDimension, query: unknown, sender: Principal) {
    const fields = new SpendFields(query, [...DATES, 'limit']);
    checkMaster(sender);
    return this.services.queries.grouped(by, fields.range(this.now()), {}, fields.integer('limit', 10, LARGEST_PAGE));
  }

  /** @throws InvalidArgumentError for a range with too many rows */
  private async cellsOf(by: readonly SpendDimension[], fields: SpendFields, filter: SpendFilter): Promise<readonly SpendCell[]> {
    const cells = await this.services.queries.cells(by, fields.range(this.now()), filter, MOST_CELLS + 1);
    if (cells.length <= MOST_CELLS) return cells;
    const rule = `must be later, because the report would have more than ${MOST_CELLS} rows`;
    throw new InvalidArgumentError('start_date', fields.text('start_date'), rule);
  }

  private keyOf(fields: SpendFields): string | undefined {
    const text = fields.text('api_key');
    return text === undefined ? undefined : this.services.keyIdOf('api_key', text);
  }

  /** Parses a query and restricts it to the calls that the sender may read. */
  private async visible(fields: SpendFields, sender: Principal): Promise<SpendFilter> {
    const asked = definedFields({
      key: this.keyOf(fields),
      user: fields.text('user_id'),
      team: fields.text('team_id'),
      endUser: fields.text('end_user'),
      modelGroup: fields.text('model_group'),
      model: fields.text('model'),
    });
    return visibleTo(sender, asked, this.services.isTeamAdmin);
  }
}

/** @throws HttpException (403) for any key except the master key. */
function checkMaster(sender: Principal): void {
  if (!sender.isAdmin) throw notVisible();
}

function conditionsOf(fields: SpendFields): CallFilter {
  const status = fields.choice('status_filter', ['success', 'failure', 'cancelled', 'denied']);
  const hit = fields.choice('cache_hit_filter', ['hit', 'miss', 'true', 'false', 'True', 'False']);
  const isHit = hit === undefined ? undefined : hit === 'hit' || hit.toLowerCase() === 'true';
  return definedFields({
    id: fields.text('request_id'),
    sessionId: fields.text('session_id'),
    deploymentId: fields.text('model_id'),
    keyAlias: fields.text('key_alias'),
    errorCode: fields.text('error_code'),
    tag: fields.names('tags'),
    // LiteLLM has only two states: cancelled and denied calls count as failures.
    ...(status === 'failure' ? { isFailed: true } : { status: status as SpendCallStatus | undefined }),
    cacheStatus: isHit === undefined ? undefined : isHit ? ('hit' as const) : ('miss' as const),
    minNanoUsd: fields.nanoUsd('min_spend'),
    maxNanoUsd: fields.nanoUsd('max_spend'),
  });
}

async function* withFirst<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}
