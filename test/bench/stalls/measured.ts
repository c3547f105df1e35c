import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { request } from 'undici';
import { BODIES, bodyNamed, isSeed, type StallingBody } from './bodies.js';
import { keyAt, OVER_LIMIT_KEY } from './bench-keys.js';
import type { Gap } from './gateway.child.js';

const MIB = 2 ** 20;
export const ENGINES = ['native', 'typescript'] as const;
type Engine = (typeof ENGINES)[number];

/** Random bodies in each round. */
const SEARCHED = 40;

/** What one body did. */
export interface StallRow {
  readonly body: string;
  readonly mib: number;
  readonly parseMs: number;
  readonly gapMs: Readonly<Record<Engine, number>>;
  readonly status: Readonly<Record<Engine, number>>;
  readonly before: string;
}

/** A client that is over its limits. */
export interface OverLimitRow {
  readonly body: string;
  readonly mib: number;
  readonly gapMs: Readonly<Record<Engine, number>>;
  readonly status: Readonly<Record<Engine, number>>;
}

/** The gateway with an engine, or a process that parses. */
class Measured {
  private constructor(
    private readonly child: ChildProcess,
    private readonly url: string,
  ) {}

  static async start(kind: Engine | 'parse', keys: number): Promise<Measured> {
    const env = {
      ...process.env,
      FAST_LITELLM_ENGINE: kind,
      PORT: '0',
      HOST: '127.0.0.1',
      LITELLM_CONFIG: '',
      LITELLM_MASTER_KEY: 'sk-bench',
    };
    const file = join(__dirname, 'gateway.child.js');
    const child = fork(file, [kind, String(keys)], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    return new Measured(child, url);
  }

  async parseMs(name: string, bytes: number): Promise<number> {
    const [{ parseMs }] = await this.ask<{ parseMs: number }>({ name, bytes });
    return parseMs;
  }

  async send(
    body: string,
    key: string,
    { path = '/v1/chat/completions', contentType = 'application/json' }: Partial<StallingBody> = {},
  ): Promise<{ status: number; gapMs: number }> {
    await this.ask<Gap>('gap');
    const headers = { 'content-type': contentType, authorization: `Bearer ${key}` };
    const status = await request(`${this.url}${path}`, { method: 'POST', headers, body, reset: true, headersTimeout: 0 }).then(
      async ({ statusCode, body: answer }) => {
        await answer.dump();
        return statusCode;
      },
      // A connection that was closed before the whole body was sent.
      () => 0,
    );
    // What follows the answer counts, too.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [{ gapMs }] = await this.ask<Gap>('gap');
    return { status, gapMs };
  }

  /** Keeps a client over its limits, which fill up again each second. */
  flood(): { end(): void } {
    let isOver = false;
    const post = async (): Promise<void> => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${OVER_LIMIT_KEY}` };
      while (!isOver) {
        const asked = request(`${this.url}/v1/chat/completions`, { method: 'POST', headers, body: '{}' });
        await asked.then(({ body }) => body.dump()).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    void post();
    void post();
    return { end: () => (isOver = true) };
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }

  private async ask<T>(question: object | string): Promise<[T]> {
    this.child.send(question);
    return (await once(this.child, 'message')) as [T];
  }
}

/** Each body in each size, sent with a key of its own. */
export async function measureStalls(
  sizes: readonly number[],
  only: readonly string[],
  rounds: number,
  say: (line: string) => void,
): Promise<{ rows: StallRow[]; overLimit: OverLimitRow[] }> {
  const listed = BODIES.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
  // Other ones in each run: a row names the seed that repeats it.
  const first = Math.floor(Math.random() * 2 ** 31);
  const seeds = only.length === 0 ? Array.from({ length: SEARCHED * rounds }, (_, index) => `seed-${first + index}`) : only.filter(isSeed);
  const searched = seeds.map(bodyNamed);
  const searchedMib = Math.min(8, Math.max(...sizes));
  const bodies = [...listed, ...searched];
  const keys = bodies.length * sizes.length * rounds;
  const [parser, native, typescript] = [
    await Measured.start('parse', 0),
    await Measured.start('native', keys),
    await Measured.start('typescript', keys),
  ];
  const gateways = { native, typescript };
  const rows: StallRow[] = [];
  const overLimit: OverLimitRow[] = [];
  try {
    let key = 0;
    for (const engine of ENGINES) await gateways[engine].send(BODIES[0].make(1000), keyAt(0));
    for (const mib of sizes) {
      for (const each of mib === searchedMib ? bodies : listed) {
        const { name, make, before = '' } = each;
        // Less than what is allowed, with what is around it.
        const bytes = mib * MIB - 8192;
        const body = make(bytes);
        // What the first call of an API loads is no wait for a body.
        for (const engine of ENGINES) await gateways[engine].send(make(64), keyAt(key), each);
        const gapMs = { native: Infinity, typescript: Infinity };
        const status = { native: 0, typescript: 0 };
        let parseMs = Infinity;
        for (let round = 0; round < rounds; round++, key++) {
          parseMs = Math.min(parseMs, await parser.parseMs(name, bytes));
          for (const engine of ENGINES) {
            const sent = await gateways[engine].send(body, keyAt(key), each);
            gapMs[engine] = Math.min(gapMs[engine], sent.gapMs);
            status[engine] = sent.status;
          }
        }
        rows.push({ body: name, mib, parseMs, gapMs, status, before });
        say(
          `${name}, ${mib} MiB: parse ${parseMs.toFixed(0)} ms, native ${gapMs.native.toFixed(0)}, typescript ${gapMs.typescript.toFixed(0)}`,
        );
      }
    }
    const floods = ENGINES.map((engine) => gateways[engine].flood());
    await new Promise((resolve) => setTimeout(resolve, 2000));
    for (const mib of sizes) {
      for (const each of mib === searchedMib ? bodies : listed) {
        const { name, make } = each;
        const body = make(mib * MIB - 8192);
        const gapMs = { native: Infinity, typescript: Infinity };
        const status = { native: 0, typescript: 0 };
        for (let round = 0; round < rounds; round++) {
          for (const engine of ENGINES) {
            let sent = await gateways[engine].send(body, OVER_LIMIT_KEY, each);
            // Between two requests of the flood there was room for it.
            for (let again = 0; again < 20 && sent.status !== 429 && sent.status !== 413; again++)
              sent = await gateways[engine].send(body, OVER_LIMIT_KEY, each);
            gapMs[engine] = Math.min(gapMs[engine], sent.gapMs);
            status[engine] = sent.status;
          }
        }
        overLimit.push({ body: name, mib, gapMs, status });
      }
    }
    for (const flood of floods) flood.end();
    return { rows, overLimit };
  } finally {
    for (const measured of [parser, native, typescript]) measured.stop();
  }
}
