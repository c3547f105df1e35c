'use strict';
// `npm run ready`: every check that CI makes; goes on after a failure and ends with a line that sums it up.
// The checks of Rust run beside all others, on what those leave of the processors; each is told as a whole when it is over.
// `--tested FILE`: the suite has already run on the default engine, with Jest's JSON report in FILE.

const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { NAMED_ENGINES } = require('./engine-suites.js');
const { run, capture, root } = require('./process.js');

const cargo = (name, ...args) => ['cargo', [name, '--manifest-path', 'native/Cargo.toml', ...args]];
const node = (path, ...args) => [process.execPath, [path, ...args]];
// The suites have real servers and time-outs: a compiler must not take their turn.
const PATIENT = { isPatient: true };
const total = { passed: 0, failed: 0 };
const failures = [];

async function timed(name, work) {
  const startedMs = Date.now();
  const { code, output = '' } = await work();
  console.error(
    `\n[ready] ${name}: ${code === 0 ? 'ok' : `FAILED (${code})`}, ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n${output}`,
  );
  return { code, output };
}

function fail(name, count = 1) {
  total.failed += count;
  failures.push(name);
}

/** One that is silent when all is well: what it said is shown when it is not. */
async function plain(name, [command, args], options) {
  const { code } = await timed(name, async () => {
    const { code, output } = await capture(command, args, options);
    return { code, output: code === 0 ? '' : output };
  });
  if (code !== 0) fail(name);
}

/** A suite that could not even load counts as one failure. */
function addJest(name, file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return fail(`${name} (no report)`);
  }
  total.passed += report.numPassedTests;
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  if (failed > 0 || !report.success) fail(name, Math.max(failed, 1));
}

async function jest(name, engine, file, ...more) {
  console.error(`\n[ready] ${name}`);
  const args = ['node_modules/jest/bin/jest.js', '--json', `--outputFile=${file}`, ...more];
  const { code } = await timed(name, async () => ({
    code: await run(process.execPath, args, { env: { ...process.env, TEST_ENGINE: engine } }),
  }));
  // Interrupted.
  if (code >= 128) process.exit(code);
  addJest(name, file);
}

async function rustTests() {
  const name = 'cargo test';
  const { code, output } = await timed(name, () => capture(...cargo('test', '--workspace'), PATIENT));
  const results = [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)];
  for (const [, passed, failed] of results) {
    total.passed += Number(passed);
    if (failed !== '0') fail(name, Number(failed));
  }
  // It did not compile, or it crashed before its own count.
  if (code !== 0 && !failures.includes(name)) fail(name);
}

async function typescriptChecks() {
  await plain('typecheck', node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'));
  await plain('lint', node('node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'));
  await plain('format', node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'));
  await plain('dist', node('node_modules/@nestjs/cli/bin/nest.js', 'build', 'sample-app'));
}

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
  await rustTests();
}

async function main(args) {
  const folder = mkdtempSync(join(tmpdir(), 'ready-'));
  const at = args.indexOf('--tested');
  console.error('[ready] the addon, then all other checks…');
  // First and alone: the suites use it.
  await addon();
  const rust = rustChecks();
  await typescriptChecks();
  if (at >= 0) addJest('tests', args[at + 1]);
  else await jest('tests', '', join(folder, 'tests.json'));
  const once = `/lib/(${NAMED_ENGINES.join('|')})/`;
  await jest(
    'tests on TypeScript alone',
    'typescript',
    join(folder, 'typescript.json'),
    '--testPathIgnorePatterns',
    '/node_modules/',
    once,
  );
  await rust;
  rmSync(folder, { recursive: true, force: true });

  if (failures.length > 0) console.log(`\nfailed: ${failures.join(', ')}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

process.chdir(root);
main(process.argv.slice(2));
