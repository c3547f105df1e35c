'use strict';
/**
 * `npm run ready`: all checks of CI. Continues after a failure and ends with a summary line.
 *
 * `--tested FILE`: the suite has already run on the default engine, with Jest's JSON report in
 * FILE. `LONG=1`: long tests run in full. IN_TURN run one after the other; BESIDE run at the same
 * time at low priority. To add a check, add it to one of these two lists.
 */

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { ENGINE_BLIND, NAMED_ENGINES, NODE_SUITES } = require('./engine-suites.js');
const { OTHER_NODES, findNode } = require('./other-nodes.js');
const { root } = require('./process.js');
const { PATIENT, plain, jest, addJest, rustTests, counted, fail, conclude } = require('./ready-report.js');

const LONG = process.env.LONG;
const CI = process.env.CI;

const cargo = (name, ...args) => ['cargo', [name, '--manifest-path', 'native/Cargo.toml', ...args]];
const node = (path, ...args) => [process.execPath, [path, ...args]];

async function addon() {
  await plain('addon', node('scripts/build-native.js'), { env: { ...process.env, NATIVE: 'required' } });
  await plain('generated files are committed', [
    'git',
    ['diff', '--exit-code', '--stat', '--', 'native/index.js', 'native/index.d.ts', 'native/Cargo.lock'],
  ]);
}

async function rustChecks() {
  await plain('rustfmt', cargo('fmt', '--all', '--check'), PATIENT);
  await plain('clippy', cargo('clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'), PATIENT);
}

/** The core's tests; in the short run of CI only under AddressSanitizer. */
async function rustSuite() {
  if (LONG || !CI) await rustTests('cargo test', cargo('test', '--workspace'));
  await counted('cargo test under AddressSanitizer', node('scripts/sanitize.js'), PATIENT);
}

/** Not beside others: an input that takes ten seconds is a finding. */
async function fuzzTargets() {
  await plain('rustfmt of the fuzz targets', ['cargo', ['fmt', '--manifest-path', 'native/fuzz/Cargo.toml', '--check']]);
  await counted('fuzz targets', node('scripts/fuzz.js', ...(LONG ? [] : ['3'])));
}

async function typescriptChecks() {
  await plain('typecheck', node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'));
  await plain('lint', node('node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'));
  await plain('format', node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'));
  await plain('reference', node('node_modules/typedoc/bin/typedoc', '--emit', 'none'));
  await plain('dist', node('node_modules/@nestjs/cli/bin/nest.js', 'build', 'sample-app'));
}

/** From the packed package, with the dist/ that the checks before have compiled. */
function examples() {
  return counted('examples', node('scripts/examples.js'));
}

async function defaultSuite({ folder, tested }) {
  if (tested !== undefined) addJest('tests', tested);
  else await jest({ name: 'tests', report: join(folder, 'tests.json'), env: { TEST_ENGINE: '' } });
}

/** The suites that do not name their engines, and have one. */
function typescriptSuite({ folder }) {
  return jest({
    name: 'tests on TypeScript alone',
    report: join(folder, 'typescript.json'),
    args: ['--testPathIgnorePatterns', '/node_modules/', `/lib/(${NAMED_ENGINES.join('|')})/`, `(${ENGINE_BLIND.join('|')})`],
    env: { TEST_ENGINE: 'typescript' },
  });
}

/** The suites that import `test/support/long.ts`, with more than their usual dose. */
function longSuites({ folder }) {
  return jest({
    name: 'long tests',
    report: join(folder, 'long.json'),
    args: ['--findRelatedTests', 'test/support/long.ts'],
    env: { TEST_ENGINE: '', LONG: LONG ?? '0.3' },
  });
}

async function otherNodes({ folder }) {
  for (const line of OTHER_NODES) {
    const name = `tests on Node ${line}`;
    const path = await findNode(line);
    if (path !== undefined) {
      await jest({
        name,
        report: join(folder, `node-${line}.json`),
        args: [`(${NODE_SUITES.join('|')})`],
        env: { TEST_ENGINE: '' },
        node: path,
      });
      continue;
    }
    console.error(`\n[ready] ${name}: ${CI ? 'FAILED' : 'skipped'} (npm cannot install node@${line}); see the log of npm`);
    if (CI) fail(name);
  }
}

const IN_TURN = [typescriptChecks, examples, defaultSuite, typescriptSuite, otherNodes, longSuites, fuzzTargets];
const BESIDE = [rustChecks, rustSuite];

async function main(args) {
  const folder = mkdtempSync(join(tmpdir(), 'ready-'));
  const at = args.indexOf('--tested');
  const context = { folder, tested: at >= 0 ? args[at + 1] : undefined };
  console.error('[ready] the addon, then all other checks…');
  // First and alone: the suites use it.
  await addon();
  const beside = (async () => {
    for (const check of BESIDE) await check(context);
  })();
  for (const check of IN_TURN) await check(context);
  await beside;
  rmSync(folder, { recursive: true, force: true });
  conclude();
}

process.chdir(root);
main(process.argv.slice(2));
