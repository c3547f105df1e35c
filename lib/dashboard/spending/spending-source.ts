import type { CallsSource } from '../calls/calls-source.js';
import type { SpendingBy } from './dimensions.js';

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

/** The spend log, as the pages read it: `FastLiteLLMSpendService`. */
export interface SpendingSource extends CallsSource {
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
}
