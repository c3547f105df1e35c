import { createHash } from 'node:crypto';
import { BudgetWindows } from '../budget/budget-windows.js';
import { limitNumbers, type RedisScope } from './protocol.js';
import { countsRates, type RateLimit } from '../limits.js';
import type { RateLimitScope } from '../store.js';

/**
 * Text that can be part of a Redis key. No `/`, which separates limit and key; no `{` and `}`,
 * which mark the hash tag.
 */
const PLAIN = /^[\w.:@-]{1,96}$/;

/** Result of `plain` for other texts. */
const HASHED = /^~[\w-]{43}$/;
const NO_FIGURES: readonly number[] = [];

/** End of the name of a hash of budgets. */
const BUDGETS = '/usd';

/** A scope with the hash tag of its keys. */
export interface TaggedScope extends RedisScope {
  readonly tag: string;
}

interface KnownLimit {
  readonly name: string;
  readonly kinds: string;
  readonly numbers: readonly number[];
  readonly countsRates: boolean;
}

/**
 * Names the keys in Redis: `PREFIX{NAME/KEY}/KINDS`, or `PREFIX{all}NAME/KEY/KINDS` with `oneSlot`.
 * Limits of the same name and kinds count together, as in memory. Money is in `…/usd`.
 */
export class RedisKeys {
  private readonly limits = new WeakMap<RateLimit, KnownLimit>();

  constructor(
    private readonly prefix: string,
    private readonly oneSlot: boolean,
    private readonly windows = new BudgetWindows(),
  ) {}

  /** Builds the names each time: a lookup by scope would take longer. */
  scope({ limit, key }: RateLimitScope): TaggedScope {
    return this.named(limit, plain(key));
  }

  /** The same by the name of a key in Redis. */
  named(limit: RateLimit, keyName: string): TaggedScope {
    let known = this.limits.get(limit);
    if (known === undefined) {
      known = {
        name: plain(limit.name),
        kinds: kindsOf(limit),
        numbers: limitNumbers(limit),
        countsRates: countsRates(limit),
      };
      this.limits.set(limit, known);
    }
    const name = `${known.name}/${keyName}`;
    const base = `${this.prefix}${this.oneSlot ? `{all}${name}` : `{${name}}`}`;
    const stateKey = known.countsRates ? `${base}/${known.kinds}` : '';
    const scope = {
      tag: this.oneSlot ? 'all' : name,
      stateKey,
      slotsKey: limit.maxConcurrent === undefined ? '' : `${stateKey}/running`,
      limits: known.numbers,
    };
    if (limit.budgets === undefined) return scope;
    const figures = this.windows.figuresOf(limit.budgets);
    return { ...scope, budgets: { hashKey: `${base}${BUDGETS}`, holdsKey: `${base}${BUDGETS}/holds`, figures } };
  }

  /** The same scope with the windows of now. */
  refreshed(scope: TaggedScope, { budgets }: RateLimit): TaggedScope {
    if (scope.budgets === undefined || budgets === undefined) return scope;
    return { ...scope, budgets: { ...scope.budgets, figures: this.windows.figuresOf(budgets) } };
  }

  /** Names of the hashes of budgets, as a glob. */
  get budgetPattern(): string {
    const prefix = this.prefix.replace(/[[\]*?\\^]/g, '\\$&');
    return `${prefix}{${this.oneSlot ? 'all}*' : '*}'}${BUDGETS}`;
  }

  /** Limit and name of the key of a hash of budgets; `undefined` for other keys and limits. */
  budgetKey(hashKey: string, limits: readonly RateLimit[]): { readonly limit: RateLimit; readonly keyName: string } | undefined {
    const book = this.bookOf(hashKey);
    const limit = book && limits.find(({ name }) => plain(name) === book.limit);
    return limit && book && { limit, keyName: book.key };
  }

  /** Names of the limit and of the key of a hash of budgets, as `book` takes them. */
  bookOf(hashKey: string): { readonly limit: string; readonly key: string } | undefined {
    const [head, tail] = this.oneSlot ? ['{all}', BUDGETS] : ['{', `}${BUDGETS}`];
    if (!hashKey.startsWith(this.prefix + head) || !hashKey.endsWith(tail)) return undefined;
    const [limit, ...key] = hashKey.slice(this.prefix.length + head.length, -tail.length).split('/');
    return { limit, key: key.join('/') };
  }

  /** The budgets of a key, without any limit. @param key can be a name that `bookOf` returned. */
  book(limitName: string, key: string): TaggedScope {
    const name = [limitName, key].map((text) => (HASHED.test(text) ? text : plain(text))).join('/');
    const base = `${this.prefix}${this.oneSlot ? `{all}${name}` : `{${name}}`}${BUDGETS}`;
    const budgets = { hashKey: base, holdsKey: `${base}/holds`, figures: NO_FIGURES };
    return { tag: this.oneSlot ? 'all' : name, stateKey: '', slotsKey: '', limits: NO_FIGURES, budgets };
  }

  /** The key of the write test, on the node that has the keys of this hash tag. */
  probe(tag: string): string {
    return `${this.prefix}{${tag}}probe`;
  }

  /** The sorted set of the processes that share budgets. */
  get processes(): string {
    return `${this.prefix}{all}processes`;
  }

  /** The key whose absence means that Redis lost its data. */
  get mark(): string {
    return `${this.prefix}{all}mark`;
  }
}

/**
 * The kinds of a limit as letters: bucket, windows by length, concurrency. Tokens count in the
 * minute's window.
 */
function kindsOf({ bucket, windows, tokensPerMinute, maxConcurrent }: RateLimit): string {
  const kinds = windows.map(({ exceeded, lengthMs }) => (exceeded === 'window' ? `w${lengthMs}` : exceeded[0]));
  if (tokensPerMinute !== undefined && kinds[0] !== 'm') kinds.unshift('m');
  return `${bucket === undefined ? '' : 'b'}${kinds.join('')}${maxConcurrent === undefined ? '' : 'c'}`;
}

/**
 * The text if it is plain, otherwise its hash, so that any key works with `redis-cli`, globs and
 * slots.
 */
function plain(text: string): string {
  // UTF-16 keeps lone surrogates apart.
  return PLAIN.test(text) ? text : `~${createHash('sha256').update(text, 'utf16le').digest('base64url')}`;
}
