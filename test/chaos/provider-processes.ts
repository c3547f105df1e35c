import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ProviderBehaviour } from '../support/local-provider/provider-behaviour.js';
import type { ProviderFacts, ProviderMessage } from '../support/local-provider/provider.process.js';

const root = join(__dirname, '..', '..');

/** A local provider in its own process, which can be stopped, killed and restarted on its port. */
export class ProviderProcess {
  port = 0;
  private child: ChildProcess | undefined;
  private isStopped = false;

  constructor(readonly name: string) {}

  get apiBase(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  async start(behaviour: Partial<ProviderBehaviour> = {}): Promise<void> {
    const program = [
      join(root, 'test/support/local-provider/provider.process.ts'),
      this.name,
      String(this.port),
      JSON.stringify(behaviour),
    ];
    const child = spawn(process.execPath, ['--require', join(root, 'test/support/typescript-hook.js'), ...program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child = child;
    this.isStopped = false;
    const [message] = (await once(child, 'message')) as [ProviderMessage];
    if ('listening' in message) this.port = message.listening;
  }

  /** Changes how it answers; what it has seen so far. */
  async behave(behaviour: Partial<ProviderBehaviour>): Promise<ProviderFacts> {
    const { child } = this;
    if (child === undefined) throw new Error(`${this.name} does not run`);
    child.send({ behave: behaviour } satisfies ProviderMessage);
    const [message] = (await once(child, 'message')) as [ProviderMessage];
    return 'facts' in message ? message.facts : { requests: 0, abandoned: 0, inFlight: 0, connections: 0 };
  }

  /** Stops the process (SIGSTOP): its sockets stay open without answers. */
  freeze(): void {
    this.isStopped = true;
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.isStopped = false;
    this.child?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    if (this.isStopped) child.kill('SIGCONT');
    await gone;
  }
}
