// A worker thread that uses a router and a pool in shared memory until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { BareConnection, BareEndpoint } from '../../../lib/connection-pool/engine/self-test.js';
import { NativeConnectionPoolEngine } from '../../../lib/connection-pool/engine/native.js';
import { ConnectionTable } from '../../../lib/connection-pool/pool/connection-table.js';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import { NativeRouterEngine } from '../../../lib/router/engine/native.js';
import type { RoutedSelection } from '../../../lib/router/routing-context.js';
import { deployment, routerOn } from '../../support/router-engines.js';

/** What the threads share. */
export interface SharedCounts {
  readonly name: string;
  readonly deployments: number;
  readonly maxConnections: number;
}

const { name, deployments, maxConnections } = workerData as SharedCounts;
const { binding } = openNativeBinding();
if (binding === null) throw new Error('this needs the addon');
const modelList = Array.from({ length: deployments }, (_, at) => deployment(`d${at}`, { max_parallel_requests: 4 }));
const options = { strategy: 'least_busy', sharedAs: name, maxDeployments: 64, modelList };
const { router } = routerOn(new NativeRouterEngine(binding), options, { now: Date.now });

const limits = { maxConnections, maxConnectionsPerEndpoint: maxConnections - 2, maxIdleMs: 1_000 };
const table = new ConnectionTable<BareConnection>(new NativeConnectionPoolEngine(binding).join(name, maxConnections), limits);
const endpoints = [0, 1, 2].map((number) => new BareEndpoint(`http://${number}`));

const picks: RoutedSelection[] = [];
const connections: BareConnection[] = [];

function request(turn: number): void {
  try {
    picks.push(router.acquire('gpt-4'));
  } catch {
    // The others have all of them.
  }
  if (picks.length > turn % 4) router.succeeded(picks.shift() as RoutedSelection, { latencyMs: 1 });
}

function connect(turn: number): void {
  const endpoint = endpoints[turn % endpoints.length];
  table.countWaiting(1);
  const { idle } = endpoint;
  let id = 0;
  if (idle === undefined) id = table.open(endpoint, (given) => new BareConnection(endpoint, given, Infinity));
  else if (table.isOver(idle, turn)) table.remove(idle);
  else id = table.lease(endpoint, idle);
  table.countWaiting(-1);
  if (id > 0) connections.push(table.leased(id));
  if (connections.length <= turn % 5) return;
  const oldest = connections.shift() as BareConnection;
  if (turn % 3 === 0) table.giveBack(oldest, turn);
  else table.remove(oldest);
}

parentPort?.postMessage('counting');
for (let turn = 1; ; turn++) {
  request(turn);
  connect(turn);
}
