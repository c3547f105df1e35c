import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isWhole, usuallyOrLong } from '../../support/long.js';
import { hasPostgresBinaries, PostgresCluster } from '../../support/postgres-cluster.js';
import { hasPostgres } from '../../support/postgres.js';
import { TcpSwitch } from '../../support/tcp-switch.js';
import { until } from '../../support/until.js';

const CALLS = usuallyOrLong(600, 20_000);
const STOP_MS = usuallyOrLong(5_000, 20_000);
const KILL_EVERY_MS = isWhole ? 5_000 : 1_500;
const PROCESSES = 3;
const IN_FLIGHT = 6;
/** For this long, the address leads to a replica that is not yet promoted. */
const READ_ONLY_MS = 1_000;
/** What a process that is killed may lose: `flushMs`, a statement that hangs, and a busy machine. */
const LAST_BATCH_MS = 2_000;

/** A provider that keeps books: what it has billed for each call, in nano-USD. */
class Bookkeeper {
  readonly billed = new Map<string, { tokens: number; nano: number }>();
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      let text = '';
      request.on('data', (part: Buffer) => (text += part.toString()));
      request.on('end', () => this.answer(JSON.parse(text) as { user: string; stream?: boolean }, response));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private answer({ user, stream }: { user: string; stream?: boolean }, response: ServerResponse): void {
    const number = Number(user);
    if (number % 17 === 0 && Math.random() < 0.5) {
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"try again"}}');
      return;
    }
    const [prompt, cached, completion] = [100 + (number % 900), number % 90, 1 + (number % 400)];
    const nano = (prompt - cached) * 1_000 + cached * 500 + completion * 2_000;
    const before = this.billed.get(user) ?? { tokens: 0, nano: 0 };
    this.billed.set(user, { tokens: before.tokens + prompt + completion, nano: before.nano + nano });
    const usage = {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      prompt_tokens_details: { cached_tokens: cached },
    };
    const head = { id: `chatcmpl-${user}`, created: 1, model: 'gpt-4o' };
    response.writeHead(200, { 'content-type': stream === true ? 'text/event-stream' : 'application/json' });
    if (stream !== true) {
      const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }];
      response.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }));
      return;
    }
    const chunk = (more: object): void =>
      void response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...more })}\n\n`);
    chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null }] });
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    chunk({ choices: [], usage });
    response.end('data: [DONE]\n\n');
  }
}

/** A process with a spend log. */
class Caller {
  killedAtMs: number | undefined = undefined;
  /** When each call was given to it, and when it was over. */
  readonly calls = new Map<string, { overAtMs: number | undefined }>();
  private readonly child: ChildProcess;
  private readonly ready: Promise<unknown>;
  private readonly exited: Promise<unknown>;

  constructor(args: readonly string[]) {
    const hook = join(__dirname, '../../support/typescript-hook.js');
    this.child = spawn(process.execPath, ['--require', hook, join(__dirname, 'invoice.child.ts'), ...args], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.exited = once(this.child, 'exit');
    const lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream });
    this.ready = new Promise<void>((resolve) =>
      lines.on('line', (line) => {
        if (line === 'ready') resolve();
        else (this.calls.get(line) as { overAtMs: number | undefined }).overAtMs = Date.now();
      }),
    );
  }

  async start(): Promise<this> {
    await this.ready;
    return this;
  }

  get inFlight(): number {
    return [...this.calls.values()].filter(({ overAtMs }) => overAtMs === undefined).length;
  }

  call(number: string): void {
    this.calls.set(number, { overAtMs: undefined });
    this.child.stdin?.write(`${number}\n`);
  }

  async kill(): Promise<void> {
    this.killedAtMs = Date.now();
    this.child.kill('SIGKILL');
    await this.exited;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.exited;
  }

  /** Whether a call may be missing from the log. */
  mayLose(number: string): boolean {
    const overAtMs = this.calls.get(number)?.overAtMs;
    return this.killedAtMs !== undefined && (overAtMs === undefined || overAtMs > this.killedAtMs - LAST_BATCH_MS);
  }
}

(hasPostgres && hasPostgresBinaries ? describe : describe.skip)('the invoice', () => {
  it(
    'is the sum of what the provider has billed, although processes are killed and the database stops and fails over',
    async () => {
      const primary = await PostgresCluster.start();
      const replica = await primary.startReplica();
      const address = await TcpSwitch.listen(primary.port);
      const provider = new Bookkeeper();
      const folder = mkdtempSync(join(tmpdir(), 'invoice-'));
      const url = `postgres://postgres@127.0.0.1:${address.port}/postgres`;
      const args = [url, await provider.start(), join(folder, 'spend')];
      const all: Caller[] = [];
      const open = async (): Promise<Caller> => {
        const caller = new Caller(args);
        all.push(caller);
        return caller.start();
      };
      try {
        const running = await Promise.all(Array.from({ length: PROCESSES }, open));
        let isDone = false;
        let kills = 0;
        const killing = (async () => {
          while (!isDone) {
            await sleep(KILL_EVERY_MS);
            if (isDone && kills > 0) return;
            const at = kills++ % PROCESSES;
            const victim = running[at];
            await victim.kill();
            running[at] = await open();
          }
        })();
        let started = 0;
        /** Calls that started before the replica accepted writes. */
        let beforeFailover = 0;
        const failingOver = (async () => {
          await sleep(KILL_EVERY_MS / 2);
          await primary.stop();
          await sleep(STOP_MS);
          await primary.start();
          await until(() => primary.hasReplica());
          await sleep(KILL_EVERY_MS / 2);
          await primary.kill();
          address.switchTo(replica.port);
          await sleep(READ_ONLY_MS);
          await replica.promote();
          beforeFailover = started;
        })();
        for (let number = 1; number <= CALLS; number++) {
          let caller: Caller | undefined;
          await until(() => (caller = running.find((each) => each.killedAtMs === undefined && each.inFlight < IN_FLIGHT)) !== undefined);
          (caller as Caller).call(String(number));
          started = number;
          // As long as it takes for the stops and kills to happen meanwhile.
          if (number % 10 === 0) await sleep(((STOP_MS + KILL_EVERY_MS * 4) * 10) / CALLS);
        }
        isDone = true;
        await Promise.all([killing, failingOver]);
        expect(beforeFailover).toBeGreaterThan(0);
        expect(beforeFailover).toBeLessThan(CALLS);
        await until(() => running.every(({ inFlight }) => inFlight === 0));
        await Promise.all(running.map((caller) => caller.stop()));
        // The next process writes what others have left.
        const last = await open();
        await until(() => readdirSync(folder).length === 0);
        await last.stop();

        const rows = await replica.query(
          'SELECT end_user, status, prompt_tokens + completion_tokens AS tokens, nano_usd FROM fast_litellm.calls',
        );
        const numbers = new Set(rows.map(({ end_user }) => String(end_user)));
        expect(numbers.size).toBe(rows.length);
        const missing = Array.from({ length: CALLS }, (_, at) => String(at + 1)).filter((number) => !numbers.has(number));
        const lost = new Set(all.flatMap((caller) => [...caller.calls.keys()].filter((number) => caller.mayLose(number))));
        expect(missing.filter((number) => !lost.has(number))).toEqual([]);
        expect(kills).toBeGreaterThan(0);
        const wrong = rows.filter(({ end_user, tokens, nano_usd }) => {
          const { tokens: billedTokens, nano } = provider.billed.get(String(end_user)) ?? { tokens: 0, nano: 0 };
          return Number(tokens) !== billedTokens || Number(nano_usd ?? 0) !== nano;
        });
        expect(wrong).toEqual([]);
        const nanoOf = async (sql: string): Promise<number> => Number((await replica.query(sql))[0].nano);
        const billed = [...numbers].reduce((sum, number) => sum + (provider.billed.get(number)?.nano ?? 0), 0);
        expect(await nanoOf('SELECT sum(nano_usd) AS nano FROM fast_litellm.calls')).toBe(billed);
        expect(await nanoOf('SELECT sum(nano_usd) AS nano FROM fast_litellm.call_attempts')).toBe(billed);
        for (const dimension of ['all', 'model', 'end_user'])
          expect(await nanoOf(`SELECT sum(nano_usd) AS nano FROM fast_litellm.daily_spend WHERE dimension = '${dimension}'`)).toBe(billed);
        const [{ requests }] = await replica.query(
          `SELECT sum(requests) AS requests FROM fast_litellm.daily_spend WHERE dimension = 'all'`,
        );
        expect(Number(requests)).toBe(rows.length);
      } finally {
        await Promise.all(all.map((caller) => caller.kill()));
        provider.stop();
        address.close();
        await Promise.all([primary.remove(), replica.remove()]);
        rmSync(folder, { recursive: true, force: true });
      }
    },
    isWhole ? 600_000 : 120_000,
  );
});
