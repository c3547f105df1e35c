import { readFile } from 'node:fs/promises';
import { errorMessage } from '../../common/errors.js';
import { replaceFile } from '../../common/replace-file.js';
import { shownAddress } from '../shown-address.js';
import { CommandError, UsageError, type Command, type CommandIo, type GivenArguments, isGiven, textOption } from '../command.js';
import { existsSync, readFileSync } from 'node:fs';
import { openPrices } from '../../token-counter/pricing/pricing-book.js';
import type { ListedPrices, ModelPricing } from '../../token-counter/pricing/pricing.js';
import { parseConfigJson } from '../../common/config-text.js';
import { writeLines } from '../output.js';

const SOURCES: Readonly<Record<string, string>> = {
  litellm: 'https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json',
  'models.dev': 'https://models.dev/api.json',
};
const DEFAULT_FILE = 'model-prices.json';
/** The default mode of new files, because prices are not secret. */
const READABLE = 0o666;
const TIMEOUT_MS = 60_000;
/** LiteLLM's file has 4 MB. */
const MOST_BYTES = 64 * 1024 * 1024;
/** Names that are listed for a human. */
const MOST_NAMES = 10;

/** `npx nestjs-fast-litellm prices` */
export const PRICES: Command = {
  options: {
    from: { type: 'string', short: 'f', value: 'source', help: 'litellm (default), models.dev, a URL or a file' },
    to: { type: 'string', short: 't', value: 'file', help: `the file to write (default ${DEFAULT_FILE})` },
    'dry-run': { type: 'boolean', short: 'n', help: 'check and show the changes without writing them; exit with 1 if there are any' },
    json: { type: 'boolean', help: 'write JSON' },
  },
  notes: [
    'The new file is checked, and then replaces the old one atomically. Set tokenCounter.pricing.source to its path.',
    'Behind a proxy, set NODE_USE_ENV_PROXY=1 (Node 24 or newer), or download the file and pass its path to --from.',
  ],
  run,
};

async function run({ options }: GivenArguments, io: CommandIo): Promise<number> {
  const from = textOption(options, 'from') ?? 'litellm';
  const to = textOption(options, 'to') ?? DEFAULT_FILE;
  const isDryRun = isGiven(options, 'dry-run');
  const text = await readSource(Object.hasOwn(SOURCES, from) ? SOURCES[from] : from);
  const changes = checkPriceFile(text, shownSource(from), to);
  const isSame = existsSync(to) && readFileSync(to, 'utf8') === text;
  const written = !isSame && !isDryRun;
  if (written) await writeTo(to, text);
  if (isGiven(options, 'json')) io.stdout.write(`${JSON.stringify({ file: to, written, ...changes }, null, 2)}\n`);
  else writeLines(io.stdout, linesOf(changes, { to, isSame, isDryRun }));
  return isDryRun && !isSame ? 1 : 0;
}

/** @throws CommandError, without the secrets of an address; UsageError */
async function readSource(source: string): Promise<string> {
  const isUrl = /^https?:\/\//.test(source);
  const shown = shownSource(source);
  if (isUrl && !URL.canParse(source)) throw new UsageError(`--from: must be litellm, models.dev, a URL or a file, got '${shown}'`);
  const { username, password } = isUrl ? new URL(source) : { username: '', password: '' };
  if (username !== '' || password !== '') throw new UsageError(`--from: must be a URL without a user name or password, got '${shown}'`);
  try {
    if (!isUrl) return await readFile(source, 'utf8');
    const response = await fetch(source, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await bounded(response);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    throw new CommandError(`cannot read ${shown} (${errorMessage(error)}${cause})`, { cause: error });
  }
}

function shownSource(source: string): string {
  return /^https?:\/\//.test(source) ? shownAddress(source) : source;
}

async function bounded({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error(`more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** @throws CommandError */
async function writeTo(file: string, text: string): Promise<void> {
  try {
    await replaceFile(file, READABLE, (draft) => draft.writeFile(text));
  } catch (error) {
    throw new CommandError(`cannot write ${file} (${errorMessage(error)})`, { cause: error });
  }
}

interface Outcome {
  readonly to: string;
  readonly isSame: boolean;
  readonly isDryRun: boolean;
}

function linesOf({ models, ...changes }: PriceChanges, { to, isSame, isDryRun }: Outcome): string[] {
  if (isSame) return [`${to} is up to date (${models} models)`];
  const lists = Object.entries(changes).filter(([, names]) => names.length > 0);
  return [
    `${isDryRun ? 'would write' : 'wrote'} ${to} (${models} models)`,
    ...lists.map(([what, names]: [string, readonly string[]]) => `  ${what}: ${listed(names)}`),
  ];
}

function listed(names: readonly string[]): string {
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  return names.slice(0, MOST_NAMES).join(', ') + more;
}

/** Fewer are a page of errors or a part of a file. */
const LEAST_MODELS = 100;
/** More models that disappear at once are a mistake of the source. */
const MOST_LOST = 0.2;

/** Differences between two price files. */
interface PriceChanges {
  readonly models: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Prices or limits of these differ. */
  readonly changed: readonly string[];
}

/**
 * Checks the text of a new price file against the file that it replaces.
 * @throws InvalidConfigurationError naming model and field of a wrong value; CommandError
 * for a file with too few models, or which loses more than a fifth of them
 */
function checkPriceFile(text: string, name: string, current: string): PriceChanges {
  const next = pricesIn(openPrices(parseConfigJson(name, text), name));
  if (next.size < LEAST_MODELS) throw new CommandError(`${name}: must have at least ${LEAST_MODELS} models, got ${next.size}`);
  const before = existsSync(current) ? pricesIn(openPrices(current, current)) : new Map<string, string>();
  const removed = [...before.keys()].filter((model) => !next.has(model));
  if (removed.length > before.size * MOST_LOST)
    throw new CommandError(
      `${name}: must contain at least four fifths of the models of ${current}, but ${removed.length} of ${before.size} are missing`,
    );
  return {
    models: next.size,
    added: before.size === 0 ? [] : [...next.keys()].filter((model) => !before.has(model)),
    removed,
    changed: [...before.keys()].filter((model) => next.has(model) && next.get(model) !== before.get(model)),
  };
}

function pricesIn(prices: ListedPrices): Map<string, string> {
  const known = ([model, pricing]: readonly [string, ModelPricing]): [string, string][] =>
    Object.keys(pricing).length === 0 ? [] : [[model, JSON.stringify(pricing)]];
  return new Map([...prices.entries()].flatMap(known));
}
