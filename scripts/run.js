'use strict';
// `npm start`, `npm run dev`, `npm test` and `npm run test:<engine>` in a fresh clone: installs and
// builds what is missing, then runs. Uses Node built-ins only.

const { existsSync, lstatSync, readFileSync, readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { root, run, npm } = require('./process.js');

/** What dist/ depends on, in addition to its sources. */
const COMPILED_WITH = [
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.emit.json',
  'nest-cli.json',
  'scripts/compile-dist.js',
  'scripts/late-imports.js',
];

/** 0 when the file is missing. */
function modifiedMs(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function newestMs(path) {
  const entries = readdirSync(join(root, path), { withFileTypes: true });
  return Math.max(0, ...entries.map((entry) => (entry.isDirectory() ? newestMs : modifiedMs)(join(path, entry.name))));
}

async function step(line, command, args, options) {
  if (line) console.error(line);
  const code = await run(command, args, options);
  if (code !== 0) process.exit(code);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  // NestJS 12 is ES modules only: other versions of Node cannot require() them or are end-of-life.
  if (major >= 24 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) return;
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  console.error(`Node ${process.versions.node} is none of those that this project runs on: ${engines.node}`);
  process.exit(1);
}

async function install() {
  // npm writes this file last, so it is missing after an aborted install.
  if (modifiedMs('node_modules/.package-lock.json') >= modifiedMs('package-lock.json')) return;
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    // `npm ci` would empty the target of the link.
    console.error('node_modules is a link and is missing or older than package-lock.json: remove the link, or install where it leads');
    process.exit(1);
  }
  const [command, args, options] = npm('ci', '--no-audit', '--no-fund', '--loglevel=error');
  const env = { ...process.env, NATIVE: 'later', DIST: 'skip' };
  await step('installing the packages (npm ci)…', command, args, { ...options, env });
}

function buildAddon() {
  return step('', process.execPath, ['scripts/build-native.js', '--once'], { env: { ...process.env, NATIVE_PROFILE: 'quick' } });
}

async function buildDist() {
  const builtMs = modifiedMs('dist/sample-app/main.js');
  const sources = ['lib', 'sample-app'].map(newestMs).concat(COMPILED_WITH.map(modifiedMs));
  if (builtMs > Math.max(...sources)) return;
  await step('compiling to dist/…', process.execPath, ['scripts/compile-dist.js', '--unchecked']);
}

async function main([task, ...args]) {
  checkNode();
  await install();
  // Both use one processor for most of their time.
  await Promise.all([buildAddon(), task === 'start' ? buildDist() : undefined]);
  if (task.startsWith('test')) {
    const [, engine = process.env.TEST_ENGINE ?? ''] = task.split(':');
    return run(process.execPath, ['node_modules/jest/bin/jest.js', ...args], { env: { ...process.env, TEST_ENGINE: engine } });
  }
  if (task === 'dev') return run(process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'start', 'sample-app', '--watch', ...args]);
  return run(process.execPath, ['--enable-source-maps', 'dist/sample-app/main.js', ...args]);
}

if (!existsSync(join(root, 'package-lock.json'))) throw new Error('package-lock.json is missing: this is not a whole clone');
main(process.argv.slice(2)).then((code) => process.exit(code));
