'use strict';
/**
 * `npm run mutants -- [--sample N] [--suites N] [--seed N] [--only N,N…] [FILE or FOLDER…]`:
 * how many small bugs the tests find. Default: 20 mutants of lib/, each against up to 12 suites.
 * `--only` repeats some of a sample, by their numbers.
 *
 * Mutants are Stryker's, sampled at random over all lines of the files. Stryker's own runner starts
 * with one run of all tests in one process, with every mutant in place; here each mutant is written
 * to its file, and the suites that load the file run until the first one fails, nearest first. The
 * share found is a lower bound: `--suites 0` runs all of them.
 */

const { fork, spawnSync } = require('node:child_process');
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { parseArgs } = require('node:util');
const { root } = require('./process.js');

/** Messages, and what TypeScript refuses anyway. */
const EXCLUDED = ['StringLiteral'];
/** A mutant that keeps its suites busy for longer counts as found. */
const LONGEST_MS = 3 * 60_000;
/** Suites leak memory. */
const RUNS_PER_PROCESS = 20;
/** Share of the mutants that the tests have to find. */
const REQUIRED = 0.8;

/** Mulberry32: the same seed draws the same sample. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function git(...args) {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 }).stdout;
}

function sources(paths) {
  return git('ls-files', '--', ...paths)
    .split('\n')
    .filter((path) => /\.ts$/.test(path) && !/\.(test|d)\.ts$/.test(path));
}

/** All mutants of the files, each with the text of its file. */
async function mutantsOf(paths) {
  const { createInstrumenter } = await import('@stryker-mutator/instrumenter');
  const ignore = () => {};
  const logger = { debug: ignore, info: ignore, warn: ignore, isDebugEnabled: () => false };
  const { createInjector } = await import('typed-inject');
  const instrumenter = createInjector().provideValue('logger', logger).injectFunction(createInstrumenter);
  const files = paths.map((name) => ({ name, mutate: true, content: readFileSync(name, 'utf8') }));
  const { mutants } = await instrumenter.instrument(files, { excludedMutations: EXCLUDED, ignorers: [], plugins: null });
  return mutants.filter(({ status }) => status === undefined);
}

function offsetOf(text, { line, column }) {
  let offset = 0;
  for (let each = 0; each < line; each++) offset = text.indexOf('\n', offset) + 1;
  return offset + column;
}

/** Runs the suites that load the mutated file, in a process that is replaced now and then. */
class Runner {
  child = undefined;
  runs = 0;

  /** @returns {Promise<'killed' | 'timeout' | 'survived'>} */
  test(path, suites) {
    if (this.runs++ % RUNS_PER_PROCESS === 0) this.stop();
    const child = (this.child ??= fork(join(__dirname, 'mutants-runner.js'), { cwd: root, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => over('timeout'), LONGEST_MS);
      // A mutant can exhaust the memory of its process.
      const ended = (code, signal) => (signal === null ? reject(new Error(`The runner exited with ${code}.`)) : over('killed'));
      const over = (result) => {
        clearTimeout(timer);
        child.off('exit', ended).removeAllListeners('message');
        if (result === 'timeout' || child.signalCode !== null) this.stop();
        resolve(result);
      };
      child.once('exit', ended).once('message', over);
      child.send({ path, suites });
    });
  }

  stop() {
    this.child?.kill('SIGKILL');
    this.child = undefined;
  }
}

/** Whether the compiler rejects the mutant that is in place: no test has to find it. */
function isRefused() {
  const unused = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
  return spawnSync('npx', ['tsc', '-p', 'tsconfig.json', '--noEmit', ...unused], { cwd: root }).status !== 0;
}

function shown({ fileName, location, mutatorName, replacement }, text) {
  const original = text.slice(offsetOf(text, location.start), offsetOf(text, location.end));
  const line = (code) => code.replace(/\s+/g, ' ').slice(0, 100);
  return `${fileName}:${location.start.line + 1} ${mutatorName}: ${line(original)} → ${line(replacement)}`;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: 'string', default: '20' },
      seed: { type: 'string', default: `${Date.now() % 1e6}` },
      suites: { type: 'string', default: '12' },
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  });
  const paths = sources(positionals.length > 0 ? positionals : ['lib']);
  if (git('status', '--porcelain', '--', ...paths) !== '')
    throw new Error('Commit or stash your changes first: mutants are written to the files.');
  const mutants = await mutantsOf(paths);
  const random = randomFrom(Number(values.seed));
  const drawn = mutants.map((mutant) => ({ mutant, order: random() })).sort((a, b) => a.order - b.order);
  const sample = drawn.slice(0, Number(values.sample)).map(({ mutant }) => mutant);
  // Together, since their suites are compiled once.
  sample.sort((a, b) => a.fileName.localeCompare(b.fileName));
  console.log(`${sample.length} of ${mutants.length} mutants in ${paths.length} files, --seed ${values.seed}`);
  const runner = new Runner();
  const survivors = [];
  let refused = 0;
  const chosen = values.only === undefined ? sample.map((_, index) => index) : values.only.split(',').map((number) => number - 1);
  for (const index of chosen) {
    const mutant = sample[index];
    const text = readFileSync(mutant.fileName, 'utf8');
    const label = shown(mutant, text);
    if (values.list) {
      console.log(label);
      continue;
    }
    const { start, end } = mutant.location;
    const restore = () => writeFileSync(mutant.fileName, text);
    const stop = () => {
      restore();
      runner.stop();
      process.exit(130);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    let result;
    try {
      writeFileSync(mutant.fileName, text.slice(0, offsetOf(text, start)) + mutant.replacement + text.slice(offsetOf(text, end)));
      result = await runner.test(mutant.fileName, values.suites);
      if (result === 'survived' && isRefused()) result = 'refused';
    } finally {
      restore();
      process.off('SIGINT', stop).off('SIGTERM', stop);
    }
    console.log(`${index + 1}/${sample.length} ${result}: ${label}`);
    if (result === 'survived') survivors.push(label);
    if (result === 'refused') refused++;
  }
  runner.stop();
  if (values.list) return;
  const valid = chosen.length - refused;
  const found = valid - survivors.length;
  console.log(`\n${found} of ${valid} found (${((100 * found) / valid).toFixed(0)} %); the compiler refused ${refused}.`);
  for (const survivor of survivors) console.log(`  survived: ${survivor}`);
  if (found < REQUIRED * valid) process.exitCode = 1;
}

process.chdir(root);
main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
