import { median } from '../harness/measure.js';
import { DIRECT, PORTKEY_NAME } from './contenders.js';
import type { GatewayName } from './contenders.js';
import { LoadProcess, startGateway, startProvider } from './processes.js';
import type { Listening, Watched } from './processes.js';
import type { GatewayLoad } from './load.child.js';

/** One gateway under one load: medians over the rounds. */
export interface GatewayRow {
  readonly name: string;
  readonly connections: number;
  /** Of the gateway's process, per request; for streams per chunk. */
  readonly cpuUs: number;
  /** The same of every round, in the order of the rounds. */
  readonly cpuUsByRound: readonly number[];
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of streams: from the provider's writing to the client. */
  readonly firstP50Us: number;
  readonly firstP99Us: number;
  readonly chunkP50Us: number;
  readonly chunkP99Us: number;
  /** Of a round of its own. */
  readonly watched: Watched;
}

type Round = Omit<GatewayRow, 'cpuUsByRound' | 'watched'>;

/**
 * V8 compiles a gateway for about 6,000 requests. Skipped if one round only shows that all works.
 */
const WARM_UP: GatewayLoad = { connections: 32, requests: 20_000, chunks: 0 };
/** Streams use functions of their own, and others that were compiled for whole answers. */
const STREAM_WARM_UP: GatewayLoad = { connections: 32, requests: 3000, chunks: 3 };

/** Measures all gateways alternately, round by round, so that a noisy moment hits all alike. */
export async function measureGateways(
  names: readonly GatewayName[],
  loads: readonly GatewayLoad[],
  rounds: number,
  say: (line: string) => void,
): Promise<Map<GatewayLoad, GatewayRow[]>> {
  const provider = await startProvider();
  const load = new LoadProcess();
  const gateways: Listening[] = [provider];
  try {
    for (const name of names) gateways.push(await startGateway(name, provider));
    const rows = new Map<GatewayLoad, GatewayRow[]>();
    if (rounds > 1) for (const gateway of gateways) await once(gateway, load, WARM_UP);
    for (const gateway of gateways) gateway.warmedUp();
    for (const kind of loads) {
      // Portkey 1.15.2 answers streams with 500: it appends to the immutable headers of a response.
      const able = kind.chunks === 0 ? gateways : gateways.filter(({ name }) => name !== PORTKEY_NAME);
      if (rounds > 1 && kind.chunks > 0) for (const gateway of able) await once(gateway, load, STREAM_WARM_UP);
      rows.set(kind, await underLoad(able, load, kind, rounds, say));
    }
    return rows;
  } finally {
    for (const gateway of gateways) gateway.stop();
    load.stop();
  }
}

async function underLoad(
  gateways: readonly Listening[],
  load: LoadProcess,
  kind: GatewayLoad,
  rounds: number,
  say: (line: string) => void,
): Promise<GatewayRow[]> {
  const taken = new Map(gateways.map(({ name }) => [name, [] as Round[]]));
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < gateways.length; turn++) {
      const gateway = gateways[(turn + round) % gateways.length];
      const row = await once(gateway, load, kind);
      // The first round warms up.
      if (round > 0) taken.get(gateway.name)?.push(row);
    }
  }
  const watched = new Map<string, Watched>();
  for (const gateway of gateways) watched.set(gateway.name, await gateway.watched(() => once(gateway, load, kind)));
  return gateways.map(({ name }) => {
    const each = taken.get(name) ?? [];
    const over = (field: keyof (typeof each)[number]): number => median(each.map((row) => Number(row[field])));
    const row: GatewayRow = {
      name: name === gateways[0].name ? DIRECT : name,
      connections: kind.connections,
      cpuUs: over('cpuUs'),
      cpuUsByRound: each.map(({ cpuUs }) => cpuUs),
      perSecond: over('perSecond'),
      p50Us: over('p50Us'),
      p99Us: over('p99Us'),
      firstP50Us: over('firstP50Us'),
      firstP99Us: over('firstP99Us'),
      chunkP50Us: over('chunkP50Us'),
      chunkP99Us: over('chunkP99Us'),
      watched: watched.get(name) as Watched,
    };
    const what = kind.chunks > 0 ? 'chunk' : 'request';
    say(
      `${row.name}, ${kind.connections} connections${kind.bytes === undefined ? '' : `, ${kind.bytes} bytes`}: ${row.cpuUs.toFixed(1)} us CPU a ${what}, ${row.perSecond.toFixed(0)} a second`,
    );
    return row;
  });
}

async function once(gateway: Listening, load: LoadProcess, kind: GatewayLoad): Promise<Round> {
  const { name, origin, headers } = gateway;
  const before = await gateway.cpuUs();
  const requests = kind.chunks > 0 ? kind.requests : Math.max(kind.connections, Math.round(kind.requests * gateway.share));
  const { wallMs, chunks, ...times } = await load.run({ origin, headers, ...kind, requests });
  const cpuUs = (await gateway.cpuUs()) - before;
  const count = kind.chunks > 0 ? chunks : requests;
  return { name, connections: kind.connections, cpuUs: cpuUs / count, perSecond: (count / wallMs) * 1000, ...times };
}
