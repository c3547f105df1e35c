import { custom, integer, list, oneOf, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import { checkString } from '../common/options.js';
import { ENCODING_NAMES } from './engine/engine.js';
import { PRICING, PricingBook, type PricingOptions } from './pricing/pricing-book.js';
import { defaultCacheFolder } from './tokenizers/tokenizer-library.js';
import { resolveTokenizers, type ResolvedTokenizer, type TokenizerSource } from './tokenizers/tokenizer-sources.js';

export const ESTIMATES = {
  /**
   * File that preserves the corrections across restarts: written every 30 s and by `close`. Default
   * none.
   */
  file: string(),
};

/** How counts are corrected for models whose tokenizer is not public. */
export interface EstimatesOptions extends OptionsOf<typeof ESTIMATES> {}

export const TOKEN_COUNTER = {
  /** Model of calls that name none. Default `gpt-3.5-turbo`, as in fast-litellm. */
  defaultModel: string({ default: 'gpt-3.5-turbo' }),
  /**
   * Longest accepted text, in UTF-16 code units. Default 64 Mi, about 200 MB as UTF-8. Lower it if
   * texts come from untrusted clients.
   */
  maxTextLength: integer({ min: 1, default: 64 * 1024 * 1024 }),
  /** Encodings to load at boot instead of on first use. Default none. */
  preload: list(oneOf(ENCODING_NAMES), { default: [] }),
  /**
   * Tokenizers of open models, by the name of a family (`llama-3`), of a model, or a glob over
   * model names (`*qwen3*`). They are loaded at boot, off the main thread. Default none.
   *
   * @see docs/token-counting.md#open-models
   */
  tokenizers: custom<Readonly<Record<string, TokenizerSource>>, readonly ResolvedTokenizer[]>('object', resolveTokenizers, []),
  /**
   * Folder for packed tokenizers, which load in a tenth of a second; `false`: they are not kept.
   * Default: `nestjs-fast-litellm` in `$XDG_CACHE_HOME` or `~/.cache`.
   */
  tokenizerCache: custom<string | false, string | null>('path or `false`', (path, value) =>
    value === false ? null : checkString(path, value),
  ),
  /**
   * Prices and limits in addition to those of `@pydantic/genai-prices`.
   *
   * @see docs/token-counting.md#costs-and-limits-of-models
   */
  pricing: custom<PricingOptions, PricingBook>('object', openPrices),
  /**
   * Corrects the counts of models without a public tokenizer by the usage that providers report.
   * `false`: they are counted as `cl100k_base`. Default: corrected, and reset when the process
   * ends.
   *
   * @see docs/token-counting.md#models-without-a-public-tokenizer
   */
  estimates: custom<EstimatesOptions | false>('object or `false`', checkEstimates, {}),
};

/** Options of token counting: the key `tokenCounter`. */
export interface TokenCounterOptions extends OptionsOf<typeof TOKEN_COUNTER> {}

export type ResolvedTokenCounterOptions = Resolved<typeof TOKEN_COUNTER> & {
  readonly tokenizerCache: string | null;
  readonly pricing: PricingBook;
};

/**
 * Checks the options and reads the price file.
 * @throws InvalidConfigurationError naming the option (`tokenCounter.preload[1]`), or the file and
 * the path in it.
 */
export function resolveTokenCounterOptions(options: TokenCounterOptions = {}, path = 'tokenCounter'): ResolvedTokenCounterOptions {
  const { tokenizerCache = defaultCacheFolder(), pricing = new PricingBook(), ...resolved } = resolveOptions(TOKEN_COUNTER, path, options);
  return { ...resolved, tokenizerCache, pricing };
}

function openPrices(path: string, value: unknown): PricingBook {
  resolveOptions(PRICING, path, value);
  return new PricingBook(value as PricingOptions, path);
}

function checkEstimates(path: string, value: unknown): EstimatesOptions | false {
  return value === false ? false : resolveOptions(ESTIMATES, path, value);
}
