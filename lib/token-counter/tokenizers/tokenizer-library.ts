import { homedir } from 'node:os';
import { join } from 'node:path';
import { errorMessage, InvalidConfigurationError, MissingPackageError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { familyOfModel } from '../families.js';
import type * as Packing from './packing.js';
import type { PackedTokenizer } from './packed-layout.js';
import type { ResolvedTokenizer } from './tokenizer-sources.js';

/**
 * Where packed tokenizers are kept by default. `null`, which keeps nothing, for a user without a
 * home folder: containers can run as a user that `/etc/passwd` does not list.
 */
export function defaultCacheFolder(): string | null {
  try {
    return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nestjs-fast-litellm');
  } catch {
    return null;
  }
}

/** The engine that reads all files and counts exactly. */
const NATIVE_ENGINE = 'the native engine';

/** Dependencies of a library. */
export interface LibraryContext {
  /** `null`: nothing is kept. */
  readonly cacheFolder: string | null;
  readonly logger: LogSink;
  /** Whether the native engine counts: then the addon may read files, too. */
  readonly isNative: () => boolean;
  /** Loads a tokenizer into the engine that counts; returns whether it counts exactly with it. */
  readonly prepare: (tokenizer: PackedTokenizer, file: string) => Promise<boolean>;
  /** Called when a tokenizer can be used. */
  readonly loaded: () => void;
}

/** The tokenizers in the options: loads each once, and finds the one for a model. */
export class TokenizerLibrary {
  private readonly tokenizers = new Map<string, PackedTokenizer>();
  private readonly sources: ResolvedTokenizer[] = [];
  private readonly loading: Promise<void>[] = [];
  /** Requirements of tokenizers that the engine cannot use, by name. */
  private readonly needs = new Map<string, string>();

  constructor(private readonly context: LibraryContext) {}

  /** Begins to load it. */
  add(source: ResolvedTokenizer): void {
    if (this.sources.some(({ name }) => name === source.name)) return;
    this.sources.push(source);
    const loading = this.load(source);
    // `ready` rejects with the error; if it is not called, the log reports it.
    loading.catch((error: unknown) => this.context.logger.error(errorMessage(error)));
    this.loading.push(loading);
  }

  /**
   * Resolves when all are loaded.
   * @throws InvalidConfigurationError naming the first that cannot be used.
   */
  async ready(): Promise<void> {
    await Promise.all(this.loading);
  }

  /** The tokenizer of a model, if it is loaded: by exact name, then by glob, then by family. */
  find(model: string): PackedTokenizer | undefined {
    return this.lookUp(this.tokenizers, model, true);
  }

  /** The same by exact name or by glob only. */
  findNamed(model: string): PackedTokenizer | undefined {
    return this.lookUp(this.tokenizers, model, false);
  }

  /** Requirement for exact counts, if the model's tokenizer is given but cannot be used. */
  neededFor(model: string): string | undefined {
    return this.lookUp(this.needs, model, true);
  }

  private lookUp<T>(known: ReadonlyMap<string, T>, model: string, byFamily: boolean): T | undefined {
    if (known.size === 0) return undefined;
    const name = model.toLowerCase();
    const glob = this.sources.find((source) => source.name.includes('*') && matches(source.name.toLowerCase(), name));
    const family = byFamily ? familyOfModel(name) : undefined;
    return known.get(model) ?? (glob && known.get(glob.name)) ?? (family && known.get(family.name));
  }

  private async load(source: ResolvedTokenizer): Promise<void> {
    const { cacheFolder, isNative, logger, prepare, loaded } = this.context;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with own tokenizers load it
    const { openTokenizer } = require('./packing.js') as typeof Packing;
    const started = performance.now();
    let tokenizer: PackedTokenizer;
    try {
      tokenizer = await openTokenizer(source, { cacheFolder, isNative: isNative(), warn: (message) => logger.warn(message) });
      const { continued } = tokenizer;
      if (!(await prepare(tokenizer, source.file)) || (continued !== undefined && !(await prepare(continued, source.file))))
        return this.cannotCount(source, NATIVE_ENGINE);
    } catch (error) {
      if (error instanceof MissingPackageError) return this.cannotCount(source, error.packageName);
      throw new InvalidConfigurationError(source.path, `cannot use ${source.origin} (${errorMessage(error)})`, { cause: error });
    }
    this.tokenizers.set(source.name, tokenizer);
    loaded();
    logger.log(`Tokenizer ${source.name}: loaded from ${source.origin} in ${Math.round(performance.now() - started)} ms`);
  }

  /** Counts of its models stay estimates. */
  private cannotCount({ name, origin }: ResolvedTokenizer, needed: string): void {
    this.needs.set(name, needed);
    this.context.loaded();
    const advice = needed === NATIVE_ENGINE ? `enable ${needed}` : `npm install ${needed}`;
    this.context.logger.warn(`Tokenizer ${name}: counts are estimates (${origin} requires ${needed}); ${advice}`);
  }
}

/** Whether a name matches a pattern in which `*` matches any characters. */
function matches(pattern: string, name: string): boolean {
  const [first, ...parts] = pattern.split('*');
  const last = parts.pop() ?? '';
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > name.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}
