/** What spend can be grouped by: columns of the sums by day. */
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
 * What spend can be grouped by. `model` is the provider's name of a model, `modelGroup` the model
 * group that answered. A call counts once for each of its tags.
 */
export type SpendDimension = (typeof SPEND_DIMENSIONS)[number];

/** Only calls with this value, or with one of a list. Conditions that are absent match all. */
export type SpendFilter = { readonly [K in SpendDimension]?: string | readonly string[] } & {
  /** Calls of other teams, and of none. */
  readonly excludeTeams?: readonly string[];
};

/** Conditions on single calls, in addition to those on their sums. */
export interface CallFilter extends SpendFilter {
  /** The id of the call or `x-request-id` of its request. */
  readonly id?: string;
  readonly sessionId?: string;
  readonly keyAlias?: string;
  /** As the client named it. */
  readonly requestedModel?: string;
  readonly deploymentId?: string;
  readonly status?: SpendCallStatus;
  /** Calls that were not successful. */
  readonly isFailed?: boolean;
  readonly errorCode?: string;
  readonly cacheStatus?: 'hit' | 'miss' | 'off';
  readonly minNanoUsd?: number;
  readonly maxNanoUsd?: number;
}

export type SpendCallStatus = 'success' | 'failure' | 'cancelled' | 'denied';

/** Names of all conditions on sums. */
export const SPEND_FILTERS: readonly string[] = [...SPEND_DIMENSIONS, 'excludeTeams'];

/** Names of all conditions on calls. */
export const CALL_FILTERS: readonly string[] = [
  ...SPEND_FILTERS,
  ...['id', 'sessionId', 'keyAlias', 'requestedModel', 'deploymentId', 'status', 'isFailed', 'errorCode', 'cacheStatus'],
  ...['minNanoUsd', 'maxNanoUsd'],
];

/** From a time on, and before another one; in ms since 1970. */
export interface SpendRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What calls add up to. Money is in nano-USD, billionths of a USD, and in USD. */
export interface SpendSums {
  readonly requests: number;
  readonly successes: number;
  readonly failures: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
  /** Part of the prompt tokens. */
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly nanoUsd: number;
  readonly usd: number;
  /** Saved by caches of answers. */
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
  /** What `name` is; `null`: the whole day. */
  readonly kind: SpendDimension | null;
  readonly name: string;
  /** The API key, for a part of a model group or of an entity. */
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
  /** As the client named it. */
  readonly requestedModel: string;
  /** The provider's name for the model that answered, or was asked last. */
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
  /** `null` if no price is known. */
  readonly nanoUsd: number | null;
  readonly usd: number | null;
  /** In nano-USD; these add up to `nanoUsd`. */
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

/** A call with its attempts, and its bodies if they are kept. */
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
  /** The calls that follow this one. */
  readonly after?: CallPosition;
  readonly offset?: number;
}

/** Calls, and where the last of them is, if there are more. */
export interface CallsRead {
  readonly calls: readonly SpendCall[];
  readonly next: CallPosition | undefined;
}

/** How a key, team, user, … is called. */
export interface SpendLabel {
  readonly alias: string | null;
  /** Of a key. */
  readonly team: string | null;
}

/** Calls can be sorted by these, beside their time. */
export const CALL_ORDERS = ['spend', 'totalTokens', 'durationMs'] as const;
export type CallOrder = (typeof CALL_ORDERS)[number];

/** Reads the spend log of a database. */
export interface SpendQueries {
  sums(range: SpendRange, filter: SpendFilter): Promise<SpendSums>;
  /** The dearest first. */
  grouped(by: SpendDimension, range: SpendRange, filter: SpendFilter, limit: number): Promise<readonly SpendRow[]>;
  /** Days with calls, the oldest first. */
  days(range: SpendRange, filter: SpendFilter): Promise<readonly DailySpend[]>;
  /** Days with calls and their parts by model, provider, operation, key, and by `entity`. */
  parts(range: SpendRange, filter: SpendFilter, entity: SpendDimension | undefined): Promise<readonly SpendPart[]>;
  /** Sums by day and by several dimensions, at most `most` of them. */
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
