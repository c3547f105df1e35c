import { Readable, Writable } from 'node:stream';
import { runCli } from '../../lib/cli/cli.js';

/** What a command wrote, and its exit code. */
export interface CommandRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What a command gets beside its arguments. */
export interface CommandInput {
  /** The standard input. Default: a terminal. */
  readonly input?: string | readonly Uint8Array[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether errors go to a terminal. Default not. */
  readonly isTerminal?: boolean;
}

/** Runs `npx nestjs-fast-litellm` in this process. */
export async function runCommand(args: readonly string[], { input, env = {}, isTerminal = false }: CommandInput = {}): Promise<CommandRun> {
  const written = { out: '', err: '' };
  const stream = (name: 'out' | 'err'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written[name] += chunk.toString();
        done();
      },
    });
  const parts = typeof input === 'string' ? [Buffer.from(input)] : (input ?? []);
  const stdin = Object.assign(Readable.from(parts), { isTTY: input === undefined });
  const stderr = Object.assign(stream('err'), { isTTY: isTerminal, columns: 80 });
  const code = await runCli(args, { stdin, stdout: stream('out'), stderr, env });
  return { code, ...written };
}
