import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../project/sources.js';

/** The program, from its sources. */
export const FROM_SOURCES: readonly string[] = ['--require', join(root, 'test/support/typescript-hook.js'), join(root, 'lib/cli/main.ts')];

/** Variables of this shell that would change what `serve` does. */
const OWN = /^(?:LITELLM_|REDIS_|DATABASE_|FAST_LITELLM_S|POSTGRES_|OPENAI_|NUM_WORKERS|PORT|HOST|NODE_ENV|NODE_OPTIONS)/;

/** `serve` as a process of its own, in an empty folder. */
export class ServeProcess {
  /** All that it has written. */
  output = '';
  url = '';
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  private readonly child: ChildProcess;

  private constructor(args: readonly string[], env: Readonly<Record<string, string>>, program: readonly string[], folder: string) {
    const inherited = Object.entries(process.env).filter(([name]) => !OWN.test(name));
    this.child = spawn(process.execPath, [...program, 'serve', ...args], {
      cwd: folder,
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (data: Buffer) => (this.output += data.toString()));
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve(code ?? signal)));
  }

  /** When it listens. @throws Error with its output if it ends before */
  static async start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    program = FROM_SOURCES,
    folder = mkdtempSync(join(tmpdir(), 'serve-')),
  ): Promise<ServeProcess> {
    const started = new ServeProcess(args.includes('--port') ? args : [...args, '--port', '0'], env, program, folder);
    await started.until(/^ {2}health +(http\S+)\/health/m);
    return started;
  }

  /** Exit code and output of one that does not go on. */
  static async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ code: unknown; output: string }> {
    const started = new ServeProcess(args, env, FROM_SOURCES, mkdtempSync(join(tmpdir(), 'serve-')));
    const code = await started.ended;
    return { code, output: started.output };
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** When its output matches. */
  async until(pattern: RegExp): Promise<void> {
    const ended = this.ended.then((code) => `ended with ${code}`);
    for (;;) {
      const found = pattern.exec(this.output);
      if (found !== null) {
        this.url ||= found[1] ?? '';
        return;
      }
      const end = await Promise.race([ended, new Promise<void>((resolve) => setTimeout(resolve, 20))]);
      if (end !== undefined && !pattern.test(this.output)) throw new Error(`${end}: ${this.output}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** For the end of a test, whatever has come of it. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }
}
