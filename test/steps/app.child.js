'use strict';
// One app in a process of its own, and V8's counters of it. Arguments: the app's name, the provider's origin.
require('reflect-metadata');

const { Session } = require('node:inspector');
const { join } = require('node:path');
const { PerformanceObserver } = require('node:perf_hooks');
const { ROOT, MASTER_KEY, ...apps } = require('./apps.js');
const { summarize } = require('./coverage.js');

const [name, origin] = process.argv.slice(2);

async function listen() {
  if (name === 'sample') {
    Object.assign(process.env, { LITELLM_MASTER_KEY: MASTER_KEY, API_KEYS_FILE: join(process.env.STEPS_FOLDER, 'sample-keys.json') });
    require('@nestjs/common').Logger.overrideLogger(['error']);
    const { start } = require(join(ROOT, 'dist/sample-app/start.js'));
    const { url } = await start({ HOST: '127.0.0.1', PORT: '0' });
    return url;
  }
  const { NestFactory } = require('@nestjs/core');
  const { FastifyAdapter } = require('@nestjs/platform-fastify');
  const app = await NestFactory.create(apps[name](origin), new FastifyAdapter(), { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

const session = new Session();
session.connect();
const post = (method, params) =>
  new Promise((resolve, reject) => session.post(method, params, (error, result) => (error ? reject(error) : resolve(result))));

let collections = 0;
new PerformanceObserver((list) => (collections += list.getEntries().length)).observe({ entryTypes: ['gc'] });

const tasks = {
  async countSteps() {
    await post('Profiler.enable');
    await post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  },
  /** What has run since the last call. */
  async takeSteps({ leastCount }) {
    return summarize((await post('Profiler.takePreciseCoverage')).result, leastCount);
  },
  async stopSteps() {
    await post('Profiler.stopPreciseCoverage');
    await post('Profiler.disable');
  },
  async heap({ collect }) {
    if (collect) globalThis.gc();
    // Collections are reported in a later turn.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { usedBytes: process.memoryUsage().heapUsed, collections };
  },
};

process.on('message', async ({ task, ...options }) => process.send({ done: await tasks[task](options) }));
process.on('disconnect', () => process.exit());

listen().then(
  (url) => process.send({ url: url.replace('[::1]', '127.0.0.1') }),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
