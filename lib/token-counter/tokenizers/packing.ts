import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { MissingFileError } from '../../common/errors.js';
import { inTurns } from '../../common/next-turn.js';
import { readRegularFile } from '../../common/regular-file.js';
import { CHAT_TEMPLATE_FILE, TOKENIZER_CONFIG_FILE } from './chat-template-file.js';
import { PACKED_CONTENT, PACKED_VERSION, PackedTokenizer } from './packed-layout.js';
import type { SplitName } from './tokenizer-model.js';
import type { ResolvedTokenizer } from './tokenizer-sources.js';

/** Input of the thread. */
export interface PackingTask {
  readonly file: string;
  readonly split: SplitName | undefined;
  /** Where the packed file goes; `null`: nowhere. */
  readonly target: string | null;
  /** The addon reads the file, if it can be opened. */
  readonly isNative: boolean;
}

/** Answer of the thread: one of the first two. */
export interface PackingAnswer {
  readonly packed?: Uint8Array;
  readonly error?: string;
  /** Why the packed file could not be written. */
  readonly notKept?: string;
}

/** How tokenizers are packed and kept. */
export interface PackingContext {
  /** `null`: nothing is kept. */
  readonly cacheFolder: string | null;
  readonly isNative: boolean;
  readonly warn: (message: string) => void;
}

const THREAD = join(__dirname, `packing.thread${extname(__filename)}`);

/**
 * Opens a tokenizer from its packed file in `cacheFolder`. Where that is missing, of another
 * version or damaged, a worker thread reads the tokenizer's own file and packs it, which takes
 * up to a second.
 *
 * @throws Error whose message describes the problem with the file.
 */
export async function openTokenizer(source: ResolvedTokenizer, { cacheFolder, isNative, warn }: PackingContext): Promise<PackedTokenizer> {
  const key = await keyOf(source);
  const target = cacheFolder === null ? null : join(cacheFolder, `${key}.tokenizer`);
  if (target !== null) {
    const kept = await readRegularFile(target).catch(() => undefined);
    // An error here means invalid contents with a valid checksum.
    const opened = kept && (await inTurns(PackedTokenizer.opening(source.name, key, kept)).catch(() => undefined));
    if (opened !== undefined) return opened;
  }
  const { packed, error, notKept } = await packInThread({ file: source.file, split: source.split, target, isNative });
  if (packed === undefined) throw new Error(error);
  if (notKept !== undefined)
    warn(
      `Tokenizer ${source.name}: cannot write ${target} (${notKept}); make its folder writable, otherwise each start packs the tokenizer again`,
    );
  const opened = await inTurns(PackedTokenizer.opening(source.name, key, Buffer.from(packed.buffer as ArrayBuffer)));
  if (opened === undefined) throw new Error('the packed tokenizer is damaged');
  return opened;
}

/** Another version, file or date of change is another key. */
async function keyOf({ file, split }: ResolvedTokenizer): Promise<string> {
  const beside = [TOKENIZER_CONFIG_FILE, CHAT_TEMPLATE_FILE].map((name) => stat(join(dirname(file), name)).catch(() => undefined));
  const [path, own, ...others] = await Promise.all([realpath(file), stat(file), ...beside]);
  const facts = JSON.stringify([
    PACKED_VERSION,
    PACKED_CONTENT,
    path,
    split,
    ...[own, ...others].map((each) => [each?.size, each?.mtimeMs]),
  ]);
  return `${basename(file)
    .replace(/[^\w.-]/g, '_')
    .slice(0, 40)}-${createHash('sha256').update(facts).digest('hex').slice(0, 24)}`;
}

function packInThread(task: PackingTask): Promise<PackingAnswer> {
  if (!existsSync(THREAD)) throw new MissingFileError(basename(THREAD), 'loading a tokenizer');
  return new Promise((resolve) => {
    const thread = new Worker(THREAD, { workerData: task, name: 'fast-litellm tokenizer' });
    thread.once('message', resolve);
    thread.once('error', (error) => resolve({ error: error.message }));
    thread.once('exit', (code) => resolve({ error: `the packing thread has exited (${code})` }));
  });
}
