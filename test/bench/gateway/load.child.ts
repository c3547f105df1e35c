// The load, in a process of its own. Each message is a job; the answer says how it went.
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { median } from '../harness/measure.js';
import { messagesOf, type BodyKind } from './bodies.js';

/** A kind of load. */
export interface GatewayLoad extends BodyKind {
  readonly connections: number;
  readonly requests: number;
  /** Chunks of a stream; 0: no stream. */
  readonly chunks: number;
  /** Between two chunks of a stream, in ms. Default 10. 0: as fast as they are taken. */
  readonly gapMs?: number;
  /** Least length of a whole answer. */
  readonly answerBytes?: number;
  /** Callers with an API key of their own, in rotation. Default: no key. */
  readonly callers?: number;
}

/** What is to be sent where. */
export interface LoadJob extends GatewayLoad {
  /** Several origins, separated by commas, are used in rotation. */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** How it went. Times in microseconds. */
export interface LoadResult {
  readonly wallMs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Delay of streamed chunks from provider to client: of first chunks, and of all. */
  readonly firstP99Us: number;
  readonly firstP50Us: number;
  readonly chunkP50Us: number;
  readonly chunkP99Us: number;
  readonly chunks: number;
}

async function run({ origin, connections, requests, headers, ...load }: LoadJob): Promise<LoadResult> {
  const { chunks, gapMs = 10, answerBytes, callers } = load;
  const origins = origin.split(',');
  const pools = origins.map((each) => new Pool(each, { connections: Math.ceil(connections / origins.length) }));
  const asked = chunks > 0 ? { stream: true, max_tokens: chunks, user: `gap=${gapMs}` } : { max_tokens: 100 };
  const shared = { model: 'gpt-4o', ...asked, ...(answerBytes !== undefined && { user: `answer=${answerBytes}` }) };
  const latencies: number[] = [];
  const firsts: number[] = [];
  const rest: number[] = [];
  let seen = 0;
  let left = requests;
  let sent = 0;
  const one = (body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const options: Dispatcher.DispatchOptions = {
        path: '/v1/chat/completions',
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(callers !== undefined && { authorization: `Bearer caller-${sent % callers}` }),
          ...headers,
        },
        body,
      };
      const start = process.hrtime.bigint();
      let status = 0;
      let events = 0;
      let cut = '';
      pools[sent++ % pools.length].dispatch(options, {
        onConnect() {},
        onHeaders(code: number) {
          status = code;
          return true;
        },
        onData(data: Buffer) {
          if (chunks > 0) {
            const now = process.hrtime.bigint();
            const text = cut + data.toString('latin1');
            const end = text.lastIndexOf('\n') + 1;
            cut = text.slice(end);
            for (const [, at] of text.slice(0, end).matchAll(/"content":"(\d+) "/g)) {
              (events++ === 0 ? firsts : rest).push(Number(now - BigInt(at)) / 1000);
            }
          }
          return true;
        },
        onComplete() {
          if (status !== 200 || events !== chunks) reject(new Error(`answered ${status} with ${events} chunks`));
          seen += events;
          latencies.push(Number(process.hrtime.bigint() - start) / 1000);
          resolve();
        },
        onError: reject,
      });
    });
  const worker = async (): Promise<void> => {
    const messages = messagesOf(load);
    const fixed = load.bytes === undefined ? JSON.stringify({ ...shared, messages: messages() }) : undefined;
    while (left-- > 0) await one(fixed ?? JSON.stringify({ ...shared, messages: messages() }));
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: connections }, worker));
  const wallMs = performance.now() - start;
  await Promise.all(pools.map((pool) => pool.close()));
  const at = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;
  return {
    wallMs,
    p50Us: median(latencies),
    p99Us: at(latencies, 0.99),
    firstP99Us: at(firsts, 0.99),
    firstP50Us: at(firsts, 0.5),
    chunkP50Us: at(rest, 0.5),
    chunkP99Us: at(rest, 0.99),
    chunks: seen,
  };
}

process.on('message', (job: LoadJob) => {
  run(job).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
