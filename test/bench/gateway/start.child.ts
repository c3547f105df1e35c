// Starts one app and prints when it listens. Argument: `EMPTY`, or the name of a gateway.
import 'reflect-metadata';
import type * as Ours from './ours.js';
import { BEFORE, buildOf, USERS } from './contenders.js';
import type { StartTime } from './start-up.js';
import type * as Users from './users.js';

const ORIGIN = 'http://127.0.0.1:9';
const [name] = process.argv.slice(2);

async function start(): Promise<StartTime> {
  if (name === USERS || name === BEFORE) {
    const { startUsersGateway } = require('./users.js') as typeof Users;
    await startUsersGateway(ORIGIN, buildOf(name) as string);
    return { readyMs: performance.now() };
  }
  const { Module } = require('@nestjs/common');
  const { NestFactory } = require('@nestjs/core');
  const { FastifyAdapter } = require('@nestjs/platform-fastify');
  class EmptyModule {}
  Module({})(EmptyModule);
  const root = name === 'EMPTY' ? EmptyModule : (require('./ours.js') as typeof Ours).ours(ORIGIN);
  const app = await NestFactory.create(root, new FastifyAdapter(), { logger: false });
  await app.listen(0, '127.0.0.1');
  return { readyMs: performance.now() };
}

void start().then((found) => {
  console.log(JSON.stringify(found));
  process.exit();
});
