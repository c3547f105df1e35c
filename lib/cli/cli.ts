import { parseArgs } from 'node:util';
import { errorMessage, FastLiteLLMError } from '../common/errors.js';
import { suggestion } from '../common/nearest-name.js';
import { VERSION } from '../common/version.js';
import { CommandError, UsageError, type Command, type CommandIo, type GivenArguments } from './command.js';
import { commandHelp, PROGRAM, programHelp } from './help.js';
import { writeLines } from './output.js';

interface CommandEntry {
  /** One line of the list of commands, without a full stop. */
  readonly summary: string;
  /** Loads it when it is called, so that others start without it. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  count: {
    summary: 'counts the tokens of files or standard input, with their cost and share of the context window',
    load: async () => (await import('./commands/count.js')).COUNT,
  },
  doctor: {
    summary: 'checks engines, flags, tokenizers, Redis and deployments, and explains how to fix each problem',
    load: async () => (await import('./commands/doctor.js')).DOCTOR,
  },
  'import-keys': {
    summary: 'imports keys, limits and spend from the database of a LiteLLM proxy',
    load: async () => (await import('./commands/import-keys.js')).IMPORT_KEYS,
  },
  migrate: {
    summary: 'creates and updates the tables in PostgreSQL',
    load: async () => (await import('./commands/migrate.js')).MIGRATE,
  },
  prices: {
    summary: 'writes prices and limits of models to a file, from LiteLLM or models.dev',
    load: async () => (await import('./commands/prices.js')).PRICES,
  },
  'rotate-salt': {
    summary: 'encrypts the stored secrets of the admin API with another salt key',
    load: async () => (await import('./commands/rotate-salt.js')).ROTATE_SALT,
  },
  serve: {
    summary: "serves the APIs of OpenAI and Anthropic from a config.yaml, instead of LiteLLM's proxy",
    load: async () => (await import('./commands/serve.js')).SERVE,
  },
  spend: {
    summary: 'exports the spend log, drops its old months, and deletes the calls of a user or a key',
    load: async () => (await import('./commands/spend.js')).SPEND,
  },
};

const [SUCCESS, FAILURE, USAGE] = [0, 1, 2];

/**
 * Runs `npx nestjs-fast-litellm` with these arguments.
 * @returns the exit code: 0; 1 for a failure or a finding; 2 for arguments that are wrong
 */
export async function runCli(args: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    io.stdout.write(programHelp(COMMANDS));
    return name === undefined ? USAGE : SUCCESS;
  }
  if (name === '--version' || name === '-v') {
    io.stdout.write(`${VERSION}\n`);
    return SUCCESS;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    writeLines(io.stderr, [`${PROGRAM}: unknown command '${name}'${suggestion(name, Object.keys(COMMANDS))}; --help lists the commands`]);
    return USAGE;
  }
  return runCommand(name, entry, rest, io);
}

async function runCommand(name: string, { summary, load }: CommandEntry, args: string[], io: CommandIo): Promise<number> {
  const command = await load();
  try {
    const given = readArguments(args, command);
    if (given.options.help !== true) return await command.run(given, io);
    io.stdout.write(commandHelp(name, summary, command));
    return SUCCESS;
  } catch (error) {
    const isUsage = error instanceof UsageError;
    if (!isUsage && !(error instanceof CommandError) && !(error instanceof FastLiteLLMError)) throw error;
    writeLines(io.stderr, [`${PROGRAM} ${name}: ${errorMessage(error)}${isUsage ? `; --help shows the options` : ''}`]);
    return isUsage ? USAGE : FAILURE;
  }
}

/** @throws UsageError for unknown options, missing values and operands that are not taken */
function readArguments(args: string[], { options, operands, spell }: Command): GivenArguments {
  try {
    const { values, positionals } = parseArgs({
      args: spell?.(args) ?? args,
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: operands !== undefined,
    });
    return { options: values, operands: positionals };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS_') !== true) throw error;
    // The first sentence describes the error; the others explain Node's parser.
    const [, typed = ''] = /^Unknown option '--([^']+)'/.exec(message) ?? [];
    throw new UsageError(message.split('. ', 1)[0] + suggestion(typed, Object.keys(options)));
  }
}
