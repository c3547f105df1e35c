'use strict';
/**
 * `node scripts/examples.js [names]`: runs the checks of docs/examples from the packed package,
 * with the addon and without it, on this Node and on another line. Needs dist/. The packages of all
 * examples are installed once, beside copies of them. Ends with `N passed, N failed`.
 */

const { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { spawnSync } = require('node:child_process');
const { NEWEST_NODE, findNode } = require('./other-nodes.js');
const { root, capture, npm } = require('./process.js');

const EXAMPLES = join(root, 'docs', 'examples');
const PACKAGE = 'nestjs-fast-litellm';
const CHECK_TIMEOUT_MS = 120_000;

const environment = { ...process.env };
delete environment.FAST_LITELLM_ENGINE;
const total = { passed: 0, failed: 0 };

const manifestOf = (name) => JSON.parse(readFileSync(join(EXAMPLES, name, 'package.json'), 'utf8'));

/** @throws Error with the command's output */
async function must([command, args], options) {
  const { code, output } = await capture(command, args, options);
  if (code !== 0) throw new Error(`${args.join(' ')}: exit code ${code}\n${output}`);
  return output;
}

/** The packages of all examples; a test keeps their versions equal. */
function allDependencies(names, tarball) {
  const dependencies = Object.assign({}, ...names.map(manifestOf).map((one) => ({ ...one.dependencies, ...one.devDependencies })));
  return { ...dependencies, [PACKAGE]: `file:${tarball}` };
}

/** A folder with the packed package, the examples' packages and copies of the examples. */
async function install(folder, names) {
  const packed = await must(npm('pack', root, '--ignore-scripts', '--silent', '--pack-destination', folder));
  const tarball = packed.trim().split('\n').at(-1);
  const manifest = { private: true, dependencies: allDependencies(names, tarball) };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  await must(npm('install', '--prefix', folder, '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'));
  const isSource = (path) => !/[\\/](?:node_modules|dist)$/.test(path);
  for (const name of names) cpSync(join(EXAMPLES, name), join(folder, name), { recursive: true, filter: isSource });
}

/** Calls `work` with each item, with two at a time. */
async function twoAtATime(items, work) {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

/** Runs the compiled check of one example. */
async function check({ name, folder, node, env, label }) {
  const options = { env: { ...environment, ...env }, timeoutMs: CHECK_TIMEOUT_MS };
  const { code, output, timedOut } = await capture(node, [join(folder, name, 'dist', 'check.js')], options);
  if (code === 0) total.passed++;
  else total.failed++;
  console.log(code === 0 ? `ok: ${name}, ${label}` : `FAILED: ${name}, ${label}${timedOut ? ' (timed out)' : ''}\n${output}`);
}

function runnable(names) {
  if (process.env.REDIS_URL || spawnSync('redis-server', ['--version']).status === 0) return names;
  console.log('skipped: redis-gateway (no REDIS_URL and no redis-server)');
  return names.filter((name) => name !== 'redis-gateway');
}

async function main(wanted) {
  if (!existsSync(join(root, 'dist', 'lib', 'index.js'))) throw new Error('dist/ is missing: npm run build');
  const all = readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const known = all.map(({ name }) => name);
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no example ${unknown.join(', ')}: there are ${known.join(', ')}`);
  const names = runnable(wanted.length > 0 ? wanted : known);

  const folder = mkdtempSync(join(tmpdir(), 'examples-'));
  try {
    await install(folder, names);
    await twoAtATime(names, (name) => must(npm('run', 'build', '--prefix', join(folder, name))));

    const nodes = [{ node: process.execPath, line: `Node ${process.versions.node}` }];
    const other = await findNode(NEWEST_NODE);
    if (other !== undefined) nodes.push({ node: other, line: `Node ${NEWEST_NODE}` });
    else if (process.env.CI) total.failed++;
    const checkAll = async (engine, env) => {
      for (const { node, line } of nodes) {
        await twoAtATime(names, (name) => check({ name, folder, node, env, label: `${engine}, ${line}` }));
      }
    };
    const native = join(folder, 'node_modules', PACKAGE, 'native');
    const addons = readdirSync(native).filter((name) => name.endsWith('.node'));
    if (addons.length > 0) await checkAll('addon', { FAST_LITELLM_ENGINE: 'native' });
    for (const name of addons) rmSync(join(native, name));
    await checkAll('TypeScript', {});
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
