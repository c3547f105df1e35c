import { Agent, get, type IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Pool, type Dispatcher } from 'undici';
import { BENCH } from '../tokens/contenders.js';
import { poolOf, type EngineMode } from './ours.js';

/** Asks the server, and reads all of the answer. */
export interface Client {
  readonly name: string;
  readonly ours: boolean;
  /** Sends one request; calls back with the bytes of its answer. */
  send(done: (bytes: number) => void, fail: (error: unknown) => void): void;
  close(): Promise<unknown>;
}

export const BARE_DISPATCH = 'undici Pool.dispatch';
export const BARE_REQUEST = 'undici Pool.request';
export const HTTP_AGENT = 'node:http with a keep-alive Agent';

/** All clients, each with so many connections at most. */
export function clients(origin: string, connections: number, engines: readonly EngineMode[], quick: boolean): Client[] {
  const peers = [bareDispatch, bareRequest, httpAgent, ...(quick ? [] : [agentKeepAlive]), fetching].map((make) =>
    make(origin, connections),
  );
  return [...engines.flatMap((engine) => ours(origin, connections, engine)), ...peers];
}

function ours(origin: string, connections: number, engine: EngineMode): Client[] {
  const [faced, used, leased] = Array.from({ length: 3 }, () => poolOf(engine, connections));
  const options = { origin, path: '/', method: 'GET' as const };
  return [
    {
      name: `dispatcher.dispatch (${engine})`,
      ours: true,
      send: (done, fail) => void faced.dispatcher.dispatch(options, new Counting(done, fail)),
      close: () => faced.drain({ deadlineMs: 0 }),
    },
    {
      name: `getConnection, request, returnConnection (${engine})`,
      ours: true,
      send(done, fail) {
        const id = leased.getConnection(origin) as number;
        leased
          .request(id, { path: '/' })
          .then(({ body }) => count(body, done, fail))
          .catch(fail);
        leased.returnConnection(id);
      },
      close: () => leased.drain({ deadlineMs: 0 }),
    },
    {
      name: `use (${engine})`,
      ours: true,
      send(done, fail) {
        used.use(origin, async (connection) => count((await connection.request({ path: '/' })).body, done, fail)).catch(fail);
      },
      close: () => used.drain({ deadlineMs: 0 }),
    },
  ];
}

function bareDispatch(origin: string, connections: number): Client {
  const pool = new Pool(origin, { connections });
  return {
    name: BARE_DISPATCH,
    ours: false,
    send: (done, fail) => void pool.dispatch({ path: '/', method: 'GET' }, new Counting(done, fail)),
    close: () => pool.destroy(),
  };
}

function bareRequest(origin: string, connections: number): Client {
  const pool = new Pool(origin, { connections });
  return {
    name: BARE_REQUEST,
    ours: false,
    send: (done, fail) => void pool.request({ path: '/', method: 'GET' }).then(({ body }) => count(body, done, fail), fail),
    close: () => pool.destroy(),
  };
}

function httpAgent(origin: string, connections: number): Client {
  return overAgent(HTTP_AGENT, origin, new Agent({ keepAlive: true, maxSockets: connections }));
}

function agentKeepAlive(origin: string, connections: number): Client {
  const Made = createRequire(join(BENCH, 'package.json'))('agentkeepalive') as new (options: object) => Agent;
  return overAgent('agentkeepalive', origin, new Made({ maxSockets: connections }));
}

function overAgent(name: string, origin: string, agent: Agent): Client {
  const { hostname, port } = new URL(origin);
  return {
    name,
    ours: false,
    send: (done, fail) =>
      void get({ hostname, port, path: '/', agent }, (answer: IncomingMessage) => count(answer, done, fail)).on('error', fail),
    close: async () => agent.destroy(),
  };
}

/** Node's own `fetch`, whose connections are its own. */
function fetching(origin: string): Client {
  return {
    name: 'fetch',
    ours: false,
    send(done, fail) {
      fetch(origin)
        .then(async (answer) => done((await answer.arrayBuffer()).byteLength))
        .catch(fail);
    },
    close: async () => {},
  };
}

/** The least that reads an answer from a dispatch. */
class Counting implements Dispatcher.DispatchHandler {
  private bytes = 0;

  constructor(
    private readonly done: (bytes: number) => void,
    private readonly fail: (error: unknown) => void,
  ) {}

  onRequestStart(): void {}
  onResponseStart(): void {}

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes += chunk.length;
  }

  onResponseEnd(): void {
    this.done(this.bytes);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }
}

function count(body: NodeJS.ReadableStream, done: (bytes: number) => void, fail: (error: unknown) => void): void {
  let bytes = 0;
  body.on('data', (chunk: Buffer) => (bytes += chunk.length));
  body.on('end', () => done(bytes));
  body.on('error', fail);
}
