import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../../project/sources.js';
import { until } from '../../support/until.js';

const STARTS_WITHIN_MS = 60_000;

/** A gateway in a process of its own, and all that it has printed. */
export class GatewayProcess {
  output = '';
  private readonly process: ChildProcess;
  private readonly ended: Promise<unknown>;

  private constructor(program: string, task: object) {
    const args = ['--require', join(root, 'test/support/typescript-hook.js'), join(__dirname, program), JSON.stringify(task)];
    this.process = spawn(process.execPath, args, { stdio: 'pipe' });
    for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', (data: Buffer) => (this.output += String(data)));
    this.ended = new Promise((resolve) => this.process.once('close', resolve));
  }

  /**
   * Resolves once it listens.
   * @param program a file of this folder, which gets the task as JSON
   */
  static async start(task: object, program = 'gateway.child.ts'): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(program, task);
    await until(() => {
      if (gateway.process.exitCode !== null) throw new Error(`the gateway ended: ${gateway.output}`);
      return gateway.port !== undefined;
    }, STARTS_WITHIN_MS);
    return gateway;
  }

  get port(): string | undefined {
    return /port:(\d+)/.exec(this.output)?.[1];
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async ask(path: string, key: string, body?: object, signal?: AbortSignal): Promise<Response> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    return fetch(this.url + path, { headers, signal, ...init });
  }

  /** The parsed answer of a request that succeeds. */
  async json<T>(path: string, key: string, body?: object): Promise<T> {
    const answer = await this.ask(path, key, body);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** What it has spent without Redis, and Redis has not counted. */
  async unmergedUsd(): Promise<number> {
    const answers = (): string[] => this.output.match(/unmerged:[\d.e-]+\n/g) ?? [];
    const before = answers().length;
    this.process.stdin?.write('?');
    await until(() => answers().length > before, STARTS_WITHIN_MS);
    return Number(answers().at(-1)?.slice('unmerged:'.length));
  }

  /** At once, without a word to anyone. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  /** Resolves when it has closed itself. */
  async end(): Promise<void> {
    this.process.stdin?.end();
    const deadline = setTimeout(() => this.process.kill('SIGKILL'), 20_000);
    await this.ended;
    clearTimeout(deadline);
  }
}
