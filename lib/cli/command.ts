/** An option of a command. */
export interface CommandOption {
  readonly type: 'string' | 'boolean';
  /** One letter. */
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** Name of the value in the help: `name` is shown as `<name>`. */
  readonly value?: string;
  /** One line of the help. */
  readonly help: string;
  /** Accepted without being shown in the help. */
  readonly isHidden?: boolean;
}

/** Values of options by name, as `util.parseArgs` gives them. */
export type GivenOptions = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** Arguments after the name of a command. */
export interface GivenArguments {
  readonly options: GivenOptions;
  readonly operands: readonly string[];
}

/** The streams and the environment that a command works with. */
export interface CommandIo {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream;
  /** Errors, and the progress of an import, which is written to a terminal only. */
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A command of `npx nestjs-fast-litellm`: a file in `commands/` exports one, and `cli.ts` lists it.
 */
export interface Command {
  /** Operands that may follow the options: `[files…]`. Without it, operands are an error. */
  readonly operands?: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  /** Sentences below the options in the help. */
  readonly notes?: readonly string[];
  /** Returns the arguments in the spelling of `options`. Default: as given. */
  readonly spell?: (args: readonly string[]) => string[];
  /**
   * Runs the command.
   * @returns the exit code: 0, or 1 for a finding (an exceeded limit, a fault)
   * @throws UsageError for invalid arguments
   */
  run(given: GivenArguments, io: CommandIo): Promise<number>;
}

/** The arguments are invalid: shown without a stack, with exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** A command cannot continue: shown without a stack, with exit code 1. */
export class CommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
  }
}

/** The value of an option that takes one text. @throws UsageError for an empty one */
export function textOption(options: GivenOptions, name: string): string | undefined {
  const value = options[name];
  if (value === '') throw new UsageError(`--${name}: must be a non-empty string, got ''`);
  return typeof value === 'string' ? value : undefined;
}

/** All values of an option that may be given several times. */
export function textOptions(options: GivenOptions, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

/** Whether an option without a value was given. */
export function isGiven(options: GivenOptions, name: string): boolean {
  return options[name] === true;
}

/** The value of an option as an integer from `least` on. @throws UsageError */
export function integerOption(options: GivenOptions, name: string, least = 0): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= least) return value;
  throw new UsageError(`--${name}: must be an integer of at least ${least}, got '${text}'`);
}
