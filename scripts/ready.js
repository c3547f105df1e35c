'use strict';
/**
 * `npm run ready`: all checks of CI. Continues after a failure and ends with a summary line.
 *
 * IN_TURN run one after the other. The lists of BESIDE run at the same time at low priority, on
 * what the suites leave of the cores while they wait. ALONE run last, then once more the tests that
 * failed: what passes then is listed as flaky. To add a check, add it to one of these lists.
 *
 * `LONG=1`, as every night: long tests in full, all suites with an engine on TypeScript as well,
 * the addon of the full profile, AddressSanitizer, and the fuzz targets.
 */

const { ENGINE_SOURCES, NODE_SUITES, notOnTypescript } = require('./engine-suites.js');
const { NEWEST_NODE, OTHER_NODES, findNode } = require('./other-nodes.js');
const { root, npm } = require('./process.js');
const { PATIENT, Checks } = require('./ready/checks.js');

const LONG = process.env.LONG;
const CI = process.env.CI;

const cargo = (name, ...args) => ['cargo', [name, '--manifest-path', 'native/Cargo.toml', ...args]];
const node = (path, ...args) => [process.execPath, [path, ...args]];

const IS_NIGHTLY = Number(LONG ?? 0) >= 1;

/** A suite that runs longer hangs. The longest takes two minutes on a busy machine. */
const SUITE_LIMIT_MS = IS_NIGHTLY ? 3_600_000 : 600_000;

/** Lint takes a quarter of an hour at low priority; at night, the fuzz targets an hour. */
const CHECK_LIMIT_MS = IS_NIGHTLY ? 10_800_000 : 2_700_000;

const checks = new Checks({ suiteLimitMs: SUITE_LIMIT_MS, checkLimitMs: CHECK_LIMIT_MS });

/** The dose of long tests: some of them take minutes with all of it, which is for the night. */
const DOSE = LONG ?? '0.1';

/** Of the quick profile, which compiles in half the time; at night of the full one. */
async function addon() {
  const NATIVE_PROFILE = IS_NIGHTLY ? 'full' : 'quick';
  await checks.plain('addon', node('scripts/build-native.js'), { env: { ...process.env, NATIVE: 'required', NATIVE_PROFILE } });
  await checks.plain('generated files are committed', [
    'git',
    ['diff', '--exit-code', '--stat', '--', 'native/index.js', 'native/index.d.ts', 'native/Cargo.lock'],
  ]);
}

/** `typecheck` checks the types. */
async function dist() {
  await checks.plain('dist', node('scripts/compile-dist.js', '--unchecked'));
}

/** What the tests and the examples take. */
async function builds() {
  await Promise.all([addon(), dist()]);
}

async function rustChecks() {
  await checks.plain('rustfmt', cargo('fmt', '--all', '--check'), PATIENT);
  await checks.plain('rustfmt of the fuzz targets', ['cargo', ['fmt', '--manifest-path', 'native/fuzz/Cargo.toml', '--check']], PATIENT);
  await checks.plain('clippy', cargo('clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'), PATIENT);
}

async function rustSuite() {
  await checks.rust('cargo test', cargo('test', '--workspace'));
  if (IS_NIGHTLY) await checks.counted('cargo test under AddressSanitizer', node('scripts/sanitize.js'), PATIENT);
}

/** Not beside others: an input that takes ten seconds is a finding. */
async function fuzzTargets() {
  if (IS_NIGHTLY) await checks.counted('fuzz targets', node('scripts/fuzz.js'));
}

async function typescriptChecks() {
  await checks.plain('typecheck', node('node_modules/typescript7/bin/tsc', '-p', 'tsconfig.json'), PATIENT);
  await checks.plain('lint', node('node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'), PATIENT);
  await checks.plain('format', node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'), PATIENT);
  // The first of these checks has found the errors of types.
  await checks.plain('reference', node('node_modules/typedoc/bin/typedoc', '--emit', 'none', '--skipErrorChecking'), PATIENT);
}

/** What one request runs, next to the committed table. Counted, so it may run beside others. */
async function steps() {
  await checks.plain('steps of a request', node('test/steps/run.js'), { canVary: true });
}

/** From the packed package. */
function examples() {
  return checks.counted('examples', node('scripts/examples.js'), { nameOf: (title) => title.split(', ')[0] });
}

/** With the README's command. */
function defaultSuite() {
  return checks.jest({ name: 'tests', env: { TEST_ENGINE: '', LONG: DOSE }, command: npm('test', '--') });
}

/** The suites that choose an engine, and do not name it. */
function typescriptSuite() {
  return checks.jest({
    name: 'tests on TypeScript alone',
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

async function otherNodes() {
  for (const line of NODES) {
    const name = `tests on Node ${line}`;
    const path = await findNode(line);
    if (path !== undefined) {
      await checks.jest({
        name,
        args: [`(${NODE_SUITES.join('|')})`],
        env: { TEST_ENGINE: '' },
        node: path,
      });
      continue;
    }
    console.error(`\n[ready] ${name}: ${CI ? 'FAILED' : 'skipped'} (npm cannot install node@${line}); see the log of npm`);
    if (CI) checks.fail(name, `npm cannot install node@${line}`);
  }
}

/** The suites that run again; beside them what needs the builds, but none of the suites. */
async function repeatedSuites() {
  await Promise.all([inTurn([typescriptSuite, otherNodes]), inTurn([examples, steps])]);
}

const IN_TURN = [builds, defaultSuite, repeatedSuites];
const BESIDE = [[rustChecks, rustSuite], [typescriptChecks], [downloadNodes]];
const ALONE = [fuzzTargets];

async function inTurn(work) {
  for (const one of work) await one();
}

async function main() {
  await Promise.all([IN_TURN, ...BESIDE].map(inTurn));
  await inTurn(ALONE);
  await checks.repeatFailures();
  checks.conclude();
}

process.chdir(root);
main();
