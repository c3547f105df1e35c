import { parentPort, workerData } from 'node:worker_threads';
import { TestPools } from '../../support/connection-pool-engines.js';
import type { ConnectionPoolOptions } from '../../../lib/connection-pool/connection-pool.options.js';

/** What a thread is to do with its pool. */
export type WorkerTask =
  | { readonly task: 'grab'; readonly origin: string }
  | { readonly task: 'return' }
  | { readonly task: 'use'; readonly origin: string; readonly times: number }
  | { readonly task: 'stats' }
  | { readonly task: 'drain' };

const pool = new TestPools('native').open(workerData as ConnectionPoolOptions);
const ids: number[] = [];

async function perform(message: WorkerTask): Promise<unknown> {
  switch (message.task) {
    case 'grab':
      for (let id = pool.getConnection(message.origin); id !== null; id = pool.getConnection(message.origin)) ids.push(id);
      return ids.length;
    case 'return':
      for (const id of ids.splice(0)) pool.returnConnection(id);
      return pool.stats();
    case 'use': {
      const use = async (): Promise<string> =>
        pool.use(message.origin, async (connection) => (await connection.request({ path: '/' })).body.text());
      return (await Promise.all(Array.from({ length: message.times }, use))).length;
    }
    case 'stats':
      return pool.stats();
    case 'drain':
      await pool.drain();
      return true;
  }
}

parentPort!.on('message', (message: WorkerTask) => {
  void perform(message).then(
    (answer) => parentPort!.postMessage({ answer }),
    (error: Error) => parentPort!.postMessage({ error: error.stack }),
  );
});
