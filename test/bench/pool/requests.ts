import { measure, median, speedup, type Task } from '../harness/measure.js';
import { BARE_DISPATCH, BARE_REQUEST, clients, HTTP_AGENT, type Client } from './clients.js';
import type { EngineMode } from './ours.js';

/** One client with so many requests in flight: CPU microseconds per request, and relative speed. */
export interface RequestFigures {
  readonly inFlight: number;
  readonly us: number;
  readonly timesDispatch: number;
  readonly timesRequest: number;
  readonly timesHttp: number;
}

/** Per request in flight: an answered request keeps its connection one turn longer. */
export const CONNECTIONS = 2;

const WARM_UPS = 3;

export interface RequestRow {
  readonly name: string;
  readonly ours: boolean;
  readonly figures: RequestFigures[];
}

/** Keeps `inFlight` requests in flight until `times` are answered. */
export function requesting(client: Client, inFlight: number): Task {
  return {
    name: client.name,
    run: (times) =>
      new Promise<void>((resolve, reject) => {
        let unsent = times;
        let unanswered = times;
        const next = (): void => {
          unsent--;
          client.send(answered, reject);
        };
        const answered = (bytes: number): void => {
          if (bytes === 0) reject(new Error(`${client.name}: an empty answer`));
          if (--unanswered === 0) resolve();
          else if (unsent > 0) next();
        };
        for (let count = Math.min(inFlight, times); count > 0; count--) next();
      }),
  };
}

/** Measures all clients alternately, first with one request in flight. */
export async function requestRows(
  origin: string,
  widths: readonly number[],
  engines: readonly EngineMode[],
  quick: boolean,
  say: (line: string) => void,
): Promise<RequestRow[]> {
  const rows = new Map<string, RequestRow>();
  for (const inFlight of widths) {
    const all = clients(origin, CONNECTIONS * inFlight, engines, quick);
    const tasks = all.map((client) => requesting(client, inFlight));
    // Warms up all clients first: otherwise the first one would pay for the compilation of undici.
    for (let turn = 0; turn < WARM_UPS; turn++) for (const task of tasks) await task.run(quick ? 100 : 4_000);
    const samples = await measure(tasks, { rounds: quick ? 2 : 11, minMs: quick ? 5 : 120, keep: () => true, cpuTime: true });
    for (const { name, ours } of all) {
      const row = rows.get(name) ?? { name, ours, figures: [] };
      rows.set(name, row);
      row.figures.push({
        inFlight,
        us: median(samples.get(name) ?? []) / 1000,
        timesDispatch: speedup(samples, name, BARE_DISPATCH),
        timesRequest: speedup(samples, name, BARE_REQUEST),
        timesHttp: speedup(samples, name, HTTP_AGENT),
      });
    }
    await Promise.all(all.map((client) => client.close()));
    say(`${inFlight} in flight: measured`);
  }
  return [...rows.values()];
}
