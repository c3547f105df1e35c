/** Dimensions that the page offers. */
export const SPENDING_BY = ['team', 'key', 'user', 'model', 'modelGroup', 'tag', 'endUser', 'provider'] as const;
export type SpendingBy = (typeof SPENDING_BY)[number];

/** Labels of the dimensions. */
export const BY_WORDS: Readonly<Record<SpendingBy, string>> = {
  team: 'team',
  key: 'API key',
  user: 'user',
  model: 'model',
  modelGroup: 'model group',
  tag: 'tag',
  endUser: 'end user',
  provider: 'provider',
};

/** Query of the page. Dates are whole days in UTC, including the last one. */
export interface SpendingQuestion {
  readonly from: string;
  readonly to: string;
  readonly filter: Partial<Readonly<Record<SpendingBy, string>>>;
}

interface Change {
  readonly previousUsd: number;
  /** 0.25 means a quarter more; `null` if nothing was spent before. */
  readonly change: number | null;
}

interface Sums {
  readonly requests: number;
  readonly failures: number;
  readonly totalTokens: number;
  readonly usd: number;
  readonly savedUsd: number;
}

/** One of the top entries. */
export interface SpenderState extends Sums, Change {
  readonly name: string;
  readonly label?: string;
  readonly share: number;
}

export interface SpendingCall {
  readonly id: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly timeToFirstTokenMs: number | null;
  readonly operation: string;
  readonly requestedModel: string;
  readonly model: string | null;
  readonly modelGroup: string | null;
  readonly deploymentId: string | null;
  readonly provider: string | null;
  readonly key: string | null;
  readonly keyAlias: string | null;
  readonly user: string | null;
  readonly team: string | null;
  readonly endUser: string | null;
  readonly tags: readonly string[];
  readonly sessionId: string | null;
  readonly requestId: string | null;
  readonly ip: string | null;
  readonly status: string;
  readonly errorCode: string | null;
  readonly httpStatus: number | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
  readonly usd: number | null;
  /** In nano-USD. */
  readonly costInput: number;
  readonly costOutput: number;
  readonly costCacheRead: number;
  readonly costCacheWrite: number;
  readonly costOther: number;
  readonly cacheStatus: string;
  readonly isEstimated: boolean;
}

export interface SpendingAttempt {
  readonly number: number;
  readonly durationMs: number;
  readonly modelGroup: string;
  readonly deploymentId: string;
  readonly provider: string;
  readonly model: string;
  readonly status: string;
  readonly errorCode: string | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly nanoUsd: number | null;
}

/** The spend log, as the page reads it: `FastLiteLLMSpendService`. */
export interface SpendingSource {
  compare(question: SpendingQuestion): Promise<Change & { readonly current: Sums }>;
  forecast(question: { readonly filter: SpendingQuestion['filter'] }): Promise<{
    readonly month: string;
    readonly spentUsd: number;
    readonly perDayUsd: number;
    readonly usd: number;
  }>;
  daily(question: SpendingQuestion): Promise<readonly (Sums & { readonly day: string })[]>;
  dailyBy(question: SpendingQuestion & { readonly by: SpendingBy; readonly limit: number }): Promise<{
    readonly days: readonly string[];
    readonly rows: readonly { readonly name: string; readonly label?: string; readonly nanoUsd: readonly number[] }[];
  }>;
  topSpenders(question: SpendingQuestion & { readonly by: SpendingBy; readonly limit: number }): Promise<{
    readonly rows: readonly SpenderState[];
  }>;
  calls(question: SpendingQuestion & { readonly limit: number; readonly after?: string }): Promise<{
    readonly calls: readonly SpendingCall[];
    readonly next?: string;
  }>;
  call(id: string): Promise<(SpendingCall & { readonly attemptList: readonly SpendingAttempt[] }) | undefined>;
}
