import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';
import { choosing, routerOver, serving, standalone, STANDALONE, type EngineMode } from './ours.js';
import type { TargetsNs } from './report.js';
import { aliasTable, copying, filtering, scanning, type Peer } from './peers.js';

const STRATEGIES = ['simple_shuffle', 'least_busy', 'latency_based', 'usage_based', 'cost_based'];
const CHOICE_TARGETS: TargetsNs = [150, 150, 150];
/** The TypeScript engine also answers for large groups while the addon is missing: no more than that is asked of it. */
const SERVED_TARGETS: Readonly<Record<EngineMode, TargetsNs>> = { native: [300, 1_000, 8_000], typescript: [300, 1_000, 12_000] };
const STANDALONE_TARGETS: TargetsNs = [200, 200, 200];

/** A row of the bench: what it is called, what is aimed at, and how it is made over a list. */
export interface Chooser {
  readonly name: string;
  readonly ours: boolean;
  readonly targetsNs?: TargetsNs;
  readonly make: (list: readonly ModelListEntry[]) => Peer;
}

/** All rows, in the order of the table. */
export function choosers(engines: readonly EngineMode[]): Chooser[] {
  const [first] = STRATEGIES;
  const ours = (name: string, targetsNs: TargetsNs | undefined, make: Chooser['make']): Chooser => ({ name, ours: true, targetsNs, make });
  const served = (strategy: string, engine: EngineMode): Chooser => {
    const name = `${strategy}, served (${engine})`;
    return ours(name, SERVED_TARGETS[engine], (list) => serving(name, routerOver(list, strategy, engine)));
  };
  const chosen = `${first}, chosen`;
  const shared = 'least_busy, served (native, shared)';
  return [
    ...[filtering, copying, scanning, aliasTable].map((make) => ({ name: make([]).name, ours: false, make })),
    ours(STANDALONE, STANDALONE_TARGETS, standalone),
    ...engines.flatMap((engine) => [
      ours(`${chosen} (${engine})`, CHOICE_TARGETS, (list) => choosing(`${chosen} (${engine})`, routerOver(list, first, engine))),
      ...STRATEGIES.map((strategy) => served(strategy, engine)),
    ]),
    ...(engines.includes('native')
      ? [ours(shared, undefined, (list) => serving(shared, routerOver(list, 'least_busy', 'native', `bench-${list.length}`)))]
      : []),
  ];
}
