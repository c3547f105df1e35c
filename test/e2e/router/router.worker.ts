// A worker thread that sends requests through a router which it shares with others.
import { parentPort, workerData } from 'node:worker_threads';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import { NativeRouterEngine } from '../../../lib/router/engine/native.js';
import type { RoutingContext, RoutedSelection } from '../../../lib/router/routing-context.js';
import { deployment, routerOn } from '../../support/router-engines.js';

/** Passed to a worker as `workerData`. */
export interface WorkerTask {
  readonly name: string;
  readonly strategy: string;
  readonly deployments: number;
  readonly turns: number;
  /** Requests that are in flight at the end. */
  readonly keeps: number;
  /** Whether it goes on until it is stopped from outside. */
  readonly endless: boolean;
  readonly params?: Readonly<Record<string, unknown>>;
  /** The barrier of the threads: its size, the requests in flight, and their maximum. */
  readonly meeting: SharedArrayBuffer;
  readonly threads: number;
  /** Time of the routers' clock in milliseconds, which stands still: outcomes are counted by the minute. */
  readonly nowMs: number;
}

const task = workerData as WorkerTask;
const { binding } = openNativeBinding();
if (binding === null) throw new Error('this needs the addon');
const { router } = routerOn(
  new NativeRouterEngine(binding),
  {
    strategy: task.strategy,
    sharedAs: task.name,
    maxDeployments: 64,
    modelList: Array.from({ length: task.deployments }, (_, at) => deployment(`d${at}`, task.params)),
  },
  { now: () => task.nowMs },
);

const flags = new Int32Array(task.meeting);
Atomics.add(flags, 0, 1);
Atomics.notify(flags, 0);
for (let there = Atomics.load(flags, 0); there < task.threads; there = Atomics.load(flags, 0)) Atomics.wait(flags, 0, there);

const context: RoutingContext = { inputTokens: 1 };
const open: RoutedSelection[] = [];
let refused = 0;
let most = 0;
const send = (turn: number): void => {
  try {
    open.push(router.acquire('gpt-4', context));
    most = Math.max(most, Atomics.add(flags, 1, 1) + 1);
  } catch {
    refused++;
  }
  if (open.length <= turn % 5) return;
  const pick = open.shift() as RoutedSelection;
  Atomics.sub(flags, 1, 1);
  router.succeeded(pick, { latencyMs: turn % 7, promptTokens: 1, completionTokens: 1 });
};

if (task.endless) {
  parentPort?.postMessage('running');
  for (let turn = 0; ; turn++) send(turn);
}
for (let turn = 0; turn < task.turns; turn++) send(turn);
while (open.length > task.keeps) {
  Atomics.sub(flags, 1, 1);
  router.succeeded(open.shift() as RoutedSelection, { latencyMs: 1 });
}
const inFlight = router.status().map((state) => state.inFlight);
parentPort?.postMessage({ refused, most, requests: task.turns - refused, inFlight });
