/** Dimensions to group spend by: columns of the daily sums. */
export const SPEND_DIMENSIONS = [
  'key',
  'team',
  'user',
  'endUser',
  'organization',
  'tag',
  'model',
  'modelGroup',
  'provider',
  'operation',
] as const;

/**
 * A dimension to group spend by. `model` is the provider's model name, `modelGroup` the model group
 * that answered. A call counts once for each of its tags.
 */
export type SpendDimension = (typeof SPEND_DIMENSIONS)[number];

/** Selects calls by a value, or by a list of values. Absent conditions match all calls. */
export type SpendFilter = { readonly [K in SpendDimension]?: string | readonly string[] } & {
  /** Excludes these teams; calls without a team still match. */
  readonly excludeTeams?: readonly string[];
};

/** Conditions on single calls, in addition to the dimensions. */
export interface CallFilter extends SpendFilter {
  /** Id of the call, or `x-request-id` of its request. */
  readonly id?: string;
  readonly sessionId?: string;
  readonly keyAlias?: string;
  /** Model name as requested. */
  readonly requestedModel?: string;
  readonly deploymentId?: string;
  readonly status?: SpendCallStatus;
  /** Selects calls that did not succeed. */
  readonly isFailed?: boolean;
  readonly errorCode?: string;
  readonly cacheStatus?: 'hit' | 'miss' | 'off';
  readonly minNanoUsd?: number;
  readonly maxNanoUsd?: number;
}

/** How a call of the spend log ended. */
export type SpendCallStatus = 'success' | 'failure' | 'cancelled' | 'denied';

/** Names of all conditions on sums. */
export const SPEND_FILTERS: readonly string[] = [...SPEND_DIMENSIONS, 'excludeTeams'];

/** Names of all conditions on calls. */
export const CALL_FILTERS: readonly string[] = [
  ...SPEND_FILTERS,
  ...['id', 'sessionId', 'keyAlias', 'requestedModel', 'deploymentId', 'status', 'isFailed', 'errorCode', 'cacheStatus'],
  ...['minNanoUsd', 'maxNanoUsd'],
];

/** A range of time in ms since 1970: from `fromMs`, up to but not including `toMs`. */
export interface SpendRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Sums over calls. Costs are in nano-USD (billionths of a USD) and in USD. */
export interface SpendSums {
  readonly requests: number;
  readonly successes: number;
  readonly failures: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
  /** Included in the prompt tokens. */
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly nanoUsd: number;
  readonly usd: number;
  /** Saved by response caches. */
  readonly savedNanoUsd: number;
  readonly savedUsd: number;
  readonly durationMs: number;
}

/** The sums of one key, team, user, … */
export interface SpendRow extends SpendSums {
  readonly name: string;
  /** The alias of the key, team, user, …, if it has one. */
  readonly label?: string;
}

/** The sums of a day in UTC. */
export interface DailySpend extends SpendSums {
  /** `2027-01-31`. */
  readonly day: string;
}

/** Sums of a day, or of a part of it. */
export interface SpendPart extends DailySpend {
  /** Dimension of `name`; `null` for the whole day. */
  readonly kind: SpendDimension | null;
  readonly name: string;
  /** API key, for a part of a model group or entity. */
  readonly key: string | null;
}

/** Sums of a day by several dimensions. */
export interface SpendCell extends DailySpend {
  readonly names: Readonly<Partial<Record<SpendDimension, string>>>;
}

/** One call of the spend log. */
export interface SpendCall {
  readonly id: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly timeToFirstTokenMs: number | null;
  readonly operation: string;
  readonly stream: boolean;
  /** Model name as requested. */
  readonly requestedModel: string;
  /** The provider's name of the model that answered, or of the last attempt. */
  readonly model: string | null;
  readonly modelGroup: string | null;
  readonly deploymentId: string | null;
  readonly provider: string | null;
  readonly key: string | null;
  readonly keyAlias: string | null;
  readonly user: string | null;
  readonly team: string | null;
  readonly organization: string | null;
  readonly endUser: string | null;
  readonly tags: readonly string[];
  readonly sessionId: string | null;
  readonly requestId: string | null;
  readonly ip: string | null;
  readonly status: SpendCallStatus;
  readonly errorKind: string | null;
  readonly errorCode: string | null;
  readonly httpStatus: number | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
  /** `null` without a known price. */
  readonly nanoUsd: number | null;
  readonly usd: number | null;
  /** Costs by kind in nano-USD; they add up to `nanoUsd`. */
  readonly costInput: number;
  readonly costOutput: number;
  readonly costCacheRead: number;
  readonly costCacheWrite: number;
  readonly costOther: number;
  readonly savedNanoUsd: number;
  readonly cacheStatus: string;
  readonly isEstimated: boolean;
  readonly attempts: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** An attempt of a call. Costs are in nano-USD. */
export interface SpendAttempt {
  readonly number: number;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly timeToFirstTokenMs: number | null;
  readonly modelGroup: string;
  readonly deploymentId: string;
  readonly provider: string;
  readonly model: string;
  readonly status: string;
  readonly errorKind: string | null;
  readonly errorCode: string | null;
  readonly httpStatus: number | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly nanoUsd: number | null;
}

/** A call with its attempts and, if stored, its bodies. */
export interface SpendCallDetails extends SpendCall {
  readonly attemptList: readonly SpendAttempt[];
  readonly request: unknown;
  readonly answer: unknown;
}

/** A position in the list of calls. */
export interface CallPosition {
  /** Microseconds since 1970, as PostgreSQL stores them. */
  readonly startedUs: string;
  readonly id: string;
}

/** Which calls to read. */
export interface CallSlice {
  readonly range: SpendRange;
  readonly filter: CallFilter;
  readonly limit: number;
  readonly oldestFirst: boolean;
  /** Continues after this position. */
  readonly after?: CallPosition;
  readonly offset?: number;
}

/** A page of calls, with the position of its last call if more follow. */
export interface CallsRead {
  readonly calls: readonly SpendCall[];
  readonly next: CallPosition | undefined;
}

/** Names of a key, team, user, … */
export interface SpendLabel {
  readonly alias: string | null;
  /** Team of a key. */
  readonly team: string | null;
}

/** Figures that calls can be sorted by, in addition to their time. */
export const CALL_ORDERS = ['spend', 'totalTokens', 'durationMs'] as const;
export type CallOrder = (typeof CALL_ORDERS)[number];

/** Reads the spend log of a database. */
export interface SpendQueries {
  sums(range: SpendRange, filter: SpendFilter): Promise<SpendSums>;
  /** Highest spend first. */
  grouped(by: SpendDimension, range: SpendRange, filter: SpendFilter, limit: number): Promise<readonly SpendRow[]>;
  /** Days with calls, oldest first. */
  days(range: SpendRange, filter: SpendFilter): Promise<readonly DailySpend[]>;
  /** Days with calls, and their parts by model, provider, operation, key and `entity`. */
  parts(range: SpendRange, filter: SpendFilter, entity: SpendDimension | undefined): Promise<readonly SpendPart[]>;
  /** Sums by day and several dimensions, at most `most` rows. */
  cells(by: readonly SpendDimension[], range: SpendRange, filter: SpendFilter, most: number): Promise<readonly SpendCell[]>;
  calls(slice: CallSlice): Promise<CallsRead>;
  /** The newest `most` calls of a range, sorted by a figure. */
  sortedCalls(slice: CallSlice, order: CallOrder, most: number): Promise<readonly SpendCall[]>;
  /** Stops counting at `most`. */
  countCalls(range: SpendRange, filter: CallFilter, most: number): Promise<number>;
  /** Aliases of keys, teams, users, … */
  labels(of: SpendDimension, names: readonly string[]): Promise<ReadonlyMap<string, SpendLabel>>;
  /** Whether a user is an admin of a team. */
  isTeamAdmin(team: string, user: string): Promise<boolean>;
  /** The newest call with an id. */
  call(id: string, filter: SpendFilter): Promise<SpendCallDetails | undefined>;
}
