import { InvalidArgumentError } from '../../common/errors.js';
import { checkInteger, checkKnownKeys, checkObject, checkOneOf, checkString, refuseArgument } from '../../common/options.js';
import { rangeOf, type SpendPeriod } from '../spend-range.js';
import type { SpendRange } from '../spend-queries.js';

const LARGEST_PAGE_NUMBER = 1_000_000;
const USD = /^\d{1,9}(?:\.\d{1,9})?$/;

/** Parses a query string with LiteLLM's parameter names. */
export class SpendFields {
  private readonly fields: Readonly<Record<string, unknown>>;

  /**
   * Rejects unknown names, which would otherwise be filters without effect.
   * @throws InvalidArgumentError
   */
  constructor(query: unknown, known: readonly string[]) {
    this.fields = checkObject('query', query ?? {}, refuseArgument);
    checkKnownKeys('', this.fields, known, refuseArgument);
  }

  /** Treats an empty value as absent, because LiteLLM's UI sends those. */
  text(name: string): string | undefined {
    const { [name]: value } = this.fields;
    if (value === undefined || value === '') return undefined;
    const text = checkString(name, value, refuseArgument);
    if (text.includes('\0')) throw new InvalidArgumentError(name, text, 'must not contain U+0000');
    return text;
  }

  /** Parses comma-separated names. */
  names(name: string): readonly string[] | undefined {
    const text = this.text(name);
    const names = text
      ?.split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '');
    return names === undefined || names.length === 0 ? undefined : names;
  }

  integer(name: string, fallback: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    return checkInteger(name, /^\d{1,9}$/.test(text) ? Number(text) : text, { min: 1, max }, refuseArgument);
  }

  page(): number {
    return this.integer('page', 1, LARGEST_PAGE_NUMBER);
  }

  choice<const C extends string>(name: string, choices: readonly C[]): C | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : checkOneOf(name, text, choices, refuseArgument);
  }

  isTrue(name: string, fallback: boolean): boolean {
    const choice = this.choice(name, ['true', 'false', 'True', 'False']);
    return choice === undefined ? fallback : choice.toLowerCase() === 'true';
  }

  nanoUsd(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (USD.test(text)) return Math.round(Number(text) * 1e9);
    throw new InvalidArgumentError(name, text, 'must be an amount in USD such as 0.05');
  }

  /** Parses a range of whole days in UTC, including the last one. */
  range(nowMs: number, names: readonly [string, string] = ['start_date', 'end_date']): SpendRange {
    const period: SpendPeriod = { from: this.text(names[0]), to: this.text(names[1]) };
    return rangeOf(period, nowMs, names);
  }
}

/** Names of the dates in LiteLLM's queries. */
export const DATES = ['start_date', 'end_date'];
