// The load, in a process of its own. Each message is a job; the answer says how it went.
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { median } from '../harness/measure.js';

/** What is to be sent where. */
export interface LoadJob {
  readonly origin: string;
  readonly connections: number;
  readonly requests: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Chunks of a stream; 0: no stream. */
  readonly chunks: number;
}

/** How it went. Times in microseconds. */
export interface LoadResult {
  readonly wallMs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Delay of streamed chunks from provider to client: of first chunks, and of all. */
  readonly firstP99Us: number;
  readonly firstP50Us: number;
  readonly chunkP99Us: number;
  readonly chunks: number;
}

const messages = [
  { role: 'system', content: 'You are a helpful assistant. Answer in one paragraph, without lists, and say what you do not know.' },
  { role: 'user', content: 'Why is the sky blue during the day and red in the evening? Please explain it to a child of ten years.' },
];

async function run({ origin, connections, requests, headers, chunks }: LoadJob): Promise<LoadResult> {
  const pool = new Pool(origin, { connections });
  const body = JSON.stringify({ model: 'gpt-4o', messages, ...(chunks > 0 ? { stream: true, max_tokens: chunks } : { max_tokens: 100 }) });
  const options: Dispatcher.DispatchOptions = {
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  };
  const latencies: number[] = [];
  const firsts: number[] = [];
  const rest: number[] = [];
  let seen = 0;
  let left = requests;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const start = process.hrtime.bigint();
      let status = 0;
      let events = 0;
      pool.dispatch(options, {
        onConnect() {},
        onHeaders(code: number) {
          status = code;
          return true;
        },
        onData(data: Buffer) {
          if (chunks > 0) {
            const now = process.hrtime.bigint();
            for (const [, at] of data.toString('latin1').matchAll(/"content":"(\d+) "/g)) {
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
    while (left-- > 0) await one();
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: connections }, worker));
  const wallMs = performance.now() - start;
  await pool.close();
  const at = (values: number[], share: number): number => values.sort((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;
  return {
    wallMs,
    p50Us: median(latencies),
    p99Us: at(latencies, 0.99),
    firstP99Us: at(firsts, 0.99),
    firstP50Us: at(firsts, 0.5),
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
