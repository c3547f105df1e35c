import { InvalidConfigurationError } from '../../common/errors.js';
import type { ConfigurationStoreSource } from '../../configuration/stored/configuration-store.js';
import { fileConfigurationStore } from '../../configuration/stored/file-store.js';
import { SaltKeys } from '../../configuration/stored/salt-keys.js';
import { rotateSalt } from '../../configuration/stored/salt-rotation.js';
import { postgresStore } from '../../postgres/postgres-store.js';
import { isGiven, textOption, UsageError, type Command, type CommandIo, type GivenArguments } from '../command.js';
import { writeLines } from '../output.js';

/** A connection over a slow network is opened within this time. */
const TIMEOUT_MS = 30_000;

/** `npx nestjs-fast-litellm rotate-salt` */
export const ROTATE_SALT: Command = {
  options: {
    from: { type: 'string', value: 'key', help: 'the old salt key (default: the variable FAST_LITELLM_OTHER_SALT_KEYS)' },
    to: { type: 'string', value: 'key', help: 'the new salt key (default: the variable LITELLM_SALT_KEY)' },
    url: { type: 'string', short: 'u', value: 'url', help: 'the database (default: the variable DATABASE_URL)' },
    schema: { type: 'string', short: 's', value: 'name', help: 'the schema of all tables (default fast_litellm)' },
    file: { type: 'string', short: 'f', value: 'path', help: 'the file of fileConfigurationStore, instead of a database' },
    json: { type: 'boolean', help: 'write JSON' },
  },
  notes: [
    'First give all processes both keys: the new one in LITELLM_SALT_KEY, the old one in FAST_LITELLM_OTHER_SALT_KEYS.',
    'If a run is interrupted, run the command again: it continues with the rows that still use the old key.',
    'Variables are safer than flags, because other users of the machine can read the arguments of a command.',
  ],
  run,
};

async function run({ options }: GivenArguments, io: CommandIo): Promise<number> {
  const keys = keysOf(
    textOption(options, 'to') ?? io.env.LITELLM_SALT_KEY ?? '',
    textOption(options, 'from')?.split('\n') ?? (io.env.FAST_LITELLM_OTHER_SALT_KEYS ?? '').split(',').filter((key) => key !== ''),
  );
  const file = textOption(options, 'file');
  const url = textOption(options, 'url') ?? (file === undefined ? io.env.DATABASE_URL : undefined);
  if ((file === undefined) === (url === undefined || url === ''))
    throw new UsageError('--url, --file or the variable DATABASE_URL must be set');
  const source = file === undefined ? openDatabase(String(url), textOption(options, 'schema')) : fileConfigurationStore(file);
  try {
    const { rotated, unchanged } = await rotateSalt(source.configuration, keys);
    if (isGiven(options, 'json')) io.stdout.write(`${JSON.stringify({ key: keys.id, rotated, unchanged }, null, 2)}\n`);
    else writeLines(io.stdout, [`${rotated} rows encrypted with the key ${keys.id}, ${unchanged} unchanged`]);
    return 0;
  } finally {
    await source.close?.();
  }
}

/** @throws UsageError naming the option of the command */
function keysOf(to: string, from: readonly string[]): SaltKeys {
  if (to === '') throw new UsageError('--to or the variable LITELLM_SALT_KEY must be set');
  if (from.length === 0) throw new UsageError('--from or the variable FAST_LITELLM_OTHER_SALT_KEYS must be set');
  if (from.includes(to)) throw new UsageError('--to: must differ from --from');
  try {
    return new SaltKeys(to, from);
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    throw new UsageError(error.message.replace(/^admin\.saltKey/, '--to').replace(/^admin\.otherSaltKeys\[\d+\]/, '--from'));
  }
}

function openDatabase(url: string, schema: string | undefined): ConfigurationStoreSource {
  try {
    return postgresStore({ url, schema, timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    throw new UsageError(error.message.replace(/^postgres\./, '--'));
  }
}
