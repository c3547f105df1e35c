'use strict';
/**
 * `npm run ready`: all checks of CI. Continues after a failure and ends with a summary line.
 *
 * IN_TURN run one after the other. The lists of BESIDE run at the same time at low priority, on
 * what the suites leave of the cores while they wait. ALONE run last. To add a check, add it to one
 * of these lists.
 *
 * `LONG=1`, as every night: long tests in full, all suites with an engine on TypeScript as well,
 * the addon of the full profile, AddressSanitizer, and the fuzz targets.
 */

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { ENGINE_SOURCES, NODE_SUITES, notOnTypescript } = require('./engine-suites.js');
const { NEWEST_NODE, OTHER_NODES, findNode } = require('./other-nodes.js');
const { root, npm } = require('./process.js');
const { PATIENT, plain, jest, rustTests, counted, fail, conclude } = require('./ready-report.js');

const LONG = process.env.LONG;
const CI = process.env.CI;

const cargo = (name, ...args) => ['cargo', [name, '--manifest-path', 'native/Cargo.toml', ...args]];
const node = (path, ...args) => [process.execPath, [path, ...args]];

const IS_NIGHTLY = Number(LONG ?? 0) >= 1;

/** The dose of long tests: some of them take minutes with all of it, which is for the night. */
const DOSE = LONG ?? '0.1';

/** Of the quick profile, which compiles in half the time; at night of the full one. */
async function addon() {
  const NATIVE_PROFILE = IS_NIGHTLY ? 'full' : 'quick';
  await plain('addon', node('scripts/build-native.js'), { env: { ...process.env, NATIVE: 'required', NATIVE_PROFILE } });
  await plain('generated files are committed', [
    'git',
    ['diff', '--exit-code', '--stat', '--', 'native/index.js', 'native/index.d.ts', 'native/Cargo.lock'],
  ]);
}

/** `typecheck` checks the types. */
async function dist() {
  await plain('dist', node('scripts/compile-dist.js', '--unchecked'));
}

/** What the tests and the examples take. */
async function builds() {
  await Promise.all([addon(), dist()]);
}

async function rustChecks() {
  await plain('rustfmt', cargo('fmt', '--all', '--check'), PATIENT);
  await plain('rustfmt of the fuzz targets', ['cargo', ['fmt', '--manifest-path', 'native/fuzz/Cargo.toml', '--check']], PATIENT);
  await plain('clippy', cargo('clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'), PATIENT);
}

async function rustSuite() {
  await rustTests('cargo test', cargo('test', '--workspace'));
  if (IS_NIGHTLY) await counted('cargo test under AddressSanitizer', node('scripts/sanitize.js'), PATIENT);
}

/** Not beside others: an input that takes ten seconds is a finding. */
async function fuzzTargets() {
  if (IS_NIGHTLY) await counted('fuzz targets', node('scripts/fuzz.js'));
}

async function typescriptChecks() {
  await plain('typecheck', node('node_modules/typescript7/bin/tsc', '-p', 'tsconfig.json'), PATIENT);
  await plain('lint', node('node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'), PATIENT);
  await plain('format', node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'), PATIENT);
  // The first of these checks has found the errors of types.
  await plain('reference', node('node_modules/typedoc/bin/typedoc', '--emit', 'none', '--skipErrorChecking'), PATIENT);
}

/** What one request runs, next to the committed table. Counted, so it may run beside others. */
async function steps() {
  await plain('steps of a request', node('test/steps/run.js'));
}

/** From the packed package. */
function examples() {
  return counted('examples', node('scripts/examples.js'));
}

/** With the README's command. */
function defaultSuite({ folder }) {
  return jest({ name: 'tests', report: join(folder, 'tests.json'), env: { TEST_ENGINE: '', LONG: DOSE }, command: npm('test', '--') });
}

/** The suites that choose an engine, and do not name it. */
function typescriptSuite({ folder }) {
  return jest({
    name: 'tests on TypeScript alone',
    report: join(folder, 'typescript.json'),
    args: ['--testPathIgnorePatterns', '/node_modules/', ...notOnTypescript(IS_NIGHTLY), '--findRelatedTests', ...ENGINE_SOURCES],
    env: { TEST_ENGINE: 'typescript' },
  });
}

/** The lines that a push tests; the workflow tests each on a machine of its own. */
const NODES = IS_NIGHTLY ? OTHER_NODES : [NEWEST_NODE];

/** Into npm's cache, where `otherNodes` and the examples find them. */
async function downloadNodes() {
  for (const line of NODES) await findNode(line);
}

async function otherNodes({ folder }) {
  for (const line of NODES) {
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

/** The suites that run again; beside them what needs the builds, but none of the suites. */
async function repeatedSuites(context) {
  await Promise.all([inTurn([typescriptSuite, otherNodes], context), inTurn([examples, steps], context)]);
}

const IN_TURN = [builds, defaultSuite, repeatedSuites];
const BESIDE = [[rustChecks, rustSuite], [typescriptChecks], [downloadNodes]];
const ALONE = [fuzzTargets];

async function inTurn(checks, context) {
  for (const check of checks) await check(context);
}

async function main() {
  const context = { folder: mkdtempSync(join(tmpdir(), 'ready-')) };
  await Promise.all([IN_TURN, ...BESIDE].map((checks) => inTurn(checks, context)));
  await inTurn(ALONE, context);
  rmSync(context.folder, { recursive: true, force: true });
  conclude();
}

process.chdir(root);
main();
