import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../../project/sources.js';

/** The sample app as a process of its own, from its sources. */
export class SampleProcess {
  /** All that it has printed. */
  output = '';
  url = '';
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  private readonly child: ChildProcess;

  private constructor(env: Readonly<Record<string, string>>) {
    const args = ['--require', join(root, 'test/support/typescript-hook.js'), join(root, 'sample-app/main.ts')];
    this.child = spawn(process.execPath, args, {
      env: { ...process.env, NO_COLOR: '1', PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve(code ?? signal)));
  }

  /** When it listens. @throws with what it has said, where it ends before that. */
  static async start(env: Readonly<Record<string, string>> = {}): Promise<SampleProcess> {
    const started = new SampleProcess(env);
    await new Promise<void>((resolve, reject) => {
      const hear = (data: Buffer): void => {
        started.output += data.toString();
        const [, url] = /^ {2}(http:\S+)\/dashboard/m.exec(started.output) ?? [];
        if (url === undefined) return;
        started.url = url;
        resolve();
      };
      started.child.stdout?.on('data', hear);
      started.child.stderr?.on('data', hear);
      void started.ended.then((code) => reject(new Error(`ended with ${code}: ${started.output}`)));
    });
    return started;
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
