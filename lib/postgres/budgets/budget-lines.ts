import { createHash } from 'node:crypto';
import { BUDGET_FIELDS, type BudgetWindows } from '../../rate-limit/budget/budget-windows.js';
import type { RateLimitScope } from '../../rate-limit/store.js';

/** Longer keys are kept as `~` and their hash: clients may choose them. */
const LONGEST_KEY = 200;
/** The database functions return this for a time that never comes. */
const NEVER = 2 ** 53;
const UNSTORABLE = /[\p{Surrogate}\0]/u;

/** The budgets of scopes, as arrays for the functions of the database: a line for each. */
export class BudgetLines {
  private readonly scopes: number[] = [];
  private readonly limits: string[] = [];
  private readonly keys: string[] = [];
  private readonly ids: string[] = [];
  private readonly values: number[] = [];

  constructor(private readonly windows: BudgetWindows) {}

  /** Number of the next line, from 1. */
  get next(): number {
    return this.ids.length + 1;
  }

  /**
   * Adds the budgets of scopes of one request.
   * @param isStored Whether their keys were read from the database.
   */
  add(scopes: readonly RateLimitScope[], isStored = false): this {
    scopes.forEach(({ limit, key }, place) => {
      if (limit.budgets === undefined) return;
      const figures = this.windows.figuresOf(limit.budgets);
      for (let at = 0; at < figures.length; at += BUDGET_FIELDS) {
        this.scopes.push(place);
        this.limits.push(limit.name);
        this.keys.push(isStored ? key : storedKey(key));
        this.ids.push(String(figures[at]));
        for (let field = at + 1; field < at + BUDGET_FIELDS; field++) this.values.push(Number(figures[field]));
      }
    });
    return this;
  }

  get places(): string {
    return numbers(this.scopes);
  }

  /** Parameters: limits, keys, ids of budgets, figures. */
  get params(): readonly [string, string, string, string] {
    return [texts(this.limits), texts(this.keys), texts(this.ids), numbers(this.values)];
  }
}

/** Returns the key as stored: PostgreSQL cannot store U+0000 or unpaired surrogates. */
export function storedKey(key: string): string {
  if (key !== '' && key.length <= LONGEST_KEY && !key.startsWith('~') && !UNSTORABLE.test(key)) return key;
  return `~${createHash('sha256').update(key, 'utf16le').digest('base64url')}`;
}

/** Formats an array of texts as a parameter. */
export function texts(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join()}}`;
}

/** Formats an array of numbers as a parameter. */
export function numbers(values: readonly number[]): string {
  return `{${values.join()}}`;
}

/** Parses an array of numbers that the database returned as text. */
export function readNumbers(text: unknown): readonly number[] {
  const list = String(text).slice(1, -1);
  return list === '' ? [] : list.split(',').map((value) => (Number(value) === NEVER ? Infinity : Number(value)));
}
