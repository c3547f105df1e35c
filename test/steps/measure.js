'use strict';
// Sends the requests of each scenario one at a time and collects what they took.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const { Agent, request: send } = require('node:http');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { MASTER_KEY } = require('./apps.js');
const { bytesOf } = require('./coverage.js');
const { BARE, SCENARIOS } = require('./scenarios.js');

const WARM_UP = 100;
const COUNTED = 100;
/** A function counts as a step of a request if at least every second request calls it. */
const LEAST_SHARE = 0.5;

/** A child process that does what it is asked. */
class Child {
  constructor(file, args, options) {
    this.process = fork(join(__dirname, file), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], ...options });
    this.started = once(this.process, 'message').then(([message]) => message);
    this.ended = once(this.process, 'exit').then(([code]) => {
      throw new Error(`${file} ${args.join(' ')} ended with ${code}`);
    });
    this.ended.catch(() => {});
  }

  async ask(task, options = {}) {
    this.process.send({ task, ...options });
    const [{ done }] = await Promise.race([once(this.process, 'message'), this.ended]);
    return done;
  }

  stop() {
    this.process.kill('SIGKILL');
  }
}

/** One connection, one request at a time. */
class Client {
  constructor(url) {
    this.url = url;
    this.agent = new Agent({ keepAlive: true, maxSockets: 1 });
  }

  post(path, body, key) {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    if (key !== undefined) headers.authorization = `Bearer ${key}`;
    return new Promise((resolve, reject) => {
      const sent = send(this.url + path, { method: 'POST', headers, agent: this.agent }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(parts).toString() }));
      });
      sent.on('error', reject);
      sent.end(text);
    });
  }
}

async function sendMany(client, times, { path, body, key, status = 200 }) {
  for (let left = times; left > 0; left--) {
    const answer = await client.post(path, body, key);
    if (answer.status !== status) throw new Error(`${path} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
  }
}

const idle = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Bytes that one request allocates: without a collection in between, the heap only grows. */
async function allocated(child, client, scenario) {
  const figures = [];
  for (let tries = 0; figures.length < 3 && tries < 10; tries++) {
    const before = await child.ask('heap', { collect: true });
    await sendMany(client, COUNTED, scenario);
    const after = await child.ask('heap', { collect: false });
    if (after.collections === before.collections) figures.push((after.usedBytes - before.usedBytes) / COUNTED);
  }
  if (figures.length === 0) throw new Error('the heap was collected in each measurement: give it a larger young generation');
  return Math.min(...figures);
}

/** Calls for each function and executed ranges for each file, of `COUNTED` requests minus an idle period as long. */
async function steps(child, client, scenario) {
  await child.ask('countSteps');
  await sendMany(client, 20, scenario);
  await child.ask('takeSteps', { leastCount: 1 });
  const startMs = Date.now();
  await sendMany(client, COUNTED, scenario);
  const tookMs = Date.now() - startMs;
  const counted = await child.ask('takeSteps', { leastCount: COUNTED * LEAST_SHARE });
  await idle(tookMs);
  const rest = await child.ask('takeSteps', { leastCount: 1 });
  await child.ask('stopSteps');
  const idleCalls = new Map(rest.flatMap(({ file, functions }) => functions.map(([id, count]) => [`${file}:${id}`, count])));
  return counted.map(({ owner, file, functions, executed }) => ({
    owner,
    file,
    functions: functions
      .map(([id, count]) => [id, (count - (idleCalls.get(`${file}:${id}`) ?? 0)) / COUNTED])
      .filter(([, count]) => count >= LEAST_SHARE),
    executed,
  }));
}

function figures(rows, bareRows) {
  const bareFiles = new Map(bareRows.map((row) => [row.file, row]));
  const total = { lib: zero(), sample: zero(), packages: zero() };
  const byPackage = {};
  for (const row of rows) {
    if (row.functions.length === 0) continue;
    const group = row.owner === 'lib' ? total.lib : row.owner === 'sample-app' ? total.sample : total.packages;
    const bare = new Map(bareFiles.get(row.file)?.functions);
    let calls = 0;
    let functions = 0;
    for (const [id, count] of row.functions) {
      calls += count - (bare.get(id) ?? 0);
      if (!bare.has(id)) functions++;
    }
    const bareBytes = bareFiles.has(row.file) ? bytesOf(row.file, bareFiles.get(row.file).executed) : 0;
    group.calls += calls;
    group.functions += functions;
    group.files += functions > 0 ? 1 : 0;
    group.bytes += Math.max(0, bytesOf(row.file, row.executed) - bareBytes);
    if (group === total.packages) byPackage[row.owner] = (byPackage[row.owner] ?? 0) + calls;
  }
  for (const group of Object.values(total)) group.calls = Math.round(group.calls);
  const packages = Object.entries(byPackage)
    .map(([owner, calls]) => [owner, Math.round(calls)])
    .filter(([, calls]) => calls !== 0)
    .sort(([, a], [, b]) => b - a);
  return { ...total, byPackage: Object.fromEntries(packages) };
}

const zero = () => ({ calls: 0, functions: 0, files: 0, bytes: 0 });

/** A row for each scenario. `only`: parts of names. */
async function measure({ only = [], say, isDetailed = false }) {
  const folder = mkdtempSync(join(tmpdir(), 'steps-'));
  const provider = new Child('provider.child.js', []);
  const { port } = await provider.started;
  const origin = `http://127.0.0.1:${port}`;
  const options = {
    // Optimized code counts no calls, and allocates what its compiler left over: both figures would depend on when it was compiled.
    execArgv: ['--no-opt', '--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=256'],
    env: { ...process.env, STEPS_FOLDER: folder, NODE_ENV: 'test', FAST_LITELLM_ENGINE: 'native' },
  };
  const open = async (name) => {
    const child = new Child('app.child.js', [name, origin], options);
    const { url } = await Promise.race([child.started, child.ended]);
    return { child, client: new Client(url) };
  };
  try {
    const wanted = SCENARIOS.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
    const bare = {};
    for (const kind of new Set(wanted.map((scenario) => scenario.bare))) {
      const { child, client } = await open('bare');
      const scenario = { path: '/v1/chat/completions', body: BARE[kind] };
      await sendMany(client, WARM_UP, scenario);
      bare[kind] = { allocated: await allocated(child, client, scenario), rows: await steps(child, client, scenario) };
      child.stop();
    }
    const rows = [];
    for (const { key: fields, ...scenario } of wanted) {
      say(`${scenario.name}…`);
      const { child, client } = await open(scenario.app);
      const request = { ...scenario, key: undefined };
      if (fields !== undefined) {
        const answer = await client.post('/key/generate', fields, MASTER_KEY);
        request.key = JSON.parse(answer.text).key;
        if (request.key === undefined) throw new Error(`/key/generate answered ${answer.status}: ${answer.text}`);
      }
      if (scenario.status !== undefined) await client.post(request.path, request.body, request.key);
      await sendMany(client, WARM_UP, request);
      const bytes = await allocated(child, client, request);
      const counted = await steps(child, client, request);
      child.stop();
      const { allocated: bareBytes, rows: bareRows } = bare[scenario.bare];
      const { name, allocationNoise } = scenario;
      const row = { name, allocationNoise, ...figures(counted, bareRows), allocatedBytes: Math.round(bytes - bareBytes) };
      if (isDetailed) row.detail = counted;
      rows.push(row);
    }
    return rows;
  } finally {
    provider.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

module.exports = { measure };
