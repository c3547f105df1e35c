import 'reflect-metadata';
import type { CanActivate } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host';
import Fastify from 'fastify';
import { createRequire } from 'node:module';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { measure, median, type Task } from '../harness/measure.js';
import { responseTo } from '../harness/response.js';
import type { RateLimitGuard } from '../../../lib/http/guard/rate-limit.guard.js';
import { LIMIT, MINUTE_MS, ROOT } from './contenders.js';
import type { Effort } from './decisions.js';
import { compiled, openService, type EngineKind } from './ours.js';

/** Nanoseconds of a guard, without those of the request and response that it is given. */
export interface GuardRow {
  readonly adapter: 'Express' | 'Fastify';
  readonly ns: Record<string, number>;
}

export const GUARD = {
  bare: 'headers off',
  full: 'all headers',
  throttler60: 'ThrottlerGuard, 60 hits',
  throttler500: 'ThrottlerGuard, 500 hits',
};
const NOTHING = 'request and response alone';

class Limited {
  get(): string {
    return 'ok';
  }
}

const socket = new Socket();

type MakeRequest = () => [request: object, response: object];

/** What `canActivate` takes, in process: no sockets, whose noise is larger than any guard. */
export async function guardRows(kinds: readonly EngineKind[], effort: Effort): Promise<GuardRow[]> {
  const rows: GuardRow[] = [];
  for (const adapter of ['Express', 'Fastify'] as const) {
    const make = adapter === 'Express' ? expressPair : await fastifyPair();
    const tasks: Task[] = [taskOf(NOTHING, undefined, make)];
    for (const kind of kinds) {
      tasks.push(
        taskOf(`${kind}, ${GUARD.bare}`, ownGuard(kind, false), make),
        taskOf(`${kind}, ${GUARD.full}`, ownGuard(kind, true), make),
      );
    }
    const throttlers = [await throttlerGuard(60), await throttlerGuard(500)];
    if (throttlers[0] !== undefined) tasks.push(taskOf(GUARD.throttler60, throttlers[0], make));
    if (throttlers[1] !== undefined) tasks.push(taskOf(GUARD.throttler500, throttlers[1], make));
    const samples = await measure(tasks, { ...effort, keep: () => true, cpuTime: true });
    const nothing = samples.get(NOTHING) as number[];
    const ns = Object.fromEntries(
      [...samples].map(([name, values]) => [name, median(values.map((value, round) => value - nothing[round]))]),
    );
    rows.push({ adapter, ns });
  }
  return rows;
}

function taskOf(name: string, guard: CanActivate | undefined, make: MakeRequest): Task {
  const handler = Limited.prototype.get;
  const activate = (): unknown => {
    const [request, response] = make();
    const context = new ExecutionContextHost([request, response], Limited, handler);
    context.setType('http');
    return guard === undefined ? true : guard.canActivate(context);
  };
  return {
    name,
    run: async (times) => {
      for (let i = 0; i < times; i++) {
        const answer = activate();
        if (typeof answer !== 'boolean') await answer;
      }
    },
  };
}

/** Beside the framework's own header, as one is always there. */
function expressPair(): [object, object] {
  const request = Object.assign(new IncomingMessage(socket), { ip: '203.0.113.7' });
  request.headers = { authorization: 'Bearer sk-bench-0123456789' };
  const response = responseTo(request);
  response.setHeader('X-Powered-By', 'Express');
  return [request, response];
}

/** Fastify's reply, recreated each time: its headers are a plain object until they are sent. */
async function fastifyPair(): Promise<MakeRequest> {
  const app = Fastify();
  let made: [request: object, reply: object] | undefined;
  app.get('/', (request, reply) => {
    made = [request, reply];
    return 'ok';
  });
  await app.inject({ url: '/', headers: { authorization: 'Bearer sk-bench-0123456789' } });
  await app.close();
  const [request, reply] = made as unknown as [{ headers: object; raw: object }, { constructor: unknown }];
  const Reply = reply.constructor as new (response: object, request: object, log: undefined) => object;
  return () => {
    const raw = new IncomingMessage(socket);
    const own = { headers: { authorization: 'Bearer sk-bench-0123456789' }, ip: '203.0.113.7', raw, routeOptions: request };
    return [own, new Reply(responseTo(raw), own, undefined)];
  };
}

function ownGuard(kind: EngineKind, headers: boolean): CanActivate {
  const { RateLimitGuard: Guard } = compiled<{ RateLimitGuard: typeof RateLimitGuard }>('http/guard/rate-limit.guard.js');
  return new Guard(openService(kind, { requestsPerMinute: LIMIT, headers }), undefined as never);
}

/**
 * So many hits within the window, all scanned each time; the oldest is removed, as none expires
 * here.
 */
async function throttlerGuard(hits: number): Promise<CanActivate | undefined> {
  const own = createRequire(join(ROOT, 'package.json'));
  try {
    const { ThrottlerGuard, ThrottlerStorageService } = own('@nestjs/throttler');
    const storage = new ThrottlerStorageService();
    const increment = storage.increment.bind(storage);
    storage.increment = (key: string, ...rest: unknown[]) => {
      const kept = storage.hitExpirations.get(key)?.get('default') as unknown[] | undefined;
      if (kept !== undefined && kept.length >= hits) kept.shift();
      return increment(key, ...rest);
    };
    const guard = new ThrottlerGuard({ throttlers: [{ ttl: MINUTE_MS, limit: LIMIT }] }, storage, new (own('@nestjs/core').Reflector)());
    await guard.onModuleInit();
    return guard as CanActivate;
  } catch {
    return undefined;
  }
}
