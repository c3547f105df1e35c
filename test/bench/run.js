'use strict';
// `npm run bench -- NAME [options]`: brings up to date what a bench needs (its peers, the compiled
// package) and runs test/bench/NAME.bench.ts; without a name all of them, one after the other.

const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');

const root = join(__dirname, '..', '..');
const compiled = join(root, 'dist', 'bench');

const say = (line) => console.error(`bench: ${line}`);
const filesUnder = (folder, ending) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(path, ending);
    return entry.name.endsWith(ending) ? [path] : [];
  });
const sources = (folder) => filesUnder(folder, '.ts').filter((file) => !file.endsWith('.test.ts'));

function run(what, command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' });
  if (status !== 0) throw new Error(`${what} failed: ${error?.message ?? `${command} ended with ${status}`}`);
}

/**
 * The peers: installed on first use, so that installing or testing the package does not need them.
 */
function installPeers() {
  const stamp = join(__dirname, 'node_modules', '.package-lock.json');
  const lock = join(__dirname, 'package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing the packages to compare with (about 150 MB, once)…');
  // Not `npm ci`: it rejects a lock file without the unpublished platform packages of some peers.
  run(
    'installing the peers',
    'npm',
    ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    __dirname,
  );
}

/** What users run: the package as tsc compiles it. */
function buildPackage() {
  const built = join(root, 'dist', 'lib', 'index.js');
  const newest = Math.max(...['lib', 'sample-app'].flatMap((folder) => sources(join(root, folder))).map((file) => statSync(file).mtimeMs));
  if (existsSync(built) && statSync(built).mtimeMs >= newest) return;
  say('compiling the package…');
  run('compiling the package', process.execPath, [join(root, 'scripts', 'compile-dist.js')], root);
}

/** The addon of packages: that of `npm start` may be of the quick profile. */
function buildAddon() {
  run('building the addon', process.execPath, [join(root, 'scripts', 'build-native.js')], root);
}

/** Compiles the bench to JavaScript, so that measured processes contain no compiler. */
function compileBench() {
  const { transformSync } = require('@swc/core');
  rmSync(compiled, { recursive: true, force: true });
  for (const source of sources(__dirname)) {
    const target = join(compiled, relative(__dirname, source)).replace(/\.ts$/, '.js');
    const { code } = transformSync(readFileSync(source, 'utf8'), {
      filename: source,
      swcrc: false,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'commonjs' },
      sourceMaps: 'inline',
    });
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, code);
  }
}

const usage = (known) => `npm run bench                      all benches; writes docs/benchmarks.md
npm run bench -- NAME [options]    one of: ${known.join(', ')}

  --quick          few rounds, only to see that it runs
  --only ROWS      rows whose name contains one of these, separated by commas
  --engine NAMES   contenders whose name contains one of these
  --before DIR     another checkout with a compiled dist/ and an addon, measured in the same run (gateway)
  --seconds N      how long a search takes for each of its subjects
  --json FILE      keep the raw figures
  --write-docs     write the tables of docs/benchmarks.md, also after a partial run`;

async function main() {
  const [first, ...rest] = process.argv.slice(2);
  const known = filesUnder(__dirname, '.bench.ts').map((file) => relative(__dirname, file).replace('.bench.ts', ''));
  if (first === '--help' || first === '-h' || rest.includes('--help')) return console.log(usage(known));
  const all = first === undefined || first.startsWith('-');
  if (!all && !known.includes(first)) {
    console.error(`bench: there is no bench '${first}'\n\n${usage(known)}`);
    process.exitCode = 1;
    return;
  }
  const args = all ? process.argv.slice(2) : rest;
  // A smoke run takes what is there.
  if (!args.includes('--quick')) {
    installPeers();
    buildAddon();
  }
  buildPackage();
  compileBench();
  if (all) require(join(compiled, 'harness', 'every-bench.js')).main(known, __filename, args);
  else await require(join(compiled, 'harness', 'every-bench.js')).one(first, require(join(compiled, `${first}.bench.js`)).main, args);
}

main().catch((error) => {
  const isUsage = String(error.code).startsWith('ERR_PARSE_ARGS');
  console.error(isUsage ? `bench: ${error.message}; see npm run bench -- --help` : `bench: ${error.stack ?? error}`);
  process.exitCode = 1;
});
