// A worker thread that counts in what threads share, a router's requests and a pool's connections, until it is ended from outside.
import { parentPort, workerData } from 'node:worker_threads';
import { NativeConnectionPoolEngine } from '../lib/connection-pool/connection-pool.native.js';
import { SlotTable, type EndpointSlots } from '../lib/connection-pool/connection-pool.slots.js';
import { openNativeBinding } from '../lib/engine/native-binding.js';
import { NativeRouterEngine } from '../lib/router/router.native.js';
import type { Pick } from '../lib/router/routing-context.js';
import { deployment, routerOn } from './router-engines.js';

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

const limits = { maxConnections, maxConnectionsPerEndpoint: maxConnections - 2, maxIdleMs: 1_000, maxAgeMs: Infinity };
const table = new SlotTable(new NativeConnectionPoolEngine(binding).join(name, maxConnections), limits);
const endpoints = [0, 1, 2].map((number): EndpointSlots => {
  const endpoint = { origin: `http://${number}`, number: -1, idle: -1, connections: 0, place: -1 };
  table.add(endpoint);
  return endpoint;
});

const picks: Pick[] = [];
const connections: number[] = [];

function request(turn: number): void {
  try {
    picks.push(router.acquire('gpt-4'));
  } catch {
    // The others have all of them.
  }
  if (picks.length > turn % 4) router.succeeded(picks.shift() as Pick, { latencyMs: 1 });
}

function connect(turn: number): void {
  const endpoint = endpoints[turn % endpoints.length];
  table.countWaiting(1);
  const id = table.lease(endpoint, turn) || table.open(endpoint, turn);
  table.countWaiting(-1);
  if (id > 0) connections.push(id);
  else if (id < -1) table.remove(-id);
  if (connections.length <= turn % 5) return;
  const oldest = connections.shift() as number;
  if (turn % 3 === 0) table.giveBack(oldest, turn);
  else table.remove(oldest);
}

parentPort?.postMessage('counting');
for (let turn = 1; ; turn++) {
  request(turn);
  connect(turn);
}
