// One gateway in a process of its own. Arguments: name, origin of the provider.
import 'reflect-metadata';
import './process-usage.js';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { overFetch, overUndici } from './bare.js';
import { BARE_EXPRESS, BARE_FASTIFY, BEFORE, buildOf, FETCH, OURS_EXPRESS, OURS_FASTIFY, PARSE, PIPE, USERS } from './contenders.js';
import { ours } from './ours.js';
import { parsing, piping } from './plain.js';
import { startUsersGateway } from './users.js';

// Not imported: beside the bench's peers the compiler would find another copy of Nest than runs.
const { Logger } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { ExpressAdapter } = require('@nestjs/platform-express');
const { FastifyAdapter } = require('@nestjs/platform-fastify');

const [name, origin] = process.argv.slice(2);
const express = [BARE_EXPRESS, FETCH, OURS_EXPRESS].includes(name);
const [, rootOf] =
  [
    [OURS_FASTIFY, ours],
    [OURS_EXPRESS, ours],
    [BARE_FASTIFY, overUndici],
    [BARE_EXPRESS, overUndici],
    [FETCH, overFetch],
  ].find(([known]) => known === name) ?? [];

async function main(): Promise<void> {
  const { server, headers } = await startServer();
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.send?.({ port: (server.address() as AddressInfo).port, headers });
}

async function startServer(): Promise<{ readonly server: Server; readonly headers?: Readonly<Record<string, string>> }> {
  if (name === USERS || name === BEFORE) return startUsersGateway(origin, buildOf(name) as string);
  return { server: name === PIPE ? piping(origin) : name === PARSE ? parsing(origin) : await nestServer() };
}

async function nestServer(): Promise<Server> {
  Logger.overrideLogger(['error']);
  const root = (rootOf as typeof ours)(origin);
  const app = await (express
    ? NestFactory.create(root, new ExpressAdapter(), { logger: ['error'] })
    : NestFactory.create(root, new FastifyAdapter(), { logger: ['error'] }));
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer() as Server;
}

void main();
