import {
  checkArray,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  checkPositiveInteger,
  checkString,
  joinPath,
  optional,
} from '../common/options.js';
import { PricingBook, type PricingOptions } from './pricing/pricing-book.js';
import { ENCODING_NAMES, type EncodingName } from './engine/engine.js';
import { defaultCacheFolder } from './tokenizers/tokenizer-library.js';
import { resolveTokenizers, type ResolvedTokenizer, type TokenizerSource } from './tokenizers/tokenizer-sources.js';

/** Options of token counting: the key `tokenCounter`. */
export interface TokenCounterOptions {
  /** Model of calls that name none. Default `gpt-3.5-turbo`, as in fast-litellm. */
  readonly defaultModel?: string;
  /**
   * Longest text that is counted, in UTF-16 units. Default 64 Mi, about 200 MB as UTF-8. Lower it
   * where texts come from untrusted clients.
   */
  readonly maxTextLength?: number;
  /** Encodings to load at boot instead of with the first call that needs them. Default none. */
  readonly preload?: readonly EncodingName[];
  /**
   * Tokenizers of open models, by the name of a family (`llama-3`), of a model, or a glob over
   * names of models (`*qwen3*`). They are loaded at boot, beside the main thread. Default none.
   */
  readonly tokenizers?: Readonly<Record<string, TokenizerSource>>;
  /**
   * The folder where packed tokenizers are kept, so that they load in a tenth of a second; `false`:
   * nowhere. Default: `nestjs-fast-litellm` in `$XDG_CACHE_HOME` or `~/.cache`.
   */
  readonly tokenizerCache?: string | false;
  /** Prices and limits in addition to those of `@pydantic/genai-prices`. */
  readonly pricing?: PricingOptions;
  /**
   * Corrects counts for models whose tokenizer is not public by what their providers report.
   * `false`: they are counted as `cl100k_base` counts. Default: corrected, and forgotten at the end
   * of the process.
   */
  readonly estimates?: EstimatesOptions | false;
}

/** How counts are corrected for models whose tokenizer is not public. */
export interface EstimatesOptions {
  /** Keeps the corrections over restarts: written every 30 s and by `close`. Default none. */
  readonly file?: string;
}

/** The options, checked and complete. */
export interface ResolvedTokenCounterOptions {
  readonly defaultModel: string;
  readonly maxTextLength: number;
  readonly preload: readonly EncodingName[];
  readonly tokenizers: readonly ResolvedTokenizer[];
  /** `null`: none. */
  readonly tokenizerCache: string | null;
  readonly pricing: PricingBook;
  readonly estimates: EstimatesOptions | false;
}

const DEFAULT_MODEL = 'gpt-3.5-turbo';
const DEFAULT_MAX_TEXT_LENGTH = 64 * 1024 * 1024;
const KNOWN: readonly (keyof TokenCounterOptions)[] = [
  'defaultModel',
  'maxTextLength',
  'preload',
  'tokenizers',
  'tokenizerCache',
  'pricing',
  'estimates',
];

/**
 * Checks the options and reads the price file.
 * @throws InvalidConfigurationError naming the option (`tokenCounter.preload[1]`), or the file and
 * the path in it.
 */
export function resolveTokenCounterOptions(options: TokenCounterOptions = {}, path = 'tokenCounter'): ResolvedTokenCounterOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: keyof TokenCounterOptions): string => joinPath(path, key);
  return {
    defaultModel: optional(input.defaultModel, DEFAULT_MODEL, (value) => checkString(at('defaultModel'), value)),
    maxTextLength: optional(input.maxTextLength, DEFAULT_MAX_TEXT_LENGTH, (value) => checkPositiveInteger(at('maxTextLength'), value)),
    preload: optional(input.preload, [], (value) =>
      checkArray(at('preload'), value, (entry, name) => checkOneOf(entry, name, ENCODING_NAMES)),
    ),
    tokenizers: optional(input.tokenizers, [], (value) => resolveTokenizers(at('tokenizers'), value)),
    tokenizerCache: optional(input.tokenizerCache, defaultCacheFolder(), (value) =>
      value === false ? null : checkString(at('tokenizerCache'), value),
    ),
    pricing: new PricingBook(
      optional(input.pricing, {}, (value) => checkPricingOptions(at('pricing'), value)),
      at('pricing'),
    ),
    estimates: optional(input.estimates, {}, (value) => (value === false ? false : checkEstimatesOptions(at('estimates'), value))),
  };
}

function checkEstimatesOptions(path: string, value: unknown): EstimatesOptions {
  const { file, ...others } = checkObject(path, value) as EstimatesOptions;
  checkKnownKeys(path, { ...others, file }, ['file']);
  return { file: optional(file, undefined, (given) => checkString(joinPath(path, 'file'), given)) };
}

function checkPricingOptions(path: string, value: unknown): PricingOptions {
  const pricing = checkObject(path, value);
  checkKnownKeys(path, pricing, ['source', 'overrides']);
  return pricing;
}
