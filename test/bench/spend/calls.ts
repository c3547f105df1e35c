import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallRecord } from '../../../lib/index.js';
import type { SpendLog } from '../../../lib/spend/spend-log.js';
import type { SpendLogOptions } from '../../../lib/spend/spend-log.options.js';
import { compiled, ROOT } from '../monitor/ours.js';
import type { Task } from '../harness/measure.js';

const MODEL_LIST = [
  {
    model_name: 'group',
    litellm_params: { model: 'openai/gpt-4o', api_base: 'http://127.0.0.1:9/v1', api_key: 'sk-bench' },
    model_info: { id: 'd1' },
  },
];
const USAGE = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150, prompt_tokens_details: { cached_tokens: 40 } };
const HEADERS = {
  authorization: 'Bearer x',
  'user-agent': 'tool/1',
  'content-type': 'application/json',
  accept: '*/*',
  'x-request-id': 'abc',
};
const PRINCIPAL = {
  limitKey: 'key:k1',
  keyId: 'k1',
  alias: 'bench',
  team: 'red',
  user: 'ann',
  tags: [],
  metadata: {},
  isAdmin: false,
  mayCall: () => true,
};
const silent = { log: () => {}, warn: () => {}, error: () => {} };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Calls between two pauses, and their length: the log writes a batch of 1,000 rows each 100 ms. */
const CALLS_AT_ONCE = 1_000;
const PAUSE_MS = 105;

/** Calls whose provider answers at once: alone, with their records, with the spend log. */
export function openTasks(): { readonly tasks: readonly Task[]; close(): Promise<void> } {
  const { FastLiteLLM, setPrincipal } = compiled();
  const llm = new FastLiteLLM({ router: { modelList: MODEL_LIST }, logger: silent }, { env: {} });
  const { SpendLog: Log } = require(join(ROOT, 'dist/lib/spend/spend-log.js')) as { readonly SpendLog: typeof SpendLog };
  const { resolveSpendLogOptions } = require(join(ROOT, 'dist/lib/spend/spend-log.options.js')) as {
    resolveSpendLogOptions(options: SpendLogOptions): ConstructorParameters<typeof SpendLog>[0];
  };
  let bytes = 0;
  const spend = {
    // What a driver does before it sends.
    write: (rows: readonly string[] | Buffer) => {
      bytes += Buffer.from(Buffer.isBuffer(rows) ? rows : `[${rows.join(',')}]`).length;
      return Promise.resolve(0);
    },
    isRejection: () => false,
    createMonths: () => Promise.resolve(),
    dropBefore: () => Promise.resolve([]),
    deleteOf: () => Promise.resolve(0),
    countOf: () => Promise.resolve(0),
  };
  const log = new Log(resolveSpendLogOptions({ store: { spend, close: () => Promise.resolve() } }), silent);
  const answer = Promise.resolve({ usage: USAGE });
  const task = (name: string, listener?: (record: CallRecord) => void): Task => ({
    name,
    async run(times) {
      const stop = listener && llm.client.onRecord(listener);
      for (let i = 1; i <= times; i++) {
        const request = { ip: '203.0.113.7', headers: { ...HEADERS } };
        setPrincipal(request, PRINCIPAL);
        await llm.client.execute('group', () => answer, { request });
        if (i % 50 === 0) await turn();
        if (i % CALLS_AT_ONCE === 0) await sleep(PAUSE_MS);
      }
      stop?.();
    },
  });
  return {
    tasks: [task('alone'), task('with records', () => {}), task('with the spend log', (record) => log.add(record))],
    close: async () => {
      await log.close();
      await llm.close();
      if (bytes === 0) throw new Error('the spend log wrote nothing');
      const { dropped } = log.health() as { readonly dropped?: unknown };
      if (dropped !== 0) throw new Error(`the spend log dropped ${String(dropped)} calls, which cost less than others`);
    },
  };
}
